/*
 * ops.c - the rules' operations on one tensor, as tensor expressions. Nothing is copied; what a
 * rule asks for that its tensor does not allow is an error at the operation's place in the rule
 * file.
 */
#include "mapping/ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AXES WFS_MAX_NDIM

int wfs_op_error(struct wfs_sink *sink, const struct wfs_op *op, const char *fmt, ...)
{
    char message[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    return wfs_error_set(sink->err, EINVAL, "%s:%u:%u: %s: %s", op->pos.file, op->pos.line,
                         op->pos.col, op->text, message);
}

/* The same for a failed tensor operation: the rule's place goes in front, where a value or
 * wfs_op_error has not said it already. */
static int placed(struct wfs_error *err, const struct wfs_op *op, int r)
{
    char line[WFS_ERROR_MESSAGE_MAX];
    int n = snprintf(line, sizeof(line), "%s:%u:", op->pos.file, op->pos.line);
    if (r && strncmp(err->message, line, (size_t)n) != 0)
        wfs_error_prefix(err, "%s:%u:%u: %s", op->pos.file, op->pos.line, op->pos.col, op->text);
    return r;
}

int wfs_op_axis(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t arg, uint32_t ndim,
                uint32_t *ret)
{
    int64_t axis;
    int r = wfs_eval_int(scope, op->args[arg], &axis);
    if (r)
        return r;
    int64_t at = axis < 0 ? axis + (int64_t)ndim : axis;
    if (at < 0 || at >= (int64_t)ndim)
        return wfs_op_error(scope->run.sink, op, "axis %lld of a tensor with %u axes",
                            (long long)axis, ndim);
    *ret = (uint32_t)at;
    return 0;
}

/* A size or position: a whole number from 0 up. */
static int size_arg(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t arg,
                    uint64_t *ret)
{
    int64_t v;
    int r = wfs_eval_int(scope, op->args[arg], &v);
    if (!r && v < 0)
        r = wfs_op_error(scope->run.sink, op, "%lld where a number from 0 up is expected",
                         (long long)v);
    if (!r)
        *ret = (uint64_t)v;
    return r;
}

/* What one operation needs at hand. */
struct applying {
    const struct wfs_op *op;
    const struct wfs_scope *scope;
    struct wfs_sink *sink;
    struct wfs_arena *arena;
    const struct wfs_expr *in;
    const struct wfs_expr **ret;
    struct wfs_error *err;
};

static int apply_permute(struct applying *a)
{
    uint32_t perm[MAX_AXES];
    if (a->op->n_args != a->in->ndim)
        return wfs_op_error(a->sink, a->op, "%u axes for a tensor with %u", a->op->n_args,
                            a->in->ndim);
    for (uint32_t i = 0; i < a->op->n_args; i++) {
        int r = wfs_op_axis(a->scope, a->op, i, a->in->ndim, &perm[i]);
        if (r)
            return r;
    }
    return wfs_expr_permute(a->arena, a->in, perm, a->ret, a->err);
}

/* "OI*>*IO": '*' stands for the axes that are left, in order. */
static int apply_layout(struct applying *a)
{
    const char *from = a->op->layout, *mid = strchr(from, '>');
    uint32_t n = (uint32_t)(mid - from), perm[MAX_AXES], n_perm = 0;
    const char *star = memchr(from, '*', n);
    uint32_t ndim = a->in->ndim, fixed = star ? n - 1 : n;
    if (star ? ndim < fixed : ndim != fixed)
        return wfs_op_error(a->sink, a->op, "a tensor with %u axes", ndim);
    uint32_t star_at = star ? (uint32_t)(star - from) : n, spread = ndim - fixed;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)((const char *)memchr(from, mid[1 + i], n) - from);
        uint32_t count = at == star_at ? spread : 1, base = at > star_at ? at - 1 + spread : at;
        for (uint32_t k = 0; k < count; k++)
            perm[n_perm++] = base + k;
    }
    return wfs_expr_permute(a->arena, a->in, perm, a->ret, a->err);
}

