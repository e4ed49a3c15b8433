/*
 * formula.c - tensors whose elements are a formula of other tensors' as a source: the values of
 * quantised weights. The inputs are read by ranges, so a layout costs what it costs there; what is held
 * is a few rows and the tables. wfs_expr_formula is declared in tensor/tensor.h.
 */
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/expr/computed.h"
#include "tensor/formula/steps.h"

struct formula {
    struct wfs_computed computed;
    struct wfs_formula f;
};

/* What one read needs; on the heap. */
struct work {
    struct wfs_formula_table tables[2];
    float rows[WFS_FORMULA_MAX_INPUTS][WFS_FORMULA_LANES];
    float stack[WFS_FORMULA_MAX_DEPTH * WFS_FORMULA_LANES];
    uint8_t raw[WFS_FORMULA_LANES * 4 + 16];
};

/* ---- reading ------------------------------------------------------------------------------- */

static int read_table(const struct wfs_expr *table, struct wfs_formula_table *ret,
                      struct wfs_error *err)
{
    uint8_t raw[256 * 4];
    ret->n = (uint32_t)table->n_elems;
    int r = wfs_expr_read(table, raw, table->size_bytes, 0, err);
    return r ? r : wfs_convert(table->dtype, raw, WFS_F32, ret->values, table->n_elems, err);
}

/* n elements of an input from `first` on, which sub-byte types want to be a multiple of 8. */
static int read_input(const struct wfs_expr *in, uint64_t first, size_t n, uint8_t *raw, float *row,
                      struct wfs_error *err)
{
    uint64_t bits = wfs_dtype_bits(in->dtype);
    int r = wfs_expr_read(in, raw, (n * bits + 7) / 8, first * bits / 8, err);
    return r ? r : wfs_convert(in->dtype, raw, WFS_F32, row, n, err);
}

static int compute_rows(const struct wfs_formula *f, struct work *w, uint64_t first, size_t n,
                        struct wfs_error *err)
{
    struct wfs_formula_work rows = {.tables = w->tables, .stack = w->stack};
    int r = 0;
    for (uint32_t i = 0; !r && i < f->n_inputs; i++) {
        rows.inputs[i] = w->rows[i];
        r = read_input(f->inputs[i], first, n, w->raw, w->rows[i], err);
    }
    return r ? r : wfs_formula_run(f, &rows, first, n, err);
}

static int formula_compute(struct wfs_computed *c, uint8_t *out, uint64_t first, size_t n,
                           void *work, struct wfs_error *err)
{
    const struct wfs_formula *f = &((const struct formula *)c)->f;
    struct work *w = work;
    int r = 0;
    for (size_t i = 0, now; !r && i < n; i += now) {
        now = wfs_min_u64(n - i, WFS_FORMULA_LANES);
        r = compute_rows(f, w, first + i, now, err);
        if (!r)
            r = wfs_convert(WFS_F32, w->stack, c->dtype, out + i * wfs_dtype_bits(c->dtype) / 8,
                            now, err);
    }
    return r;
}

static int formula_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                        struct wfs_error *err)
{
    struct formula *formula = (struct formula *)bytes;
    size_t chunk_bytes = wfs_computed_chunk_bytes(formula->computed.dtype);
    struct work *w wfs_cleanup(wfs_freep) = malloc(sizeof(*w) + chunk_bytes);
    int r = w ? 0 : wfs_error_nomem(err, "a computed tensor");
    for (uint32_t i = 0; !r && i < formula->f.n_tables; i++)
        r = read_table(formula->f.tables[i], &w->tables[i], err);
    if (r)
        return r;
    return wfs_computed_read(&formula->computed, buf, len, off, formula_compute, w,
                             (uint8_t *)(w + 1), err);
}

static int formula_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    const struct wfs_formula *f = &((struct formula *)bytes)->f;
    int r = 0;
    for (uint32_t i = 0; !r && i < f->n_inputs; i++)
        r = wfs_expr_check(f->inputs[i], err);
    for (uint32_t i = 0; !r && i < f->n_tables; i++)
        r = wfs_expr_check(f->tables[i], err);
    return r;
}

static const struct wfs_bytes_ops formula_ops = {
    .kind = "formula", .read = formula_read, .free = wfs_computed_stay, .check = formula_check};

/* ---- making -------------------------------------------------------------------------------- */

