/*
 * geometry.c - block sizes and keys.
 *
 * A budget changes the geometry and the geometry is in the key, so mounts with different budgets
 * never mistake each other's blocks.
 */
#include "cache/geometry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pool/region.h"

#define PAGE_BYTES 4096u
#define N_ANSWERS  512u

struct answer {
    struct wfs_hash hash;
    bool is_set;
    uint64_t block_bytes;
};

struct wfs_geometry {
    pthread_mutex_t lock;
    uint64_t pool_bytes;
    struct answer answers[N_ANSWERS]; /* guarded by lock */
};

uint64_t wfs_block_bytes(const struct wfs_expr *expr, uint64_t pool_bytes)
{
    if (expr->size_bytes <= WFS_REGION_GRAIN)
        /* Reading so small a tensor directly is as cheap as looking up a block of it. */
        return 0;
    uint64_t want = wfs_expr_block_bytes(expr);
    if (want == 0)
        return 0;
    want = wfs_min_u64(want, expr->size_bytes);
    uint64_t small = wfs_min_u64(pool_bytes / WFS_BLOCKS_AT_LEAST, WFS_BLOCK_SMALL_BYTES);
    uint64_t limit = wfs_max_u64(pool_bytes / WFS_BLOCKS_AT_ONCE, small);
    bool shrunk = false;
    while (want > limit && want >= WFS_BLOCK_MIN_BYTES) {
        want = wfs_round_up_u64(want / 2, PAGE_BYTES);
        shrunk = true;
    }
    if (want > limit || (shrunk && want < WFS_BLOCK_MIN_BYTES))
        return 0;
    return want;
}

struct wfs_geometry *wfs_geometry_new(uint64_t pool_bytes)
{
    struct wfs_geometry *geometry = calloc(1, sizeof *geometry);
    if (!geometry)
        return NULL;
    geometry->pool_bytes = pool_bytes;
    pthread_mutex_init(&geometry->lock, NULL);
    return geometry;
}

void wfs_geometry_free(struct wfs_geometry *geometry)
{
    if (!geometry)
        return;
    pthread_mutex_destroy(&geometry->lock);
    free(geometry);
}

uint64_t wfs_geometry_block_bytes(struct wfs_geometry *geometry, const struct wfs_expr *expr,
                                  const struct wfs_hash *expr_hash)
{
    uint32_t slot;
    memcpy(&slot, expr_hash->bytes, sizeof slot);
    struct answer *answer = &geometry->answers[slot % N_ANSWERS], found;
    pthread_mutex_lock(&geometry->lock);
    found = *answer;
    pthread_mutex_unlock(&geometry->lock);
    if (found.is_set && memcmp(&found.hash, expr_hash, sizeof *expr_hash) == 0)
        return found.block_bytes;
    found = (struct answer){*expr_hash, true, wfs_block_bytes(expr, geometry->pool_bytes)};
    pthread_mutex_lock(&geometry->lock);
    *answer = found;
    pthread_mutex_unlock(&geometry->lock);
    return found.block_bytes;
}

struct wfs_block_key wfs_block_key(const struct wfs_hash *expr_hash, uint64_t block_bytes)
{
    uint8_t text[sizeof expr_hash->bytes + 8 + 4];
    memcpy(text, expr_hash->bytes, sizeof expr_hash->bytes);
    wfs_store_u64le(text + sizeof expr_hash->bytes, block_bytes);
    wfs_store_u32le(text + sizeof expr_hash->bytes + 8, WFS_ENGINE_VERSION);
    return (struct wfs_block_key){.hash = wfs_hash_bytes(text, sizeof text)};
}

uint32_t wfs_block_elem_bytes(enum wfs_dtype dtype)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(dtype);
    uint32_t bytes = info->bits / 8u;
    if (info->kind == WFS_KIND_COMPLEX)
        bytes /= 2;
    return bytes == 2 || bytes == 4 || bytes == 8 ? bytes : 1;
}