static int apply_flip(struct applying *a)
{
    const struct wfs_expr *e = a->in;
    for (uint32_t i = 0; i < a->op->n_args; i++) {
        uint32_t axis;
        int r = wfs_op_axis(a->scope, a->op, i, e->ndim, &axis);
        if (!r)
            r = wfs_expr_flip(a->arena, e, axis, &e, a->err);
        if (r)
            return r;
    }
    *a->ret = e;
    return 0;
}

/* reshape(...; sizes before): the tensor must have them (-1: any). */
static int check_from(struct applying *a)
{
    bool same = a->op->n_from == a->in->ndim;
    for (uint32_t i = 0; same && i < a->op->n_from; i++) {
        int64_t v;
        int r = wfs_eval_int(a->scope, a->op->from[i], &v);
        if (r)
            return r;
        same = v == -1 || (v >= 0 && (uint64_t)v == a->in->shape[i]);
    }
    return same ? 0 : wfs_op_error(a->sink, a->op, "the sizes before are others");
}

/* One size may be -1: what is left. */
static int apply_reshape(struct applying *a)
{
    uint64_t shape[MAX_AXES], known = 1;
    int64_t v;
    uint32_t rest = WFS_NO_INDEX, n = a->op->n_args;
    int bad = a->op->n_from ? check_from(a) : 0;
    if (bad)
        return bad;
    for (uint32_t i = 0; i < n; i++) {
        int r = wfs_eval_int(a->scope, a->op->args[i], &v);
        if (r)
            return r;
        if (v < -1 || (v == -1 && rest != WFS_NO_INDEX))
            return wfs_op_error(a->sink, a->op, "one size may be -1, the others are from 0 up");
        if (v == -1)
            rest = i;
        shape[i] = v < 0 ? 1 : (uint64_t)v;
        if (!wfs_mul_u64(known, shape[i], &known))
            return wfs_op_error(a->sink, a->op, "sizes beyond 64 bits");
    }
    if (rest != WFS_NO_INDEX) {
        if (known == 0 || a->in->n_elems % known)
            return wfs_op_error(a->sink, a->op, "%llu elements do not divide by %llu",
                                (unsigned long long)a->in->n_elems, (unsigned long long)known);
        shape[rest] = a->in->n_elems / known;
    }
    return wfs_expr_reshape(a->arena, a->in, n, shape, a->ret, a->err);
}

static int apply_flatten(struct applying *a)
{
    return wfs_expr_reshape(a->arena, a->in, 1, &a->in->n_elems, a->ret, a->err);
}

static int apply_transpose(struct applying *a)
{
    if (a->in->ndim != 2)
        return wfs_op_error(a->sink, a->op,
                            "a tensor with %u axes; transpose is for 2 "
                            "(reverse turns all axes around)",
                            a->in->ndim);
    return wfs_expr_reverse_axes(a->arena, a->in, a->ret, a->err);
}

static int apply_squeeze(struct applying *a)
{
    uint32_t axis;
    if (a->op->n_args == 0)
        return wfs_expr_squeeze_all(a->arena, a->in, a->ret, a->err);
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis);
    return r ? r : wfs_expr_squeeze(a->arena, a->in, axis, a->ret, a->err);
}

static int apply_unsqueeze(struct applying *a)
{
    uint32_t axis;
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim + 1, &axis);
    return r ? r : wfs_expr_unsqueeze(a->arena, a->in, axis, a->ret, a->err);
}

static int apply_slice(struct applying *a)
{
    uint32_t axis;
    uint64_t start = 0, stop = 0, step = 1;
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis);
    if (!r)
        r = size_arg(a->scope, a->op, 1, &start);
    if (!r)
        r = size_arg(a->scope, a->op, 2, &stop);
    if (!r && a->op->n_args > 3)
        r = size_arg(a->scope, a->op, 3, &step);
    return r ? r : wfs_expr_slice(a->arena, a->in, axis, start, stop, step, a->ret, a->err);
}

