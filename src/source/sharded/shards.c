/*
 * shards.c - one tensor from hyper-rectangles of it.
 *
 * Invariant: the result covers the shape and no element comes from two shards. That is shown by
 * cutting: along some axis there is a place that no shard crosses; both sides are assembled alone;
 * a side with a single shard must be that shard exactly. Whatever cannot be cut so is refused
 * (FSDP, tensor parallelism and their products always can).
 */
#include "source/sharded/shards.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NESTED_CUTS 128u /* meshes of ranks nest one for each axis */

struct box {
    uint64_t start[WFS_MAX_NDIM], shape[WFS_MAX_NDIM];
};

struct assembly {
    struct wfs_arena *arena;
    uint32_t ndim;
    enum wfs_dtype dtype;
    struct wfs_error *err;
    uint32_t cut_axes; /* bit i: cut along axis i (i < 32) */
    uint32_t depth;    /* of cuts within cuts */
};

struct ordered {
    const struct wfs_shard *shard;
    uint64_t offset;
};

static int cmp_ordered(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int misfit(struct assembly *a, const char *what)
{
    return wfs_error_set(a->err, EINVAL, "its shards %s", what);
}

static int check_shard(struct assembly *a, const struct wfs_shard *shard, const uint64_t *shape)
{
    if (shard->expr->ndim != a->ndim)
        return misfit(a, "have another number of axes than the tensor");
    if (shard->expr->dtype != a->dtype)
        return misfit(a, "have another element type than the tensor");
    for (uint32_t i = 0; i < a->ndim; i++) {
        uint64_t end;
        if (!wfs_add_u64(shard->offset[i], shard->expr->shape[i], &end) || end > shape[i])
            return misfit(a, "reach beyond the tensor");
    }
    return 0;
}

/* The only shard of a box. */
static int take_whole(struct assembly *a, const struct wfs_shard *shard, const struct box *box,
                      const struct wfs_expr **ret)
{
    for (uint32_t i = 0; i < a->ndim; i++)
        if (shard->offset[i] != box->start[i] || shard->expr->shape[i] != box->shape[i])
            return misfit(a, "leave a gap");
    *ret = shard->expr;
    return 0;
}

/* Sorts the shards along an axis and finds the places that no shard crosses; returns the number of
 * groups that these places make. */
static uint32_t find_groups(const struct wfs_shard *shards, uint32_t n, uint32_t axis,
                            struct ordered *order, uint32_t *firsts)
{
    uint32_t n_groups = 0;
    uint64_t end = 0;
    for (uint32_t i = 0; i < n; i++)
        order[i] = (struct ordered){&shards[i], shards[i].offset[axis]};
    qsort(order, n, sizeof(*order), cmp_ordered);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || order[i].offset >= end)
            firsts[n_groups++] = i;
        uint64_t shard_end = order[i].offset + order[i].shard->expr->shape[axis];
        end = i == 0 ? shard_end : wfs_max_u64(end, shard_end);
    }
    firsts[n_groups] = n;
    return n_groups;
}

static int assemble(struct assembly *a, struct wfs_shard *shards, uint32_t n, const struct box *box,
                    const struct wfs_expr **ret);

/* The groups of one axis, each assembled in its part of the box, side by side. */
static int join_groups(struct assembly *a, struct wfs_shard *shards, const struct box *box,
                       uint32_t axis, uint32_t n_groups, const uint32_t *firsts,
                       const struct wfs_expr **ret)
{
    wfs_cleanup(wfs_freep) const struct wfs_expr **parts = calloc(n_groups, sizeof(*parts));
    struct box part = *box;
    uint64_t end = box->start[axis] + box->shape[axis];
    if (!parts)
        return wfs_error_nomem(a->err, "a sharded tensor");
    if (shards[0].offset[axis] != box->start[axis])
        return misfit(a, "leave a gap");
    for (uint32_t g = 0; g < n_groups; g++) {
        uint64_t next = g + 1 < n_groups ? shards[firsts[g + 1]].offset[axis] : end;
        part.start[axis] = shards[firsts[g]].offset[axis];
        part.shape[axis] = next - part.start[axis];
        int r = assemble(a, shards + firsts[g], firsts[g + 1] - firsts[g], &part, &parts[g]);
        if (r)
            return r;
    }
    a->cut_axes |= axis < 32 ? 1u << axis : 0;
    return wfs_expr_concat(a->arena, n_groups, parts, axis, ret, a->err);
}

