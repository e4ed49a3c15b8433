/*
 * metadata.c - the key-value pairs of a view's GGUF files.
 */
#include "gguf/gguf.h"

#include "gguf/kv/settings.h"
#include "gguf/kv/source_keys.h"

int wfs_gguf_metadata(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                      struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    int r = wfs_gguf_is_source(catalog)
                ? wfs_gguf_source_keys(catalog, kv, err)
                : wfs_error_set(err, ENOTSUP,
                                "the keys of a GGUF file are not made of this checkpoint's files");
    if (!r)
        r = wfs_gguf_put_settings(kv, plan->set, err);
    if (!r && !wfs_gguf_kv_ok(kv))
        r = wfs_error_nomem(err, "the keys of a GGUF file");
    return r;
}
