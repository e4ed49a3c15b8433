/*
 * eval_text.c - functions of the rules language, any(PATTERN), and targets written from a match.
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "mapping/eval.h"

static int call_error(const struct wfs_scope *scope, const struct wfs_vexpr *e, const char *what)
{
    return wfs_error_set(scope->stage->mapper->err, EINVAL, "%s:%u:%u: %s", e->pos.file,
                         e->pos.line, e->pos.col, what);
}

int wfs_value_text(const struct wfs_scope *scope, const struct wfs_value *v, struct wfs_buf *buf,
                   struct wfs_value *ret)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    *ret = *v;
    ret->is_path = false;
    if (!v->is_path ||
        !(memchr(v->s, WFS_SEP, v->len) || memchr(v->s, '.', v->len) || memchr(v->s, '%', v->len)))
        return 0;
    wfs_buf_add(&path, v->s, v->len);
    if (wfs_buf_ok(&path))
        wfs_path_join(buf, path.data, '.');
    if (!wfs_buf_ok(&path) || !wfs_buf_ok(buf))
        return wfs_error_nomem(scope->stage->mapper->err, "names");
    ret->s = buf->data;
    ret->len = buf->len;
    return 0;
}

/* A text into a path: what wfs_value_text wrote comes back as it was. */
static void add_as_path(struct wfs_buf *out, const struct wfs_value *v)
{
    for (size_t i = 0; i < v->len; i++) {
        bool coded = v->s[i] == '%' && v->len - i > 2 && v->s[i + 1] == '2';
        if (coded && (v->s[i + 2] == '5' || (v->s[i + 2] | 32) == 'e')) {
            wfs_buf_char(out, v->s[i + 2] == '5' ? '%' : '.');
            i += 2;
        } else {
            wfs_buf_char(out, v->s[i] == '.' ? WFS_SEP : v->s[i]);
        }
    }
}

/* Replaces every occurrence, left to right. */
static int replace(const struct wfs_scope *scope, const struct wfs_value *a, struct wfs_value *ret)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    const struct wfs_value *from = &a[1], *to = &a[2];
    for (size_t i = 0; i < a[0].len;) {
        if (from->len && a[0].len - i >= from->len && memcmp(a[0].s + i, from->s, from->len) == 0) {
            wfs_buf_add(&buf, to->s, to->len);
            i += from->len;
        } else {
            wfs_buf_char(&buf, a[0].s[i++]);
        }
    }
    const char *s = wfs_buf_ok(&buf) ? wfs_arena_strndup(scope->stage->mapper->arena,
                                                         buf.len ? buf.data : "", buf.len)
                                     : NULL;
    if (!s)
        return wfs_error_nomem(scope->stage->mapper->err, "names");
    *ret = (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = buf.len};
    return 0;
}

static int lower(const struct wfs_scope *scope, const struct wfs_value *a, struct wfs_value *ret)
{
    char *s = wfs_arena_strndup(scope->stage->mapper->arena, a->s, a->len);
    if (!s)
        return wfs_error_nomem(scope->stage->mapper->err, "names");
    for (size_t i = 0; i < a->len; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            s[i] = (char)(s[i] - 'A' + 'a');
    *ret = *a;
    ret->s = s;
    return 0;
}

/* What stands behind the last '.', or between the last two components. */
static struct wfs_value last(const struct wfs_value *a)
{
    const char *sep = memrchr(a->s, a->is_path ? WFS_SEP : '.', a->len);
    struct wfs_value v = *a;
    v.s = sep ? sep + 1 : a->s;
    v.len = (size_t)(a->s + a->len - v.s);
    return v;
}

static bool contains(const struct wfs_value *a, enum wfs_fn fn)
{
    if (a[1].len > a[0].len)
        return false;
    if (fn == WFS_FN_STARTS)
        return memcmp(a[0].s, a[1].s, a[1].len) == 0;
    if (fn == WFS_FN_ENDS)
        return memcmp(a[0].s + a[0].len - a[1].len, a[1].s, a[1].len) == 0;
    return memmem(a[0].s, a[0].len, a[1].s, a[1].len) != NULL;
}

/* Those that look for a text in another. */
static int call_search(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       const struct wfs_value *a, struct wfs_value *ret)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf0 = {0}, buf1 = {0}, buf2 = {0};
    struct wfs_buf *bufs[WFS_VEXPR_MAX_ARGS] = {&buf0, &buf1, &buf2};
    struct wfs_value texts[WFS_VEXPR_MAX_ARGS];
    for (uint32_t i = 0; i < e->n_args; i++) {
        int r = wfs_value_text(scope, &a[i], bufs[i], &texts[i]);
        if (r)
            return r;
    }
    if (e->op == WFS_FN_REPLACE)
        return replace(scope, texts, ret);
    *ret = (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = contains(texts, (enum wfs_fn)e->op)};
    return 0;
}