/* Sorts the shards along the first axis that has such places. *ret_firsts (malloc'd) is where each
 * group begins, and n at its end. What sorting needs is gone before groups are cut in their turn.
 */
static int cut(struct assembly *a, struct wfs_shard *shards, uint32_t n, uint32_t *ret_axis,
               uint32_t *ret_n_groups, uint32_t **ret_firsts)
{
    wfs_cleanup(wfs_freep) struct ordered *order = calloc(n, sizeof(*order));
    wfs_cleanup(wfs_freep) uint32_t *firsts = calloc((size_t)n + 1, sizeof(*firsts));
    wfs_cleanup(wfs_freep) struct wfs_shard *copy = calloc(n, sizeof(*copy));
    if (!order || !firsts || !copy)
        return wfs_error_nomem(a->err, "a sharded tensor");
    for (uint32_t axis = 0; axis < a->ndim; axis++) {
        uint32_t n_groups = find_groups(shards, n, axis, order, firsts);
        if (n_groups < 2)
            continue;
        for (uint32_t i = 0; i < n; i++)
            copy[i] = *order[i].shard;
        memcpy(shards, copy, n * sizeof(*copy));
        uint32_t *own = realloc(firsts, ((size_t)n_groups + 1) * sizeof(*firsts));
        *ret_firsts = own ? own : firsts;
        firsts = NULL;
        *ret_axis = axis;
        *ret_n_groups = n_groups;
        return 0;
    }
    return misfit(a, "overlap");
}

static int assemble(struct assembly *a, struct wfs_shard *shards, uint32_t n, const struct box *box,
                    const struct wfs_expr **ret)
{
    uint32_t axis, n_groups;
    wfs_cleanup(wfs_freep) uint32_t *firsts = NULL;
    if (n == 1)
        return take_whole(a, &shards[0], box, ret);
    if (a->depth == MAX_NESTED_CUTS)
        return misfit(a, "are cut within cuts, deeper than any mesh of ranks");
    int r = cut(a, shards, n, &axis, &n_groups, &firsts);
    if (r)
        return r;
    a->depth++;
    r = join_groups(a, shards, box, axis, n_groups, firsts, ret);
    a->depth--;
    return r;
}

/* Drops shards without elements, and returns how many are left. */
static uint32_t drop_empty(struct wfs_shard *shards, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (shards[i].expr->n_elems)
            shards[kept++] = shards[i];
    return kept;
}

int wfs_shards_assemble(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                        const uint64_t *shape, struct wfs_shard *shards, uint32_t n,
                        const struct wfs_expr **ret, int32_t *ret_axis, struct wfs_error *err)
{
    struct assembly a = {.arena = arena, .ndim = ndim, .dtype = dtype, .err = err};
    struct box box = {0};
    uint64_t n_elems, size_bytes;
    int r = wfs_shape_size(dtype, ndim, shape, &n_elems, &size_bytes, err);
    for (uint32_t i = 0; !r && i < n; i++)
        r = check_shard(&a, &shards[i], shape);
    if (r)
        return r;
    *ret_axis = -1;
    if (n_elems == 0)
        return wfs_expr_fill(arena, dtype, ndim, shape, 0, ret, err);
    n = drop_empty(shards, n);
    if (n == 0)
        return misfit(&a, "have no elements, the tensor has");
    memcpy(box.shape, shape, ndim * sizeof(*shape));
    r = assemble(&a, shards, n, &box, ret);
    for (int32_t i = 0; !r && i < 32; i++)
        if (a.cut_axes == 1u << i)
            *ret_axis = i;
    return r;
}
