/*
 * converter_types.h - which tensor gets which type in the files of convert_hf_to_gguf.py.
 */
#ifndef WEIGHTFS_GGUF_TENSORS_CONVERTER_TYPES_H
#define WEIGHTFS_GGUF_TENSORS_CONVERTER_TYPES_H

#include "gguf/tensors/items.h"

/* Sets item->dtype, where the file's type is `dtype` (F32, F16, BF16, Q8_0). Blocks keep theirs. */
void wfs_gguf_converter_type(struct wfs_gguf_item *item, enum wfs_dtype dtype);

#endif