static int check_input(const struct wfs_formula *f, uint32_t i, struct wfs_error *err)
{
    const struct wfs_expr *in = f->inputs[i];
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    if (!wfs_convert_is_exact(in->dtype, WFS_F32))
        return wfs_error_set(err, EINVAL, "%s: float32 does not hold all values of %s", f->name,
                             wfs_dtype_info(in->dtype)->name);
    if (wfs_shape_equal(in->ndim, in->shape, f->inputs[0]->ndim, f->inputs[0]->shape))
        return 0;
    wfs_shape_format(&text, in->ndim, in->shape);
    wfs_buf_str(&text, " and ");
    wfs_shape_format(&text, f->inputs[0]->ndim, f->inputs[0]->shape);
    return wfs_error_set(err, EINVAL, "%s: its parts do not fit: %s", f->name,
                         wfs_buf_ok(&text) && text.data ? text.data : "");
}

static int check(const struct wfs_formula *f, struct wfs_error *err)
{
    int r = 0;
    if (f->n_inputs == 0 || f->n_inputs > WFS_FORMULA_MAX_INPUTS || f->n_tables > 2 ||
        !wfs_formula_is_sound(f) || !wfs_dtype_is_float(f->dtype) || wfs_dtype_bits(f->dtype) < 8)
        return wfs_error_set(err, EINVAL, "%s: no formula", f->name);
    for (uint32_t i = 0; !r && i < f->n_inputs; i++)
        r = check_input(f, i, err);
    for (uint32_t i = 0; !r && i < f->n_tables; i++)
        if (f->tables[i]->ndim != 1 || f->tables[i]->n_elems > 256 ||
            !wfs_convert_is_exact(f->tables[i]->dtype, WFS_F32))
            r = wfs_error_set(err, EINVAL, "%s: a table of at most 256 floats is needed", f->name);
    return r;
}

static uint32_t depth_of(const struct wfs_formula *f)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < f->n_inputs; i++)
        depth = (uint32_t)wfs_max_u64(depth, wfs_computed_depth(f->inputs[i]));
    for (uint32_t i = 0; i < f->n_tables; i++)
        depth = (uint32_t)wfs_max_u64(depth, wfs_computed_depth(f->tables[i]));
    return depth;
}

static struct wfs_hash add_key(struct wfs_hash key, const void *data, size_t len)
{
    struct wfs_hash pair[2] = {key, wfs_hash_bytes(data, len)};
    return wfs_hash_bytes(pair, sizeof(pair));
}

/* Field by field: a step has padding. */
static struct wfs_hash key_of(const struct wfs_formula *f)
{
    struct wfs_hash key = wfs_hash_bytes(f->name, strlen(f->name));
    for (uint32_t i = 0; i < f->n_steps; i++) {
        const struct wfs_formula_step *step = &f->steps[i];
        uint32_t words[4] = {step->kind, step->at, 0, step->dtype};
        memcpy(&words[2], &step->value, sizeof(step->value));
        key = add_key(key, words, sizeof(words));
    }
    for (uint32_t i = 0; i < f->n_inputs + f->n_tables; i++) {
        const struct wfs_expr *e = i < f->n_inputs ? f->inputs[i] : f->tables[i - f->n_inputs];
        struct wfs_hash hash = wfs_expr_hash(e);
        key = add_key(key, &hash, sizeof(hash));
    }
    return key;
}

static int set_operands(struct wfs_arena *arena, struct formula *formula)
{
    const struct wfs_formula *f = &formula->f;
    formula->f.steps = wfs_arena_memdup(arena, f->steps, f->n_steps * sizeof(*f->steps));
    formula->computed.n_operands = f->n_inputs;
    formula->computed.operands = formula->f.inputs;
    return formula->f.steps ? 0 : -ENOMEM;
}

int wfs_expr_formula(struct wfs_arena *arena, const struct wfs_formula *formula,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    const struct wfs_expr *shape = formula->inputs[0];
    uint64_t n_elems, size_bytes;
    int r = check(formula, err);
    if (!r)
        r = wfs_shape_size(formula->dtype, shape->ndim, shape->shape, &n_elems, &size_bytes, err);
    if (!r)
        r = wfs_computed_check_depth(depth_of(formula), err);
    if (r)
        return r;
    struct formula *made = wfs_arena_alloc(arena, sizeof(*made));
    if (!made)
        return wfs_error_nomem(err, "a computed tensor");
    made->f = *formula;
    struct wfs_hash key = key_of(formula);
    wfs_computed_init(&made->computed, &formula_ops, "a computed tensor", formula->dtype,
                      size_bytes, &key, sizeof(key));
    made->computed.depth = depth_of(formula) + 1;
    if (set_operands(arena, made))
        return wfs_error_nomem(err, "a computed tensor");
    return wfs_expr_contiguous(arena, &made->computed.base, 0, formula->dtype, shape->ndim,
                               shape->shape, ret, err);
}