static int apply_part(struct applying *a)
{
    uint32_t axis;
    uint64_t i = 0, n = 0;
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis);
    if (!r)
        r = size_arg(a->scope, a->op, 1, &i);
    if (!r)
        r = size_arg(a->scope, a->op, 2, &n);
    if (r)
        return r;
    uint64_t size = a->in->shape[axis];
    if (n == 0 || i >= n || size % n)
        return wfs_op_error(a->sink, a->op, "axis %u of size %llu has no part %llu of %llu", axis,
                            (unsigned long long)size, (unsigned long long)i, (unsigned long long)n);
    return wfs_expr_slice(a->arena, a->in, axis, size / n * i, size / n * (i + 1), 1, a->ret,
                          a->err);
}

static int apply_pad(struct applying *a)
{
    uint32_t axis;
    uint64_t before = 0, after = 0;
    double value = 0;
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis);
    if (!r)
        r = size_arg(a->scope, a->op, 1, &before);
    if (!r)
        r = size_arg(a->scope, a->op, 2, &after);
    if (!r && a->op->n_args > 3)
        r = wfs_eval_real(a->scope, a->op->args[3], &value);
    return r ? r : wfs_expr_pad(a->arena, a->in, axis, before, after, value, a->ret, a->err);
}

static int apply_repeat(struct applying *a)
{
    uint32_t axis;
    uint64_t n = 0;
    int r = wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis);
    if (!r)
        r = size_arg(a->scope, a->op, 1, &n);
    if (r)
        return r;
    if (a->op->kind == WFS_OP_TILE)
        return wfs_expr_tile(a->arena, a->in, axis, n, a->ret, a->err);
    return wfs_expr_repeat(a->arena, a->in, axis, n, a->ret, a->err);
}

/* Half-split rows (H, 2, d/2) to interleaved rows (H, d/2, 2) and back, on axis 0. */
static int apply_rope(struct applying *a)
{
    uint64_t heads = 0, shape[MAX_AXES];
    uint32_t perm[MAX_AXES], ndim = a->in->ndim;
    int r = size_arg(a->scope, a->op, 0, &heads);
    if (r)
        return r;
    if (ndim == 0 || ndim + 2 > MAX_AXES || heads == 0 || a->in->shape[0] % heads ||
        a->in->shape[0] / heads % 2)
        return wfs_op_error(a->sink, a->op,
                            "expected rows that divide into %llu heads of an even size",
                            (unsigned long long)heads);
    uint64_t half = a->in->shape[0] / heads / 2;
    bool rope = a->op->kind == WFS_OP_ROPE;
    shape[0] = heads;
    shape[1] = rope ? 2 : half;
    shape[2] = rope ? half : 2;
    for (uint32_t i = 0; i < ndim + 2; i++)
        perm[i] = i;
    perm[1] = 2;
    perm[2] = 1;
    for (uint32_t i = 1; i < ndim; i++)
        shape[i + 2] = a->in->shape[i];
    const struct wfs_expr *e;
    r = wfs_expr_reshape(a->arena, a->in, ndim + 2, shape, &e, a->err);
    if (!r)
        r = wfs_expr_permute(a->arena, e, perm, &e, a->err);
    return r ? r : wfs_expr_reshape(a->arena, e, ndim, a->in->shape, a->ret, a->err);
}

/* "ifgo>ifog": equal blocks along an axis (default 0) in another order. */
static int apply_gates(struct applying *a)
{
    const char *from = a->op->layout, *mid = strchr(from, '>');
    uint32_t n = (uint32_t)(mid - from), axis = 0;
    const struct wfs_expr *parts[MAX_AXES];
    int r = a->op->n_args ? wfs_op_axis(a->scope, a->op, 0, a->in->ndim, &axis) : 0;
    if (r)
        return r;
    if (a->in->ndim == 0 || a->in->shape[axis] % n)
        return wfs_op_error(a->sink, a->op, "axis %u does not divide into %u gates", axis, n);
    uint64_t size = a->in->shape[axis] / n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)((const char *)memchr(from, mid[1 + i], n) - from);
        r = wfs_expr_slice(a->arena, a->in, axis, at * size, (at + 1) * size, 1, &parts[i], a->err);
        if (r)
            return r;
    }
    return wfs_expr_concat(a->arena, n, parts, axis, a->ret, a->err);
}

