/*
 * reshape.c - another shape of the same row-major order.
 *
 * Both shapes fall into minimal groups of neighbouring axes with equal products; each group is
 * redrawn alone. Within a group a piece's axes are merged into one range of one axis (their factors
 * in a row), which is then cut at the new axes: into boxes, and its factors into the new axes'
 * sizes.
 *
 *      in   (4, 6) (8)          a piece that does not cover its inner axes is no range: it is
 *      out  (24) (2, 4)         drawn once for each index of the axes outside of them
 *
 * Where a factor would have to be torn across two axes (counts that do not divide), or pieces would
 * become too many, the whole nests: a contiguous read of a nested expression costs nothing more.
 */
#include "tensor/tensor.h"

#include "tensor/expr/merge.h"
#include "tensor/expr/nested.h"
#include "tensor/expr/range.h"
#include "tensor/expr/run.h"
#include "tensor/structure/structure.h"

struct group {
    uint32_t in_at, in_n, out_at, out_n;
};

struct reshape {
    const struct wfs_expr *in;
    uint32_t out_ndim;
    const uint64_t *out_shape;
    uint32_t n_groups;
    struct group groups[2 * WFS_MAX_NDIM];
    size_t max_pieces;
    struct wfs_draft *draft;
};

/* A range of elements of a group's axes, taken as one merged axis. */
struct run {
    uint64_t start, count;
    uint64_t base_bits;
    uint32_t n_factors;
    struct wfs_factor factors[WFS_MAX_FACTORS];
};

/* A reshape that would cut its input into more pieces than this nests instead: a nested flatten is
 * read as fast, and takes no memory. */
#define WFS_EXPR_MAX_CUTS 1024

/* ---- groups -------------------------------------------------------------------------------- */

/* Grows both sides until their products agree. No size is 0 and the totals agree, so they do. */
static void find_groups(struct reshape *re)
{
    const struct wfs_expr *in = re->in;
    uint32_t i = 0, o = 0;
    while (i < in->ndim || o < re->out_ndim) {
        struct group *group = &re->groups[re->n_groups++];
        uint64_t in_product = 1, out_product = 1;
        *group = (struct group){.in_at = i, .out_at = o};
        do {
            if (i < in->ndim && (in_product <= out_product || o == re->out_ndim))
                in_product *= in->shape[i++];
            else
                out_product *= re->out_shape[o++];
        } while (in_product != out_product);
        group->in_n = i - group->in_at;
        group->out_n = o - group->out_at;
    }
}

/* ---- merging ------------------------------------------------------------------------------- */

/* The group's axes from here on form a range: the last axis that is not covered, or the first. */
static uint32_t run_axis(const struct reshape *re, const struct group *group,
                         const struct wfs_piece *piece)
{
    uint32_t axis = group->in_at + group->in_n;
    while (axis > group->in_at) {
        axis--;
        if (piece->count[axis] != re->in->shape[axis])
            break;
    }
    return axis;
}

static uint64_t n_runs(const struct group *group, const struct wfs_piece *piece, uint32_t axis)
{
    uint64_t n = 1;
    for (uint32_t a = group->in_at; a < axis; a++)
        n *= piece->count[a];
    return n;
}

static uint64_t factored_offset(const struct wfs_factor *factors, uint32_t n, uint64_t index)
{
    uint64_t bits = 0;
    for (uint32_t f = n; f-- > 0; index /= factors[f].count)
        bits += index % factors[f].count * (uint64_t)factors[f].stride_bits;
    return bits;
}

/* Appends an inner factor; axes that continue each other are one factor, to be cut anywhere. */
static void append_factor(struct run *run, const struct wfs_factor *inner)
{
    struct wfs_factor *outer = run->n_factors ? &run->factors[run->n_factors - 1] : NULL;
    if (outer && outer->stride_bits == inner->stride_bits * (int64_t)inner->count)
        *outer = (struct wfs_factor){outer->count * inner->count, inner->stride_bits};
    else
        run->factors[run->n_factors++] = *inner;
}

/* Finds the run number `which`: one index of each axis outside of `axis`, and all that the piece
 * has from there on. */
