/*
 * region.c - the span of memory that blocks live in.
 *
 *   base                                                        base + size
 *   | used | free |    used    | used |            free           |
 *
 * Invariant: extents cover the span in address order without gaps, and no two neighbours are both
 * free. Best fit keeps the untouched tail whole for as long as a used hole will do.
 */
#include "cache/pool/region.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE (UINT64_C(2) << 20)

struct wfs_region {
    uint8_t *base;
    uint64_t size_bytes;
    struct wfs_extent *first;
    struct wfs_extent *free_list;
};

/* mmap gives page alignment only: take one huge page more and give back what sticks out. */
static uint8_t *map_aligned(uint64_t size_bytes)
{
    uint64_t span;
    if (!wfs_add_u64(size_bytes, HUGE_PAGE, &span) || span > SIZE_MAX)
        return NULL;
    uint8_t *p = mmap(NULL, (size_t)span, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t head = (size_t)(wfs_round_up_u64((uintptr_t)p, HUGE_PAGE) - (uintptr_t)p);
    if (head > 0)
        munmap(p, head);
    munmap(p + head + size_bytes, (size_t)(HUGE_PAGE - head));
    return p + head;
}

static void free_list_add(struct wfs_region *region, struct wfs_extent *extent)
{
    extent->is_free = true;
    extent->free_prev = NULL;
    extent->free_next = region->free_list;
    if (region->free_list)
        region->free_list->free_prev = extent;
    region->free_list = extent;
}

static void free_list_remove(struct wfs_region *region, struct wfs_extent *extent)
{
    if (extent->free_prev)
        extent->free_prev->free_next = extent->free_next;
    else
        region->free_list = extent->free_next;
    if (extent->free_next)
        extent->free_next->free_prev = extent->free_prev;
    extent->is_free = false;
    extent->free_prev = extent->free_next = NULL;
}

int wfs_region_new(uint64_t size_bytes, struct wfs_region **ret, struct wfs_error *err)
{
    size_bytes -= size_bytes % WFS_REGION_GRAIN;
    struct wfs_region *region = calloc(1, sizeof *region);
    struct wfs_extent *whole = calloc(1, sizeof *whole);
    uint8_t *base = size_bytes > 0 ? map_aligned(size_bytes) : NULL;
    if (!region || !whole || !base) {
        free(region);
        free(whole);
        if (base)
            munmap(base, (size_t)size_bytes);
        return wfs_error_nomem(err, "the block pool");
    }
    /* Advice only: without huge pages the pool is slower, not wrong. */
    (void)madvise(base, (size_t)size_bytes, MADV_HUGEPAGE);
    whole->size_bytes = size_bytes;
    region->base = base;
    region->size_bytes = size_bytes;
    region->first = whole;
    free_list_add(region, whole);
    *ret = region;
    return 0;
}

void wfs_region_free(struct wfs_region *region)
{
    if (!region)
        return;
    for (struct wfs_extent *e = region->first, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    munmap(region->base, (size_t)region->size_bytes);
    free(region);
}

uint64_t wfs_region_size_bytes(const struct wfs_region *region)
{
    return region->size_bytes;
}

static struct wfs_extent *best_fit(struct wfs_region *region, uint64_t size_bytes)
{
    struct wfs_extent *best = NULL;
    for (struct wfs_extent *e = region->free_list; e; e = e->free_next)
        if (e->size_bytes >= size_bytes && (!best || e->size_bytes < best->size_bytes))
            best = e;
    return best;
}

struct wfs_extent *wfs_region_take(struct wfs_region *region, uint64_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > region->size_bytes)
        return NULL;
    size_bytes = wfs_round_up_u64(size_bytes, WFS_REGION_GRAIN);
    struct wfs_extent *hole = best_fit(region, size_bytes);
    if (!hole)
        return NULL;
    if (hole->size_bytes > size_bytes) {
        struct wfs_extent *rest = calloc(1, sizeof *rest);
        if (!rest)
            return NULL;
        rest->off = hole->off + size_bytes;
        rest->size_bytes = hole->size_bytes - size_bytes;
        rest->prev = hole;
        rest->next = hole->next;
        if (rest->next)
            rest->next->prev = rest;
        hole->next = rest;
        hole->size_bytes = size_bytes;
        free_list_add(region, rest);
    }
    free_list_remove(region, hole);
    return hole;
}

/* Makes `extent` and the free one behind it one extent. */
static void merge_next(struct wfs_region *region, struct wfs_extent *extent)
{
    struct wfs_extent *next = extent->next;
    free_list_remove(region, next);
    extent->size_bytes += next->size_bytes;
    extent->next = next->next;
    if (extent->next)
        extent->next->prev = extent;
    free(next);
}

void wfs_region_give(struct wfs_region *region, struct wfs_extent *extent)
{
    free_list_add(region, extent);
    if (extent->next && extent->next->is_free)
        merge_next(region, extent);
    if (extent->prev && extent->prev->is_free)
        merge_next(region, extent->prev);
}

uint8_t *wfs_region_data(const struct wfs_region *region, const struct wfs_extent *extent)
{
    return region->base + extent->off;
}