static int apply_elem(struct applying *a)
{
    struct wfs_elem_op elem = {.dtype = a->in->dtype};
    int r = 0;
    if (a->op->kind == WFS_OP_CAST) {
        elem.kind = WFS_ELEM_CAST;
        elem.dtype = a->op->dtype;
        if (elem.dtype == a->in->dtype) {
            *a->ret = a->in;
            return 0;
        }
    } else {
        elem.kind = a->op->kind == WFS_OP_SCALE ? WFS_ELEM_SCALE : WFS_ELEM_ADD;
        r = wfs_eval_real(a->scope, a->op->args[0], &elem.value);
    }
    return r ? r : wfs_expr_elementwise(a->arena, a->in, &elem, a->ret, a->err);
}

static int apply_reverse(struct applying *a)
{
    return wfs_expr_reverse_axes(a->arena, a->in, a->ret, a->err);
}

typedef int apply_fn(struct applying *a);
static apply_fn *const appliers[] = {
    [WFS_OP_TRANSPOSE] = apply_transpose, [WFS_OP_REVERSE] = apply_reverse,
    [WFS_OP_PERMUTE] = apply_permute,     [WFS_OP_LAYOUT] = apply_layout,
    [WFS_OP_FLIP] = apply_flip,           [WFS_OP_FLATTEN] = apply_flatten,
    [WFS_OP_RESHAPE] = apply_reshape,     [WFS_OP_SQUEEZE] = apply_squeeze,
    [WFS_OP_UNSQUEEZE] = apply_unsqueeze, [WFS_OP_SLICE] = apply_slice,
    [WFS_OP_PART] = apply_part,           [WFS_OP_PAD] = apply_pad,
    [WFS_OP_TILE] = apply_repeat,         [WFS_OP_REPEAT] = apply_repeat,
    [WFS_OP_ROPE] = apply_rope,           [WFS_OP_UNROPE] = apply_rope,
    [WFS_OP_GATES] = apply_gates,         [WFS_OP_CAST] = apply_elem,
    [WFS_OP_SCALE] = apply_elem,          [WFS_OP_ADD] = apply_elem,
};

/* ---- fills --------------------------------------------------------------------------------- */

#define SINUSOID_MAX_BYTES (UINT64_C(64) << 20)

/* Positions as "Attention is all you need" has them and transformers' sinusoidal embeddings keep
 * them: sines in the first half of a row, cosines in the second. */
static int fill_sinusoid(const struct wfs_scope *scope, const struct wfs_op *op,
                         enum wfs_dtype dtype, uint64_t n, uint64_t width,
                         const struct wfs_expr **ret)
{
    struct wfs_arena *arena = scope->run.world->arena;
    struct wfs_error *err = scope->run.sink->err;
    uint64_t n_elems = 0, shape[2] = {n, width}, half = (width + 1) / 2;
    struct wfs_bytes *bytes;
    if (!wfs_mul_u64(n, width, &n_elems) || n_elems > SINUSOID_MAX_BYTES / sizeof(float))
        return wfs_op_error(scope->run.sink, op, "a table beyond 64 MiB");
    float *table = malloc((size_t)n_elems * sizeof(float) + 1);
    if (!table)
        return wfs_error_nomem(err, "sinusoid");
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = 0; j < width; j++) {
            uint64_t k = j < half ? j : j - half;
            double angle = (double)i / pow(10000, 2.0 * (double)k / (double)width);
            table[i * width + j] = (float)(j < half ? sin(angle) : cos(angle));
        }
    int r = wfs_bytes_from_memory("sinusoid", table, (size_t)n_elems * sizeof(float), &bytes, err);
    free(table);
    if (r)
        return r;
    if (wfs_arena_on_free(arena, wfs_bytes_unref_void, bytes))
        return wfs_error_nomem(err, "sinusoid");
    r = wfs_expr_contiguous(arena, bytes, 0, WFS_F32, 2, shape, ret, err);
    struct wfs_elem_op cast = {WFS_ELEM_CAST, dtype, 0};
    if (!r && dtype != WFS_F32)
        r = wfs_expr_elementwise(arena, *ret, &cast, ret, err);
    return r;
}