static int call_text(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                     const struct wfs_value *a, struct wfs_value *ret)
{
    for (uint32_t i = 0; i < e->n_args; i++)
        if (a[i].kind != WFS_VALUE_STR)
            return call_error(scope, e, "expected a text");
    if (e->op == WFS_FN_LOWER)
        return lower(scope, a, ret);
    if (e->op != WFS_FN_LAST)
        return call_search(scope, e, a, ret);
    *ret = last(a);
    return 0;
}

static int call_number(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       const struct wfs_value *args, struct wfs_value *ret)
{
    int64_t a, b, v;
    if (e->op == WFS_FN_SQRT) {
        double x;
        int r = wfs_value_real(scope, e->args[0], &args[0], &x);
        if (!r && !(x >= 0))
            r = call_error(scope, e, "expected a number that is not negative");
        if (!r)
            *ret = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = sqrt(x)};
        return r;
    }
    int r = wfs_value_int(scope, e->args[0], &args[0], &a);
    if (!r)
        r = wfs_value_int(scope, e->args[1], &args[1], &b);
    if (r)
        return r;
    if (e->op == WFS_FN_MIN || e->op == WFS_FN_MAX) {
        v = (a < b) == (e->op == WFS_FN_MIN) ? a : b;
    } else {
        if (b == 0)
            return call_error(scope, e, "the divisor is 0");
        if (b < 0 || a < 0)
            return call_error(scope, e, "expected numbers that are not negative");
        if (a > INT64_MAX - b)
            return call_error(scope, e, "a number beyond 64 bits");
        v = (a + b - 1) / b;
        if (e->op == WFS_FN_ROUNDUP)
            v *= b;
    }
    *ret = (struct wfs_value){.kind = WFS_VALUE_INT, .i = v};
    return 0;
}

int wfs_eval_call(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret)
{
    struct wfs_value a[WFS_VEXPR_MAX_ARGS];
    for (uint32_t i = 0; i < e->n_args; i++) {
        int r = wfs_eval(scope, e->args[i], &a[i]);
        if (r)
            return r;
        bool unknown = a[i].kind == WFS_VALUE_NONE || a[i].kind == WFS_VALUE_MAYBE;
        if (unknown && scope->optimistic) {
            *ret = (struct wfs_value){.kind = WFS_VALUE_MAYBE};
            return 0;
        }
        if (a[i].kind == WFS_VALUE_NONE && e->op != WFS_FN_KNOWN)
            return wfs_eval_needed(scope, e->args[i]);
    }
    if (e->op >= WFS_FN_CEILDIV)
        return call_number(scope, e, a, ret);
    if (e->op != WFS_FN_KNOWN)
        return call_text(scope, e, a, ret);
    *ret = (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = a[0].kind != WFS_VALUE_NONE};
    return 0;
}

/* ---- any(PATTERN) -------------------------------------------------------------------------- */

struct wfs_any {
    const struct wfs_vexpr *e;
    uint32_t item;
    struct wfs_any *next;
};

int wfs_stage_find(struct wfs_stage *stage, const struct wfs_name *name, const struct wfs_cap *caps,
                   struct wfs_match *match, uint32_t *ret_item)
{
    *ret_item = WFS_NO_INDEX;
    for (size_t i = 0; i < stage->in->n; i++) {
        struct wfs_match m = *match;
        if (!wfs_name_match(name, caps, &stage->splits[i], &m))
            continue;
        *match = m;
        *ret_item = (uint32_t)i;
        break;
    }
    return 0;
}

