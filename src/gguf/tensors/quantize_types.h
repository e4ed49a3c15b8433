/*
 * quantize_types.h - which tensor gets which type in the files of llama-quantize.
 */
#ifndef WEIGHTFS_GGUF_TENSORS_QUANTIZE_TYPES_H
#define WEIGHTFS_GGUF_TENSORS_QUANTIZE_TYPES_H

#include "gguf/tensors/file_types.h"
#include "gguf/tensors/items.h"

/* What the rules ask of the model, from its keys. */
struct wfs_gguf_quantize_model {
    const char *architecture;                         /* general.architecture */
    int64_t n_layers, n_heads, n_kv_heads, n_experts; /* 0: there is no such key */
};

/* Sets the dtype of what llama-quantize quantises among the items, which stand in its order
 * (wfs_gguf_sort_by_layer) and have the dtypes of the file that it is given. Blocks keep theirs. */
void wfs_gguf_quantize_types(struct wfs_gguf_item *items, uint32_t n,
                             const struct wfs_gguf_file_type *type,
                             const struct wfs_gguf_quantize_model *model);

#endif
