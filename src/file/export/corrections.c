/*
 * corrections.c - CRC corrections of a file that is written out in chunks, in any order, by several
 * threads or machines.
 *
 * A correction is the CRC of a member's bytes, which lie in one chunk or in many. Whoever writes a
 * chunk has those bytes at hand, so it takes the CRC of each member's share (a segment); when all
 * are known they are combined, and no byte is read or computed twice.
 */
#include "file/export/corrections.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/crc.h"
#include "file/archive/zip.h"

#define CHUNK WFS_EXPORT_CHUNK_BYTES

static uint64_t first_chunk_of(const struct wfs_correction *item)
{
    return item->off / CHUNK;
}

/* The chunk behind the last one that the correction's range lies in. */
static uint64_t end_chunk_of(const struct wfs_correction *item)
{
    return (item->off + item->len + CHUNK - 1) / CHUNK;
}

static uint32_t count_computed(const struct wfs_vfile *file)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < file->n_parts; i++)
        n += file->parts[i].kind == WFS_PART_COMPUTED;
    return n;
}

static int find_corrections(const struct wfs_vfile *file, struct wfs_corrections *c,
                            struct wfs_error *err)
{
    for (uint32_t i = 0; i < file->n_parts; i++) {
        const struct wfs_part *part = &file->parts[i];
        struct wfs_correction *item = &c->items[c->n];
        if (part->kind != WFS_PART_COMPUTED)
            continue;
        if (!wfs_zip_correction(part, &item->off, &item->len) || item->len == 0)
            return wfs_error_set(err, EOPNOTSUPP, "a part at byte %llu cannot be exported",
                                 (unsigned long long)part->off);
        item->at = part->off;
        item->first_segment = c->n_segments;
        c->n_segments += end_chunk_of(item) - first_chunk_of(item);
        c->n++;
    }
    return 0;
}

int wfs_corrections_new(const struct wfs_vfile *file, struct wfs_corrections *ret,
                        struct wfs_error *err)
{
    struct wfs_corrections c = {0};
    c.items = calloc((size_t)count_computed(file) + 1, sizeof(*c.items));
    if (!c.items)
        return wfs_error_nomem(err, "the corrections of an export");
    int r = find_corrections(file, &c, err);
    if (r == 0) {
        c.crcs = calloc((size_t)c.n_segments + 1, sizeof(*c.crcs));
        r = c.crcs ? 0 : wfs_error_nomem(err, "the CRCs of an export");
    }
    if (r) {
        wfs_corrections_free(&c);
        return r;
    }
    *ret = c;
    return 0;
}

void wfs_corrections_free(struct wfs_corrections *c)
{
    free(c->items);
    free(c->crcs);
    *c = (struct wfs_corrections){0};
}

/* Finds the first correction whose range reaches past `off`. Both ends of the ranges ascend. */
static uint32_t first_past(const struct wfs_corrections *c, uint64_t off)
{
    uint32_t lo = 0, hi = c->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->items[mid].off + c->items[mid].len <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void wfs_corrections_take(struct wfs_corrections *c, uint64_t chunk, const uint8_t *data,
                          size_t len)
{
    uint64_t start = chunk * CHUNK, end = start + len;
    for (uint32_t i = first_past(c, start); i < c->n && c->items[i].off < end; i++) {
        const struct wfs_correction *item = &c->items[i];
        uint64_t from = wfs_max_u64(item->off, start), to = wfs_min_u64(item->off + item->len, end);
        c->crcs[item->first_segment + chunk - first_chunk_of(item)] =
            wfs_crc32(0, data + (from - start), (size_t)(to - from));
    }
}

/* Finds the first correction whose own four bytes reach past `off`. They ascend. */
static uint32_t first_at(const struct wfs_corrections *c, uint64_t off)
{
    uint32_t lo = 0, hi = c->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->items[mid].at + WFS_ZIP_CORRECTION_BYTES <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void wfs_corrections_blank(const struct wfs_corrections *c, uint64_t chunk, uint8_t *data,
                           size_t len)
{
    uint64_t start = chunk * CHUNK, end = start + len;
    for (uint32_t i = first_at(c, start); i < c->n && c->items[i].at < end; i++) {
        uint64_t from = wfs_max_u64(c->items[i].at, start);
        uint64_t to = wfs_min_u64(c->items[i].at + WFS_ZIP_CORRECTION_BYTES, end);
        memset(data + (from - start), 0, (size_t)(to - from));
    }
}

int wfs_corrections_each(struct wfs_corrections *c, uint64_t first_chunk, uint64_t end_chunk,
                         int (*fn)(uint32_t *crc, void *ctx), void *ctx)
{
    for (uint32_t i = first_past(c, first_chunk * CHUNK); i < c->n; i++) {
        const struct wfs_correction *item = &c->items[i];
        uint64_t from = wfs_max_u64(first_chunk, first_chunk_of(item));
        uint64_t to = wfs_min_u64(end_chunk, end_chunk_of(item));
        if (first_chunk_of(item) >= end_chunk)
            break;
        for (uint64_t chunk = from; chunk < to; chunk++) {
            int r = fn(&c->crcs[item->first_segment + chunk - first_chunk_of(item)], ctx);
            if (r)
                return r;
        }
    }
    return 0;
}

static uint32_t combined(const struct wfs_corrections *c, const struct wfs_correction *item)
{
    uint32_t crc = 0;
    uint64_t first = first_chunk_of(item), last_end = item->off + item->len;
    for (uint64_t chunk = first; chunk < end_chunk_of(item); chunk++) {
        uint64_t from = wfs_max_u64(item->off, chunk * CHUNK);
        uint64_t to = wfs_min_u64(last_end, (chunk + 1) * CHUNK);
        crc = wfs_crc32_combine(crc, c->crcs[item->first_segment + chunk - first], to - from);
    }
    return crc;
}

int wfs_corrections_write(const struct wfs_corrections *c, int fd, const char *path,
                          struct wfs_error *err)
{
    for (uint32_t i = 0; i < c->n; i++) {
        uint8_t bytes[WFS_ZIP_CORRECTION_BYTES];
        wfs_store_u32le(bytes, combined(c, &c->items[i]));
        ssize_t n = pwrite(fd, bytes, sizeof(bytes), (off_t)c->items[i].at);
        if (n != (ssize_t)sizeof(bytes))
            return wfs_error_set(err, n < 0 ? errno : EIO, "%s: byte %llu: %m", path,
                                 (unsigned long long)c->items[i].at);
    }
    return 0;
}
