/*
 * range.c - cutting a range of a row-major order into boxes.
 *
 * From each position the largest box that starts there is taken: whole steps of the outermost axis
 * whose inner axes the position is aligned to. On the way up each axis is met at most once, on the
 * way down too: at most 2 * ndim - 1 boxes.
 */
#include "tensor/expr/range.h"

static void init_suffix(struct wfs_range *range, uint64_t pos, uint64_t end)
{
    range->suffix[range->ndim] = 1;
    for (uint32_t i = range->ndim; i-- > 0;)
        range->suffix[i] = range->suffix[i + 1] * range->shape[i];
    range->pos = pos;
    range->end = end;
}

void wfs_range_init(struct wfs_range *range, uint32_t ndim, const uint64_t *shape, uint64_t pos,
                    uint64_t end)
{
    range->ndim = ndim;
    for (uint32_t i = 0; i < ndim; i++)
        range->shape[i] = shape[i];
    init_suffix(range, pos, end);
}

void wfs_range_init_factors(struct wfs_range *range, uint32_t n, const struct wfs_factor *factors,
                            uint64_t pos, uint64_t end)
{
    range->ndim = n;
    for (uint32_t i = 0; i < n; i++)
        range->shape[i] = factors[i].count;
    init_suffix(range, pos, end);
}

bool wfs_range_next(struct wfs_range *range, struct wfs_range_box *box)
{
    uint64_t left = range->end - range->pos;
    uint32_t axis = 0;
    if (left == 0)
        return false;
    /* Finds the outermost axis of which, from here on, whole steps are wanted. */
    while (axis + 1 < range->ndim &&
           (range->pos % range->suffix[axis + 1] != 0 || range->suffix[axis + 1] > left))
        axis++;
    uint64_t rest = range->pos;
    for (uint32_t i = 0; i < range->ndim; i++) {
        box->index[i] = rest / range->suffix[i + 1];
        rest %= range->suffix[i + 1];
    }
    box->axis = axis;
    box->n = range->ndim == 0 ? 1
                              : wfs_min_u64(left / range->suffix[axis + 1],
                                            range->shape[axis] - box->index[axis]);
    box->n_elems = box->n * (range->ndim == 0 ? 1 : range->suffix[axis + 1]);
    range->pos += box->n_elems;
    return true;
}
