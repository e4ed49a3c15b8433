/*
 * run.c - whether an expression's elements lie side by side in one source, untouched: then a range
 * of the expression is a range of the source.
 */
#include "tensor/expr/run.h"

#include "tensor/expr/computed.h"

bool wfs_expr_is_any_run(const struct wfs_expr *expr, struct wfs_bytes **ret_bytes,
                         uint64_t *ret_off)
{
    if (expr->n_pieces != 1 || expr->pieces[0].n_ops > 0 || expr->pieces[0].base_bits % 8 != 0)
        return false;
    const struct wfs_piece *piece = &expr->pieces[0];
    uint64_t stride = wfs_dtype_bits(piece->dtype);
    /* A piece of blocks has no factors: it is a run. */
    for (uint32_t f = piece->first_factor[expr->ndim]; f-- > 0;) {
        if ((uint64_t)piece->factors[f].stride_bits != stride)
            return false;
        stride *= piece->factors[f].count;
    }
    *ret_bytes = piece->bytes;
    *ret_off = piece->base_bits / 8;
    return true;
}

bool wfs_expr_is_run(const struct wfs_expr *expr, struct wfs_bytes **ret_bytes, uint64_t *ret_off)
{
    struct wfs_bytes *bytes;
    uint64_t off;
    if (!wfs_expr_is_any_run(expr, &bytes, &off) || wfs_bytes_computed(bytes))
        return false;
    *ret_bytes = bytes;
    *ret_off = off;
    return true;
}
