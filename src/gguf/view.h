/*
 * view.h - what the GGUF files of one view share.
 */
#ifndef WEIGHTFS_GGUF_VIEW_H
#define WEIGHTFS_GGUF_VIEW_H

#include "gguf/gguf.h"
#include "gguf/tensors/items.h"

struct wfs_gguf_view {
    const struct wfs_gguf_kv *kv;
    struct wfs_bytes *pairs; /* encoded; kv->pairs[i] begins at pair_off[i], the last ends at [n] */
    const uint64_t *pair_off;
    uint32_t n_tensors;
    const struct wfs_gguf_item *items;  /* in the converter's order, or the source's */
    const struct wfs_gguf_item *blocks; /* the first in blocks; NULL: there is none */
    bool is_source_gguf, has_mxfp4;
    const struct wfs_gguf_file_type *auto_type; /* of model.gguf; NULL: the source's own types */
    enum wfs_dtype plain; /* the float type that loses nothing of the source's matrices */
    uint32_t alignment;
};

#endif