/* zeros, ones, full, arange, sinusoid. */
static int op_fill(const struct wfs_scope *scope, const struct wfs_op *op,
                   const struct wfs_expr **ret)
{
    struct wfs_arena *arena = scope->run.world->arena;
    struct wfs_error *err = scope->run.sink->err;
    uint64_t shape[MAX_AXES];
    uint32_t first = op->kind == WFS_OP_FULL, ndim = op->n_args - first;
    enum wfs_dtype dtype = op->dtype;
    double value = op->kind == WFS_OP_ONES;
    if (op->dtype_like && !scope->expr)
        return wfs_op_error(scope->run.sink, op, "`like` needs a `for` pattern");
    if (op->dtype_like)
        dtype = scope->expr->dtype;
    int r = first ? wfs_eval_real(scope, op->args[0], &value) : 0;
    for (uint32_t i = 0; !r && i < ndim; i++)
        r = size_arg(scope, op, first + i, &shape[i]);
    if (r)
        return r;
    if (op->kind == WFS_OP_SINUSOID)
        r = fill_sinusoid(scope, op, dtype, shape[0], shape[1], ret);
    else if (op->kind == WFS_OP_ARANGE)
        r = wfs_expr_arange(arena, dtype, ndim, shape, 0, 1, ret, err);
    else
        r = wfs_expr_fill(arena, dtype, ndim, shape, value, ret, err);
    return placed(err, op, r);
}

/* ---- one operation ------------------------------------------------------------------------- */

/* A float's factor that is a power of two within this keeps all but the outermost values. */
#define EXACT_MAX_EXPONENT 32

/* Does a factor or summand keep every value? NULL, or what it may do to some. */
static const char *what_is_lost(const struct wfs_op *op, enum wfs_dtype dtype, double x)
{
    bool scales = op->kind == WFS_OP_SCALE;
    /* What holds bfloat16 is a float of as wide a range. */
    bool is_wide = wfs_convert_is_exact(WFS_BF16, dtype);
    enum wfs_dtype_kind kind = wfs_dtype_info(dtype)->kind;
    int exponent;
    if (x == (scales ? 1 : 0))
        return NULL;
    if (kind != WFS_KIND_FLOAT && kind != WFS_KIND_COMPLEX)
        return scales && x == 0 ? NULL : "values are cut to whole numbers, or wrap";
    if (!scales || fabs(frexp(x, &exponent)) != 0.5)
        return "values are rounded";
    if (x == -1 || (is_wide && abs(exponent) <= EXACT_MAX_EXPONENT))
        return NULL;
    return "values may leave the type's range";
}

/* What does not keep values says so. */
static int report_inexact(const struct wfs_scope *scope, const struct wfs_op *op,
                          const struct wfs_expr *out)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_scope trial = *scope;
    const char *lost = "values are rounded";
    double x;
    trial.run.sink = &mute;
    int r = 0;
    if (op->kind == WFS_OP_CAST)
        lost = wfs_convert_is_exact(scope->expr->dtype, out->dtype) ? NULL : lost;
    else if ((r = wfs_eval_real(&trial, op->args[0], &x)) == 0)
        lost = what_is_lost(op, out->dtype, x);
    if (lost && scope->item)
        wfs_report(scope->run.sink, WFS_INEXACT, scope->item->path, "%s: %s", op->text, lost);
    return wfs_trial_result(scope->run.sink, r);
}

int wfs_op_apply(const struct wfs_run *run, const struct wfs_op *op, struct wfs_val *val)
{
    struct wfs_scope scope = wfs_val_scope(run, val);
    const struct wfs_expr *out = NULL;
    struct applying a = {op, &scope, run->sink, run->world->arena, val->expr, &out, run->sink->err};
    if (op->kind >= WFS_OP_ZEROS)
        return op_fill(&scope, op, &val->expr);
    int r = placed(run->sink->err, op, appliers[op->kind](&a));
    if (!r && op->kind >= WFS_OP_CAST && op->kind <= WFS_OP_ADD)
        r = report_inexact(&scope, op, out);
    if (!r)
        val->expr = out;
    return r;
}
