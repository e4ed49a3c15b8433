/*
 * source_keys.h - the key-value pairs of a source that is a GGUF file. Public to the stages above.
 */
#ifndef WEIGHTFS_GGUF_KV_SOURCE_KEYS_H
#define WEIGHTFS_GGUF_KV_SOURCE_KEYS_H

#include "gguf/kv/kv.h"
#include "source/source.h"

/* Is the checkpoint one of GGUF files? */
bool wfs_gguf_is_source(const struct wfs_catalog *catalog);
/* All pairs of its (first) file in their order, values whole; the keys that say how a model is split
 * (split.*) are left out. -EFBIG beyond WFS_GGUF_SOURCE_KEYS_MAX bytes of values. */
#define WFS_GGUF_SOURCE_KEYS_MAX (UINT64_C(256) << 20)
int wfs_gguf_source_keys(const struct wfs_catalog *catalog, struct wfs_gguf_kv *kv,
                         struct wfs_error *err);

#endif
