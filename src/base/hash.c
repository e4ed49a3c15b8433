/*
 * hash.c - XXH3-128 in its canonical form. Identity and cache keys, not cryptography: who can write
 * the checkpoint can write anything into it anyway.
 */
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/base.h"

struct wfs_hash wfs_hash_bytes(const void *data, size_t len)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    struct wfs_hash hash;
    memcpy(hash.bytes, canonical.digest, sizeof(hash.bytes));
    return hash;
}

void wfs_hash_hex(const struct wfs_hash *hash, char ret_hex[33])
{
    for (size_t i = 0; i < sizeof(hash->bytes); i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", hash->bytes[i]);
}
