/*
 * npy.c - one tensor as a .npy (format 1.0), byte for byte what numpy.save writes, or as its bytes
 * alone.
 *
 *   93 'NUMPY' 01 00 | u16le H | "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
 *   spaces '\n' so that 10 + H is a multiple of 64 | the elements, row-major, little-endian
 *
 * numpy leaves room for the first dimension to grow to 21 digits, and a whole 64-byte unit where
 * nothing is left to pad; both are kept, so that `cmp` with numpy.save's own file finds no
 * difference. bf16 is '<V2' and the 8-bit floats '|V1': what numpy loads without ml_dtypes.
 * Refused: types that numpy has no element for (sub-byte); the tree shows those as raw bytes.
 */
#include "file/writers/npy.h"

#include <inttypes.h>
#include <string.h>

#define NPY_PREFIX_BYTES  10
#define NPY_ALIGN         64
#define NPY_GROWTH_DIGITS 21

_Static_assert(WFS_MAX_NDIM * 22 + 192 + NPY_ALIGN < WFS_NPY_HEADER_MAX, "a header always fits");

/* Appends to text of `len` bytes in a buffer of WFS_NPY_HEADER_MAX; returns the new length. */
static size_t WFS_PRINTF(3, 4) append(char *text, size_t len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text + len, WFS_NPY_HEADER_MAX - len, fmt, ap);
    va_end(ap);
    return len + (n > 0 ? (size_t)n : 0);
}

static size_t append_shape(char *text, size_t len, const struct wfs_expr *expr)
{
    len = append(text, len, "(");
    for (uint32_t i = 0; i < expr->ndim; i++)
        len = append(text, len, "%s%" PRIu64, i > 0 ? ", " : "", expr->shape[i]);
    return append(text, len, expr->ndim == 1 ? ",)" : ")");
}

static size_t append_spaces(char *text, size_t len, size_t n)
{
    memset(text + len, ' ', n);
    return len + n;
}

size_t wfs_npy_header(const struct wfs_expr *expr, char ret[WFS_NPY_HEADER_MAX])
{
    const char *descr = wfs_dtype_info(expr->dtype)->npy_descr;
    if (!descr)
        return 0;
    size_t len = NPY_PREFIX_BYTES;
    memcpy(ret, "\x93NUMPY\x01", 8);
    len = append(ret, len, "{'descr': '%s', 'fortran_order': False, 'shape': ", descr);
    len = append_shape(ret, len, expr);
    len = append(ret, len, ", }");
    if (expr->ndim > 0) {
        char first[NPY_GROWTH_DIGITS + 1];
        int digits = snprintf(first, sizeof(first), "%" PRIu64, expr->shape[0]);
        len = append_spaces(ret, len, (size_t)(NPY_GROWTH_DIGITS - digits));
    }
    len = append_spaces(ret, len, NPY_ALIGN - (len + 1) % NPY_ALIGN);
    ret[len++] = '\n';
    wfs_store_u16le((uint8_t *)ret + 8, (uint16_t)(len - NPY_PREFIX_BYTES));
    return len;
}

int wfs_npy_plan(const struct wfs_expr *expr, struct wfs_arena *arena, const struct wfs_vfile **ret,
                 struct wfs_error *err)
{
    char header[WFS_NPY_HEADER_MAX];
    size_t len = wfs_npy_header(expr, header);
    if (len == 0)
        return wfs_error_set(err, ENOTSUP, "numpy has no %s", wfs_dtype_info(expr->dtype)->name);
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, header, len);
    wfs_vfile_add_expr(&b, expr);
    return wfs_vfile_finish(&b, ret, err);
}

uint64_t wfs_npy_size(const struct wfs_expr *expr)
{
    char header[WFS_NPY_HEADER_MAX];
    size_t len = wfs_npy_header(expr, header);
    return len == 0 ? 0 : len + expr->size_bytes;
}

int wfs_raw_plan(const struct wfs_expr *expr, struct wfs_arena *arena, const struct wfs_vfile **ret,
                 struct wfs_error *err)
{
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_expr(&b, expr);
    return wfs_vfile_finish(&b, ret, err);
}