static void merge_run(const struct reshape *re, const struct group *group,
                      const struct wfs_piece *piece, uint32_t axis, uint64_t which, struct run *ret)
{
    uint64_t inner = 1;
    ret->base_bits = 0;
    ret->start = 0;
    for (uint32_t a = group->in_at + group->in_n; a-- > axis;) {
        ret->start += piece->start[a] * inner;
        inner *= re->in->shape[a];
    }
    ret->count = inner;
    if (group->in_n > 0)
        ret->count = inner / re->in->shape[axis] * piece->count[axis];
    for (uint32_t a = axis; a-- > group->in_at; which /= piece->count[a]) {
        uint64_t index = which % piece->count[a];
        ret->base_bits +=
            factored_offset(wfs_piece_factors(piece, a), wfs_piece_n_factors(piece, a), index);
        ret->start += (piece->start[a] + index) * inner;
        inner *= re->in->shape[a];
    }
    ret->n_factors = 0;
    for (uint32_t a = axis; a < group->in_at + group->in_n; a++)
        for (uint32_t f = 0; f < wfs_piece_n_factors(piece, a); f++)
            append_factor(ret, &wfs_piece_factors(piece, a)[f]);
}

/* ---- cutting ------------------------------------------------------------------------------- */

/* Takes the innermost `count` steps off the factors into ret (innermost first); false where a
 * factor would be torn. */
static bool take_inner(struct run *run, uint64_t count, struct wfs_factor *ret, uint32_t *ret_n)
{
    uint32_t n = 0;
    while (count > 1) {
        struct wfs_factor *last = &run->factors[run->n_factors - 1];
        if (count % last->count == 0) {
            ret[n++] = *last;
            count /= last->count;
            run->n_factors--;
        } else if (last->count % count == 0) {
            ret[n++] = (struct wfs_factor){count, last->stride_bits};
            last->count /= count;
            last->stride_bits *= (int64_t)count;
            count = 1;
        } else {
            return false;
        }
    }
    *ret_n = n;
    return true;
}

/* Draws the group's new axes for one box whose elements are `run`. */
static bool draw_box(const struct reshape *re, const struct group *group,
                     const struct wfs_range_box *box, struct run *run, struct wfs_sketch *sketch)
{
    struct wfs_factor taken[WFS_MAX_FACTORS];
    uint32_t n_taken = 0, ends[WFS_MAX_NDIM];
    for (uint32_t o = group->out_n; o-- > 0;) {
        uint32_t n;
        uint64_t count = o < box->axis    ? 1
                         : o == box->axis ? box->n
                                          : re->out_shape[group->out_at + o];
        if (!take_inner(run, count, taken + n_taken, &n))
            return false;
        n_taken += n;
        ends[o] = n_taken;
    }
    for (uint32_t o = 0; o < group->out_n; o++) {
        uint32_t first = o + 1 < group->out_n ? ends[o + 1] : 0;
        uint64_t count = o < box->axis    ? 1
                         : o == box->axis ? box->n
                                          : re->out_shape[group->out_at + o];
        wfs_sketch_axis(sketch, box->index[o], count);
        for (uint32_t f = ends[o]; f-- > first;)
            wfs_sketch_factor(sketch, taken[f].count, taken[f].stride_bits);
    }
    return true;
}

/* Finds the part [from, from + n) of a run; false where the run's factors make no box of it. */
static bool sub_run(const struct run *run, uint64_t from, uint64_t n, struct run *ret)
{
    struct wfs_range range;
    struct wfs_range_box box;
    wfs_range_init_factors(&range, run->n_factors, run->factors, from, from + n);
    wfs_range_next(&range, &box);
    if (box.n_elems != n)
        return false;
    *ret = (struct run){.start = run->start + from, .count = n, .base_bits = run->base_bits};
    for (uint32_t f = 0; f < run->n_factors; f++) {
        ret->base_bits += box.index[f] * (uint64_t)run->factors[f].stride_bits;
        if (f == box.axis && box.n > 1)
            ret->factors[ret->n_factors++] =
                (struct wfs_factor){box.n, run->factors[f].stride_bits};
        else if (f > box.axis)
            ret->factors[ret->n_factors++] = run->factors[f];
    }
    return true;
}

static int add_groups(const struct reshape *re, const struct wfs_piece *piece, uint32_t g,
                      struct wfs_sketch *sketch);

/* Cuts one run at the new axes, and draws the other groups for each cut. */
static int add_run(const struct reshape *re, const struct wfs_piece *piece, uint32_t g,
                   const struct run *run, struct wfs_sketch *sketch)
{
    const struct group *group = &re->groups[g];
    const uint32_t ndim = sketch->ndim;
    const uint64_t base_bits = sketch->base_bits;
    struct wfs_range range;
    struct wfs_range_box box;
    wfs_range_init(&range, group->out_n, re->out_shape + group->out_at, run->start,
                   run->start + run->count);
    for (uint64_t at = 0; wfs_range_next(&range, &box); at += box.n_elems) {
        struct run part;
        if (!sub_run(run, at, box.n_elems, &part))
            return -E2BIG;
        sketch->ndim = ndim;
        sketch->base_bits = base_bits + part.base_bits;
        if (!draw_box(re, group, &box, &part, sketch))
            return -E2BIG;
        int r = add_groups(re, piece, g + 1, sketch);
        if (r)
            return r;
    }
    sketch->ndim = ndim;
    sketch->base_bits = base_bits;
    return 0;
}

