/*
 * shape.c - sizes and texts of shapes.
 */
#include <string.h>

#include "tensor/tensor.h"

int wfs_shape_size(enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                   uint64_t *ret_n_elems, uint64_t *ret_size_bytes, struct wfs_error *err)
{
    uint64_t n_elems = 1, n_bits, block = wfs_max_u64(wfs_dtype_info(dtype)->block_elems, 1);
    bool fits = ndim <= WFS_MAX_NDIM;
    if (block > 1 && (ndim == 0 || shape[ndim - 1] % block != 0))
        return wfs_error_set(err, EINVAL, "the last axis does not divide into %s blocks of %llu",
                             wfs_dtype_info(dtype)->name, (unsigned long long)block);
    for (uint32_t i = 0; fits && i < ndim; i++)
        fits = wfs_mul_u64(n_elems, shape[i], &n_elems);
    if (!fits || !wfs_mul_u64(n_elems / block, wfs_dtype_bits(dtype), &n_bits))
        return wfs_error_set(err, EOVERFLOW, "a shape of %u axes overflows 64 bits", ndim);
    if (n_bits % 8 != 0)
        return wfs_error_set(err, EINVAL, "%llu elements of %s do not fill whole bytes",
                             (unsigned long long)n_elems, wfs_dtype_info(dtype)->name);
    *ret_n_elems = n_elems;
    *ret_size_bytes = n_bits / 8;
    return 0;
}

bool wfs_shape_equal(uint32_t a_ndim, const uint64_t *a, uint32_t b_ndim, const uint64_t *b)
{
    return a_ndim == b_ndim && (a_ndim == 0 || memcmp(a, b, a_ndim * sizeof(*a)) == 0);
}

void wfs_shape_format(struct wfs_buf *out, uint32_t ndim, const uint64_t *shape)
{
    wfs_buf_char(out, '(');
    for (uint32_t i = 0; i < ndim; i++)
        wfs_buf_printf(out, i ? ", %llu" : "%llu", (unsigned long long)shape[i]);
    wfs_buf_str(out, ndim == 1 ? ",)" : ")");
}
