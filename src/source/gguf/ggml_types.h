/*
 * ggml_types.h - the element types of GGUF files, by the number that a file gives. Public to the stages
 * above.
 */
#ifndef WEIGHTFS_SOURCE_GGUF_GGML_TYPES_H
#define WEIGHTFS_SOURCE_GGUF_GGML_TYPES_H

#include "tensor/tensor.h"

struct wfs_ggml_type {
    const char *name; /* "Q4_K", as ggml writes it */
    enum wfs_dtype dtype;
    /* A block with numbers of several bytes in it (a scale in F16): in a big-endian file their bytes
     * lie the other way round, and the block is not what `dtype` says. */
    bool is_wide_block;
};

/* NULL where ggml knows no such type, or knows it no longer; *ret_removed (NULL: not asked) is then
 * the name of a type that it once had, else NULL. */
const struct wfs_ggml_type *wfs_ggml_type(uint32_t number, const char **ret_removed);
/* The number of a type. False where ggml has none for it. */
bool wfs_ggml_number(enum wfs_dtype dtype, uint32_t *ret);

#endif
