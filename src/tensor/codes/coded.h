/*
 * coded.h - what decoding and encoding share: a computed source between a tensor of blocks and one
 * of floats. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_CODED_H
#define WEIGHTFS_TENSOR_CODES_CODED_H

#include "tensor/codes/codes.h"
#include "tensor/expr/computed.h"

struct wfs_coded {
    struct wfs_computed computed;
    const struct wfs_code *code;
    const struct wfs_expr *in;
};

/* One direction. */
struct wfs_coded_kind {
    const char *verb; /* "decode": part of the source's id */
    const char *what; /* "a decoded tensor": its name in messages */
    const struct wfs_bytes_ops *ops;
};

/* `check` of both directions: the input's files are what they were. */
int wfs_coded_check(struct wfs_bytes *bytes, struct wfs_error *err);
/* The input through `code`, as one run of a source of elements (or blocks) of dtype. */
int wfs_coded_expr(struct wfs_arena *arena, const struct wfs_coded_kind *kind,
                   const struct wfs_code *code, const struct wfs_expr *in, enum wfs_dtype dtype,
                   const struct wfs_expr **ret, struct wfs_error *err);

#endif
