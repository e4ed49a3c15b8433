/*
 * npy_header.h (private) - the header of a .npy, and numpy's names of types.
 */
#ifndef WEIGHTFS_SOURCE_NUMPY_NPY_HEADER_H
#define WEIGHTFS_SOURCE_NUMPY_NPY_HEADER_H

#include "tensor/tensor.h"

struct wfs_npy_header {
    enum wfs_dtype dtype;
    bool is_swapped; /* big-endian elements of more than one byte */
    bool is_guess;   /* '<V2': two bytes without a type, taken for bfloat16 as jax does */
    bool is_fortran;
    uint32_t ndim;
    uint64_t shape[WFS_MAX_NDIM];
    uint64_t data_off; /* from the magic */
};

/* A numpy type: "<f4", ">i8", "|b1", "float32", "bfloat16" (descr and name alike). False where it
 * is no plain number: objects, strings, dates, records. */
bool wfs_npy_parse_dtype(const char *name, size_t len, struct wfs_npy_header *ret);

/* Parses the header at bytes[off..), of which at most `len` bytes are the file's. `subject` names
 * the tensor in messages. The data is checked to be there whole. */
int wfs_npy_parse_header(struct wfs_bytes *bytes, uint64_t off, uint64_t len, const char *subject,
                         struct wfs_npy_header *ret, struct wfs_error *err);

/* The tensor's expression over bytes[off..), with Fortran order and big-endian bytes undone. */
int wfs_npy_expr(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                 const struct wfs_npy_header *header, const struct wfs_expr **ret,
                 struct wfs_error *err);

/* True where a file begins with a magic that np.save writes. */
bool wfs_npy_is_magic(const uint8_t *head, size_t len);

#endif
