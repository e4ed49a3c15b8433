/*
 * schemes.h - the plain values of quantised weights: one row a scheme.
 */
#ifndef WEIGHTFS_MAPPING_SCHEMES_SCHEMES_H
#define WEIGHTFS_MAPPING_SCHEMES_SCHEMES_H

#include "mapping/schemes/scheme.h"

/* In the order in which they are asked: those that are told by names of their own, then those that are told by
 * types. A row stands for `const struct wfs_scheme wfs_scheme_ROW` at the bottom of its file, which needs no
 * other declaration. */
#define WFS_SCHEMES(ROW)                                                                           \
    ROW(bnb4)                                                                                      \
    ROW(bnb8)                                                                                      \
    ROW(gptq)                                                                                      \
    ROW(awq)                                                                                       \
    ROW(compressed)                                                                                \
    ROW(fp8)                                                                                       \
    ROW(mxfp4)                                                                                     \
    ROW(hqq)                                                                                       \
    ROW(quanto)                                                                                    \
    ROW(torchao)                                                                                   \
    ROW(mlx)                                                                                       \
    ROW(ggml)                                                                                      \
    ROW(torch_quantised)

#define WFS_DECLARE_SCHEME(row) extern const struct wfs_scheme wfs_scheme_##row;
WFS_SCHEMES(WFS_DECLARE_SCHEME)

/* Replaces the packed tensors of every module whose scheme is known by one tensor of its values, but where
 * a rule of the set that comes next matches the codes' name and asks for `packed`: it reads codes. What
 * no scheme knows stays packed, and is a problem of the report. *ret_n weights got values. */
int wfs_dequantise(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *next, struct wfs_table *items, size_t *ret_n);

/* The program of the set `dequantized`, which names and lays out nothing anew. */
int wfs_dequantised_keep(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                         const struct wfs_table *in, struct wfs_table *ret_out);

#endif
