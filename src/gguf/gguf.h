/*
 * gguf.h - whole GGUF files of a view: their key-value pairs, and which tensor is written where and in
 * which type.
 *
 * A pure function of metadata: of config.json, tokenizer files and names and shapes of tensors. What a
 * key needs and the checkpoint does not say is an error that names the file and the key, never a
 * default that changes results. Files are those of llama.cpp's convert_hf_to_gguf.py, byte for byte;
 * types that it does not write are llama-quantize's. A source that is a GGUF file keeps its keys, their
 * order, the order of its tensors and, in model.gguf, their types.
 */
#ifndef WEIGHTFS_GGUF_GGUF_H
#define WEIGHTFS_GGUF_GGUF_H

#include "gguf/kv/kv.h"
#include "gguf/tensors/file_types.h"
#include "mapping/mapping.h"

/* What the GGUF files of one view share: the pairs, and the tensors' order. Lives in the arena it was
 * made in and borrows catalog and plan. */
struct wfs_gguf_view;
/* -EINVAL or -ENOTSUP where the view has no GGUF file: a tensor that the rules do not name or that is
 * lacking, a key that cannot be known. */
int wfs_gguf_view_make(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                       struct wfs_arena *arena, const struct wfs_gguf_view **ret,
                       struct wfs_error *err);

/* *ret: why there is no file of this type (NULL: model.gguf); or NULL. -ENOMEM. */
int wfs_gguf_view_refuses(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                          struct wfs_arena *arena, const char **ret);

/* A stretch of the file's head, behind the 24 bytes that the writer makes: `bytes` from `off`, or
 * where that is NULL `literal`. */
struct wfs_gguf_segment {
    struct wfs_bytes *bytes;
    uint64_t off;
    const uint8_t *literal;
    uint64_t len;
};
#define WFS_GGUF_MAX_SEGMENTS 4
struct wfs_gguf_tensor {
    const char *name;
    const struct wfs_expr *expr; /* in the type it is written in */
    uint32_t type;               /* its number in ggml */
};
/* One file. */
struct wfs_gguf_model {
    uint64_t n_pairs;
    uint32_t n_segments;
    struct wfs_gguf_segment segments[WFS_GGUF_MAX_SEGMENTS]; /* the pairs */
    uint32_t n_tensors;
    const struct wfs_gguf_tensor *tensors; /* in the file's order */
    uint32_t alignment;                    /* of the data and of each tensor in it */
};
/* type NULL: model.gguf's, which -o outtype= says; else it is the converter's --outtype auto (BF16 of a
 * source whose first matrix is bfloat16, else F16), or the source's own types where it is GGUF. */
int wfs_gguf_model_make(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                        struct wfs_arena *arena, struct wfs_gguf_model *ret, struct wfs_error *err);

/* Adds to the plan's report which tensors of model.gguf are cast to a type of smaller range, as an F16 file
 * of float32 does: a problem until the index's statistics prove that no value leaves it, unless -o narrow
 * accepts it. Blocks need no proof: encoders refuse what does not fit, when it is read. */
int wfs_gguf_report_narrowed(const struct wfs_gguf_view *view, struct wfs_plan *plan,
                             struct wfs_error *err);

#endif