int wfs_stage_any(struct wfs_stage *stage, const struct wfs_vexpr *e, const struct wfs_cap *caps,
                  struct wfs_match *match, uint32_t *ret_item)
{
    bool bound = false;
    for (uint32_t s = 0; s < e->name->n_segments; s++)
        for (uint32_t a = 0; a < e->name->segments[s].n_atoms; a++) {
            const struct wfs_atom *atom = &e->name->segments[s].atoms[a];
            bound |= !atom->lit && match->b[atom->cap].set;
        }
    for (struct wfs_any *any = bound ? NULL : stage->anys; any; any = any->next)
        if (any->e == e) {
            *ret_item = any->item;
            return 0;
        }
    if (!caps)
        caps = e->name->own_caps;
    int r = wfs_stage_find(stage, e->name, caps, match, ret_item);
    if (!r && *ret_item == WFS_NO_INDEX && e->name->dotted)
        r = wfs_stage_find(stage, e->name->dotted, caps, match, ret_item);
    if (r || bound)
        return r;
    struct wfs_any *any = wfs_arena_alloc(stage->mapper->arena, sizeof(*any));
    if (!any)
        return wfs_error_nomem(stage->mapper->err, "names");
    *any = (struct wfs_any){e, *ret_item, stage->anys};
    stage->anys = any;
    return 0;
}

/* ---- targets ------------------------------------------------------------------------------- */

void wfs_binding_text(const struct wfs_cap *cap, const struct wfs_binding *b, struct wfs_buf *out)
{
    if (cap->kind == WFS_CAP_INT)
        wfs_buf_printf(out, "%lld", (long long)b->i);
    else if (cap->kind == WFS_CAP_ALT)
        wfs_buf_str(out, cap->alts[b->i]);
    else
        wfs_buf_add(out, b->s, b->len);
}

static int render_expr(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                       struct wfs_buf *out)
{
    struct wfs_value v;
    int r = wfs_eval(scope, e, &v);
    if (r)
        return r;
    if (v.kind == WFS_VALUE_INT && v.i >= 0)
        wfs_buf_printf(out, "%lld", (long long)v.i);
    else if (v.kind == WFS_VALUE_STR && v.is_path)
        wfs_buf_add(out, v.s, v.len);
    else if (v.kind == WFS_VALUE_STR)
        add_as_path(out, &v);
    else if (v.kind == WFS_VALUE_NONE)
        return wfs_eval_needed(scope, e);
    else
        return call_error(scope, e, "expected a text or a number from 0 up in a target's name");
    return 0;
}

/* *ret_vanishes: the segment was only a {p:*} that stands for nothing. */
static int render_segment(const struct wfs_scope *scope, const struct wfs_segment *seg,
                          struct wfs_buf *out, bool *ret_vanishes)
{
    size_t before = out->len;
    bool literal = false;
    for (uint32_t i = 0; i < seg->n_atoms; i++) {
        const struct wfs_atom *atom = &seg->atoms[i];
        if (atom->lit) {
            wfs_buf_add(out, atom->lit, atom->len);
            literal = true;
        } else if (atom->cap == WFS_NO_INDEX) {
            int r = render_expr(scope, atom->expr, out);
            if (r)
                return r;
        } else if (!scope->match || !scope->match->b[atom->cap].set) {
            return wfs_error_set(scope->stage->mapper->err, EINVAL,
                                 "%s: {%s} has no value for this target", scope->rule->where,
                                 scope->rule->caps[atom->cap].name);
        } else {
            enum wfs_cap_kind kind = scope->rule->caps[atom->cap].kind;
            literal |= kind != WFS_CAP_MANY;
            wfs_binding_text(&scope->rule->caps[atom->cap], &scope->match->b[atom->cap], out);
        }
    }
    *ret_vanishes = out->len == before && !literal;
    return 0;
}

int wfs_render(const struct wfs_scope *scope, const struct wfs_name *name, struct wfs_buf *out)
{
    bool any = false;
    for (uint32_t i = 0; i < name->n_segments; i++) {
        size_t before = out->len;
        bool vanishes;
        if (any)
            wfs_buf_char(out, WFS_SEP);
        int r = render_segment(scope, &name->segments[i], out, &vanishes);
        if (r)
            return r;
        if (vanishes && any && out->data)
            out->data[out->len = before] = 0;
        any |= !vanishes;
    }
    return 0;
}
