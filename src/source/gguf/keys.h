/*
 * keys.h - the key-value pairs of a GGUF header.
 */
#ifndef WEIGHTFS_SOURCE_GGUF_KEYS_H
#define WEIGHTFS_SOURCE_GGUF_KEYS_H

#include "source/gguf/reader.h"
#include "source/source.h"

/* What the keys say of the file itself. */
struct wfs_gguf_keys {
    uint32_t alignment; /* general.alignment, a power of two; 32 without one */
    bool has_split;     /* split.count is there; then: */
    uint64_t split_no, split_count;
    uint64_t split_n_tensors; /* of all files; UINT64_MAX: not said */
};

/* Takes n_keys pairs. Numbers, truths and short strings become metadata of the catalog (as text, so
 * that rules may ask config.llama.attention.head_count), all of them objects.json. */
int wfs_gguf_read_keys(struct wfs_gguf_reader *g, struct wfs_catalog *catalog, const char *file,
                       uint64_t n_keys, struct wfs_gguf_keys *ret, struct wfs_error *err);

#endif
