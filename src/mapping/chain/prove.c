/*
 * prove.c - the proof of an inverse: what it made, mapped forward, is what it was made from.
 *
 * Expressions are compared, not values: equal ones read the same elements in the same order. Beyond that
 * a sum with zeros that a rule filled has the values of its other term, and an operation on values that
 * the next one undoes (+ 1, - 1) counts as none: what it rounds is reported as inexact where it is done.
 */
#include "mapping/chain/prove.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/apply/apply.h"
#include "mapping/items/packed.h"
#include "mapping/roles/roles.h"

/* Items of `out` as a table of their own: the forward set's source. */
static int copy_made(const struct wfs_table *out, struct wfs_table *ret, struct wfs_error *err)
{
    for (size_t i = 0; i < out->n; i++) {
        struct wfs_item item = out->items[i];
        if (item.status == WFS_UNEXPECTED || item.status == WFS_PACKED)
            continue;
        item.status = WFS_MAPPED;
        int r = wfs_table_add(ret, &item, err);
        if (r)
            return r;
    }
    return 0;
}

/* Which of the catalog's tensors the inverse made something of. */
static bool *used_sources(const struct wfs_mapper *mapper, const struct wfs_table *made)
{
    bool *used = wfs_arena_array(mapper->arena, mapper->catalog->n_tensors + 1, sizeof(*used));
    for (size_t i = 0; used && i < made->n; i++)
        for (uint32_t k = 0; k < made->items[i].n_sources; k++)
            used[made->items[i].sources[k]] = true;
    return used;
}

/* ---- operations that undo each other ------------------------------------------------------- */

static bool undo_each_other(const struct wfs_elem_op *a, const struct wfs_elem_op *b)
{
    if (a->dtype != b->dtype)
        return false;
    if (a->kind == WFS_ELEM_ADD && b->kind == WFS_ELEM_ADD)
        return a->value == -b->value;
    if (a->kind == WFS_ELEM_SCALE && b->kind == WFS_ELEM_SCALE)
        return a->value == 1 / b->value || b->value == 1 / a->value;
    return (a->kind == WFS_ELEM_EXP && b->kind == WFS_ELEM_LOG) ||
           (a->kind == WFS_ELEM_LOG && b->kind == WFS_ELEM_EXP);
}

/* A piece's operations without those that undo each other. */
static int cancel(struct wfs_arena *arena, struct wfs_piece *piece)
{
    struct wfs_elem_op *ops = wfs_arena_array(arena, piece->n_ops + 1, sizeof(*ops));
    uint32_t n = 0;
    if (!ops)
        return -ENOMEM;
    for (uint32_t i = 0; i < piece->n_ops; i++) {
        if (n && undo_each_other(&ops[n - 1], &piece->ops[i]))
            n--;
        else
            ops[n++] = piece->ops[i];
    }
    piece->n_ops = n;
    piece->ops = ops;
    return 0;
}

/* Does `back` have the same elements as `e`, but for what operations that undo each other round? */
static int same_but_rounded(struct wfs_arena *arena, const struct wfs_expr *e,
                            const struct wfs_expr *back, bool *ret)
{
    struct wfs_expr plain = *back;
    struct wfs_piece *pieces =
        wfs_arena_memdup(arena, back->n_pieces ? (const void *)back->pieces : "",
                         back->n_pieces ? back->n_pieces * sizeof(*pieces) : 1);
    int r = pieces ? 0 : -ENOMEM;
    for (uint32_t i = 0; !r && i < back->n_pieces; i++)
        r = cancel(arena, &pieces[i]);
    plain.pieces = pieces;
    *ret = !r && wfs_same_expr(e, &plain);
    return r;
}

/* ---- the proof ----------------------------------------------------------------------------- */

/* Did the item come back as it was? NULL, or what happened to it. */
static int judge(struct wfs_arena *arena, const struct wfs_item *item, const struct wfs_item *back,
                 const char **ret_why)
{
    bool same = wfs_same_expr(item->expr, back->expr);
    int r = same ? 0 : same_but_rounded(arena, item->expr, back->expr, &same);
    *ret_why = same ? NULL : "comes back changed";
    return r;
}

static int compare(struct wfs_arena *arena, struct wfs_sink *sink, const struct wfs_set *inverse,
                   const struct wfs_table *in, const struct wfs_table *back, const bool *used)
{
    struct wfs_strmap index = {0};
    int r = 0;
    for (size_t i = 0; !r && i < back->n; i++)
        r = wfs_strmap_set(&index, back->items[i].path, i);
    for (size_t i = 0; !r && i < in->n; i++) {
        const struct wfs_item *item = &in->items[i];
        uint64_t at;
        if (item->packed || item->n_sources == 0 || !used[item->sources[0]])
            continue;
        const char *why = NULL;
        if (!wfs_strmap_get(&index, item->path, &at))
            why = "does not come back";
        else
            r = judge(arena, item, &back->items[at], &why);
        if (why)
            wfs_report(sink, WFS_AMBIGUOUS, item->path,
                       "%s when what %s makes of it is mapped by %s again", why, inverse->name,
                       inverse->inverse_of->name);
    }
    wfs_strmap_free(&index);
    return r ? wfs_error_nomem(sink->err, "names") : 0;
}

/* Packed weights are not among what is proved: where there are any, what is left may be no model to
 * the set, and that is then the reason. */
static int fail(struct wfs_sink *sink, const struct wfs_set *inverse, const struct wfs_table *in,
                const struct wfs_error *why)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf packed = {0};
    wfs_packed_text(in, &packed);
    if (why->code != EINVAL || !packed.len || !wfs_buf_ok(&packed))
        return wfs_error_set(sink->err, why->code, "%s", why->message);
    return wfs_error_set(sink->err, EINVAL,
                         "%s: %s: they keep names and bytes, and what is left is no model that %s "
                         "knows",
                         inverse->name, packed.data, inverse->inverse_of->name);
}

int wfs_inverse_prove(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                      const struct wfs_set *inverse, const struct wfs_table *in,
                      const struct wfs_table *out)
{
    struct wfs_table made = {0}, back = {0};
    struct wfs_error err = {0};
    struct wfs_sink mute = {.err = &err}; /* a failure of the proof is one of the view */
    uint32_t zero_terms = 0;
    struct wfs_apply_options options = {.zero_terms = &zero_terms};
    struct wfs_mapper forward = *mapper;
    forward.template = NULL; /* it is the inverse's target */
    int r = copy_made(out, &made, sink->err);
    bool *used = r ? NULL : used_sources(mapper, &made);
    if (!r && !used)
        r = wfs_error_nomem(sink->err, "names");
    if (!r)
        r = wfs_mark_roles(&forward, &mute, inverse->inverse_of, &made);
    if (!r)
        r = wfs_apply(&forward, &mute, inverse->inverse_of, &options, &made, &back);
    if (err.code)
        r = fail(sink, inverse, in, &err);
    if (!r)
        r = compare(mapper->arena, sink, inverse, in, &back, used);
    if (!r && zero_terms)
        wfs_report(
            sink, WFS_NOTE, "",
            "%s fills zeros that %s adds: the sums come back with the same values, but for a "
            "-0, which is 0 then",
            inverse->name, inverse->inverse_of->name);
    free(made.items);
    free(back.items);
    return r;
}
