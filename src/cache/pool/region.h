/*
 * region.h - one span of anonymous memory cut into page-aligned extents for blocks.
 *
 * Memory once touched is used again by the next block whatever its size: fresh anonymous memory
 * runs at 1.5 GB/s on 4 KiB pages, less than a block takes to compute. The span is aligned for
 * huge pages and never grows, so it is also the bound on what blocks can hold. Not thread-safe: the
 * pool's lock guards it.
 */
#ifndef WEIGHTFS_CACHE_POOL_REGION_H
#define WEIGHTFS_CACHE_POOL_REGION_H

#include "base/base.h"

/* Extents are multiples of this: small enough for a small tensor's only block, large enough that
 * a budget of a gigabyte has few. */
#define WFS_REGION_GRAIN (UINT64_C(64) << 10)

struct wfs_region;
struct wfs_extent {
    uint64_t off, size_bytes;
    struct wfs_extent *prev, *next;           /* by address */
    struct wfs_extent *free_prev, *free_next; /* while free */
    bool is_free;
};

/* size_bytes is rounded down to the grain; -ENOMEM when the address space cannot be had. */
int wfs_region_new(uint64_t size_bytes, struct wfs_region **ret, struct wfs_error *err);
void wfs_region_free(struct wfs_region *region);
uint64_t wfs_region_size_bytes(const struct wfs_region *region);
/* The smallest hole that fits; NULL when none does. */
struct wfs_extent *wfs_region_take(struct wfs_region *region, uint64_t size_bytes);
/* Gives an extent back; neighbours that are free become one hole. */
void wfs_region_give(struct wfs_region *region, struct wfs_extent *extent);
uint8_t *wfs_region_data(const struct wfs_region *region, const struct wfs_extent *extent);

#endif