/* Draws group g and those after it, in every way that the piece falls apart. */
static int add_groups(const struct reshape *re, const struct wfs_piece *piece, uint32_t g,
                      struct wfs_sketch *sketch)
{
    struct run run;
    if (g == re->n_groups)
        return re->draft->n_pieces >= re->max_pieces ? -E2BIG : wfs_draft_add(re->draft, sketch);
    const struct group *group = &re->groups[g];
    uint32_t axis = run_axis(re, group, piece);
    uint64_t n = n_runs(group, piece, axis);
    if (n > re->max_pieces)
        return -E2BIG;
    for (uint64_t which = 0; which < n; which++) {
        merge_run(re, group, piece, axis, which, &run);
        int r = add_run(re, piece, g, &run, sketch);
        if (r)
            return r;
    }
    return 0;
}

static int add_pieces(const struct reshape *re)
{
    for (uint32_t i = 0; i < re->in->n_pieces; i++) {
        struct wfs_sketch sketch;
        wfs_sketch_begin(&sketch, &re->in->pieces[i]);
        int r = add_groups(re, &re->in->pieces[i], 0, &sketch);
        if (r)
            return r;
    }
    return 0;
}

/* ---- the operation ------------------------------------------------------------------------- */

static int check_reshape(const struct wfs_expr *in, uint32_t ndim, const uint64_t *shape,
                         struct wfs_error *err)
{
    struct wfs_buf from wfs_cleanup(wfs_buf_free) = {0}, to wfs_cleanup(wfs_buf_free) = {0};
    uint64_t n_elems = 1;
    bool fits = true, has_zero = false;
    if (ndim > WFS_MAX_NDIM)
        return wfs_error_set(err, EINVAL, "reshape: more than %d axes", WFS_MAX_NDIM);
    for (uint32_t i = 0; i < ndim; i++) {
        fits = fits && wfs_mul_u64(n_elems, shape[i], &n_elems);
        has_zero = has_zero || shape[i] == 0;
    }
    if (has_zero ? in->n_elems == 0 : fits && n_elems == in->n_elems)
        return 0;
    wfs_shape_format(&from, in->ndim, in->shape);
    wfs_shape_format(&to, ndim, shape);
    if (!wfs_buf_ok(&from) || !wfs_buf_ok(&to))
        return wfs_error_nomem(err, "a message");
    return wfs_error_set(err, EINVAL, "reshape: %s has not the elements of %s", from.data, to.data);
}

/* Where `in` is a nested expression, its inner one: it was nested because of an earlier shape, and
 * may have the one asked for now without nesting. */
static const struct wfs_expr *unnested(const struct wfs_expr *in)
{
    struct wfs_bytes *bytes;
    uint64_t off;
    const struct wfs_expr *inner;
    if (!wfs_expr_is_any_run(in, &bytes, &off) || !(inner = wfs_nested_expr(bytes)) ||
        inner->dtype != in->dtype || inner->n_elems != in->n_elems)
        return in;
    return inner;
}

static int reshape(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                   const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    struct reshape re = {.in = in,
                         .out_ndim = ndim,
                         .out_shape = shape,
                         .max_pieces = (size_t)in->n_pieces + WFS_EXPR_MAX_CUTS,
                         .draft = &draft};
    int r = 0;
    wfs_draft_init(&draft, ndim);
    if (in->n_elems > 0) {
        find_groups(&re);
        r = add_pieces(&re);
        if (!r)
            r = wfs_draft_merge(&draft, shape);
    }
    if (!r)
        return wfs_draft_finish(&draft, arena, in->dtype, shape, ret, err);
    wfs_draft_free(&draft);
    if (r != -E2BIG)
        return wfs_error_nomem(err, "a tensor expression");
    return wfs_expr_nest(arena, in, ndim, shape, in->dtype, ret, err);
}

int wfs_expr_reshape(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                     const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err)
{
    int r = wfs_check_layout("reshape", in, err);
    if (!r)
        r = check_reshape(in, ndim, shape, err);
    return r ? r : reshape(arena, unnested(in), ndim, shape, ret, err);
}
