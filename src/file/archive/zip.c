/*
 * zip.c - a ZIP archive of stored members whose directory is known before their bytes are.
 *
 *   local header + name + [zip64 sizes] + 'FB' padding | data, at a multiple of 64 | correction
 *   zeros | local header ... | zeros | central directory | [zip64 end] | end
 *
 * A tensor's member ends with four bytes that bring its CRC to a constant (see crc.h): strict
 * readers (unzip -t, zipfile, numpy) find a right CRC, and nothing needs a tensor's bytes before
 * those four are read. So whoever lists the archive must not touch them: no page holds a correction
 * and another member's header or data, or the directory's page before; and since a mapped fault
 * reads half a readahead window (2 MiB at read_ahead_kb 4096) backwards, a member over 1 MiB has
 * that much room after its correction. What lies between is zeros that no directory entry names. A
 * file that is written out has corrections like any bytes, and none of those zeros (is_dense).
 * Who reads a member whole has its CRC taken on the way (wfs_crc_seen).
 *
 * zip64 appears where a size, an offset or a count needs it. No data descriptors, no comments, and
 * one fixed date: the bytes are a function of the manifest.
 */
#include "file/archive/zip.h"

#include <string.h>

#include "file/crc.h"
#include "file/crc_seen.h"
#include "file/crc_vfile.h"

#define LOCAL_BYTES       30
#define LOCAL_SIG         UINT32_C(0x04034b50)
#define CENTRAL_SIG       UINT32_C(0x02014b50)
#define END_SIG           UINT32_C(0x06054b50)
#define END64_SIG         UINT32_C(0x06064b50)
#define END64_LOCATOR_SIG UINT32_C(0x07064b50)
#define VERSION_PLAIN     20
#define VERSION_ZIP64     45
/* Unix: elsewhere unzip takes names to be in a DOS code page, UTF-8 flag or not. */
#define MADE_BY_UNIX        0x0300
#define EXTERNAL_ATTRIBUTES (UINT32_C(0100644) << 16)
#define FLAG_UTF8           0x0800
#define DATE_1980           0x0021
#define LIMIT32             UINT32_C(0xffffffff)
#define LIMIT16             0xffff
#define DATA_ALIGN          64
#define PAGE_BYTES          4096
#define LARGE_MEMBER        (UINT64_C(1) << 20)
#define READAHEAD_BACK      (UINT64_C(2) << 20)

static void put16(struct wfs_buf *out, uint32_t v)
{
    uint8_t bytes[2];
    wfs_store_u16le(bytes, (uint16_t)v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

static void put32(struct wfs_buf *out, uint32_t v)
{
    uint8_t bytes[4];
    wfs_store_u32le(bytes, v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

static void put64(struct wfs_buf *out, uint64_t v)
{
    uint8_t bytes[8];
    wfs_store_u64le(bytes, v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

/* A 32-bit field whose true value may stand in the zip64 extra. */
static void put32_or_limit(struct wfs_buf *out, uint64_t v)
{
    put32(out, v >= LIMIT32 ? LIMIT32 : (uint32_t)v);
}

struct member {
    const char *name;
    size_t name_len;
    uint32_t crc;
    uint64_t size_bytes, header_off;
};

static uint32_t name_flags(const struct member *m)
{
    for (size_t i = 0; i < m->name_len; i++)
        if ((unsigned char)m->name[i] >= 0x80)
            return FLAG_UTF8;
    return 0;
}

/* ---- local headers ------------------------------------------------------------------------- */

/* Version to date: the fields that both headers share, in the same order. */
static void put_common(struct wfs_buf *out, const struct member *m, bool zip64, uint32_t extra_len)
{
    put16(out, zip64 ? VERSION_ZIP64 : VERSION_PLAIN);
    put16(out, name_flags(m));
    put16(out, 0); /* stored */
    put16(out, 0); /* midnight */
    put16(out, DATE_1980);
    put32(out, m->crc);
    put32_or_limit(out, m->size_bytes);
    put32_or_limit(out, m->size_bytes);
    put16(out, (uint32_t)m->name_len);
    put16(out, extra_len);
}

static void put_local(struct wfs_buf *out, const struct member *m)
{
    bool zip64 = m->size_bytes >= LIMIT32;
    uint32_t extra64 = zip64 ? 20 : 0;
    uint64_t unpadded = m->header_off + LOCAL_BYTES + m->name_len + extra64 + 4;
    uint32_t n_pad = (uint32_t)(wfs_round_up_u64(unpadded, DATA_ALIGN) - unpadded);
    put32(out, LOCAL_SIG);
    put_common(out, m, zip64, extra64 + 4 + n_pad);
    wfs_buf_add(out, m->name, m->name_len);
    if (zip64) {
        put16(out, 1);
        put16(out, 16);
        put64(out, m->size_bytes);
        put64(out, m->size_bytes);
    }
    wfs_buf_str(out, "FB"); /* torch's own padding field */
    put16(out, n_pad);
    for (uint32_t i = 0; i < n_pad; i++)
        wfs_buf_char(out, 'Z');
}

/* ---- the directory ------------------------------------------------------------------------- */

static void put_central(struct wfs_buf *out, const struct member *m)
{
    bool big_size = m->size_bytes >= LIMIT32, big_off = m->header_off >= LIMIT32;
    uint32_t extra = (big_size ? 16 : 0) + (big_off ? 8 : 0);
    put32(out, CENTRAL_SIG);
    put16(out, MADE_BY_UNIX | VERSION_ZIP64);
    put_common(out, m, big_size || big_off, extra ? extra + 4 : 0);
    put16(out, 0); /* comment */
    put16(out, 0); /* disk */
    put16(out, 0); /* internal attributes */
    put32(out, EXTERNAL_ATTRIBUTES);
    put32_or_limit(out, m->header_off);
    wfs_buf_add(out, m->name, m->name_len);
    if (!extra)
        return;
    put16(out, 1);
    put16(out, extra);
    if (big_size) {
        put64(out, m->size_bytes);
        put64(out, m->size_bytes);
    }
    if (big_off)
        put64(out, m->header_off);
}

static void put_end64(struct wfs_buf *out, uint64_t n, uint64_t off, uint64_t len)
{
    put32(out, END64_SIG);
    put64(out, 44); /* what follows this field */
    put16(out, VERSION_ZIP64);
    put16(out, VERSION_ZIP64);
    put32(out, 0);
    put32(out, 0);
    put64(out, n);
    put64(out, n);
    put64(out, len);
    put64(out, off);
    put32(out, END64_LOCATOR_SIG);
    put32(out, 0);
    put64(out, off + len);
    put32(out, 1);
}

static void put_end(struct wfs_buf *out, uint64_t n, uint64_t off, uint64_t len)
{
    if (n >= LIMIT16 || off >= LIMIT32 || len >= LIMIT32)
        put_end64(out, n, off, len);
    uint32_t n16 = n >= LIMIT16 ? LIMIT16 : (uint32_t)n;
    put32(out, END_SIG);
    put16(out, 0);
    put16(out, 0);
    put16(out, n16);
    put16(out, n16);
    put32_or_limit(out, len);
    put32_or_limit(out, off);
    put16(out, 0);
}

/* ---- members ------------------------------------------------------------------------------- */

/* Adds a member's header, here and in the directory. Zeros before it keep it off the pages that the
 * correction of the member before must have for itself. */
static void begin_member(struct wfs_zip *zip, struct member *m)
{
    struct wfs_buf local wfs_cleanup(wfs_buf_free) = {0};
    if (zip->b.size_bytes < zip->clear_off)
        wfs_vfile_add_zeros(&zip->b, zip->clear_off - zip->b.size_bytes);
    m->header_off = zip->b.size_bytes;
    put_local(&local, m);
    wfs_vfile_add_literal(&zip->b, local.data, local.len);
    put_central(&zip->directory, m);
    zip->n_members++;
    zip->b.failed |= !wfs_buf_ok(&local) || !wfs_buf_ok(&zip->directory);
}

void wfs_zip_add_literal(struct wfs_zip *zip, const char *name, size_t name_len, const void *data,
                         size_t len)
{
    struct member m = {.name = name, .name_len = name_len, .size_bytes = len};
    m.crc = wfs_crc32(0, data, len);
    begin_member(zip, &m);
    wfs_vfile_add_literal(&zip->b, data, len);
}

struct correction {
    uint64_t off, len;
};

static int compute_correction(const struct wfs_vfile *file, struct wfs_cache *cache,
                              const void *ctx, uint8_t *buf, struct wfs_error *err)
{
    const struct correction *c = ctx;
    uint32_t crc;
    int r = wfs_crc32_vfile(file, cache, c->off, c->len, &crc, err);
    if (r == 0)
        wfs_store_u32le(buf, crc);
    return r;
}

static void add_correction(struct wfs_zip *zip, uint64_t data_off)
{
    struct correction *c = wfs_arena_alloc(zip->b.arena, sizeof(*c));
    if (!c) {
        zip->b.failed = true;
        return;
    }
    c->off = data_off;
    c->len = zip->b.size_bytes - data_off;
    wfs_vfile_add_computed(&zip->b, WFS_ZIP_CORRECTION_BYTES, compute_correction, c);
    if (zip->b.failed || zip->b.overflow)
        return;
    if (zip->is_dense)
        return;
    zip->clear_off = wfs_round_up_u64(zip->b.size_bytes, PAGE_BYTES);
    if (zip->b.size_bytes - data_off > LARGE_MEMBER)
        zip->clear_off += READAHEAD_BACK;
}

/* What is served of the expression adds to the correction's CRC. */
static void add_data(struct wfs_zip *zip, const struct wfs_expr *expr)
{
    struct wfs_crc_seen *seen = wfs_arena_alloc(zip->b.arena, sizeof(*seen));
    if (!zip->crcs)
        zip->crcs = wfs_crc_table_new(zip->b.arena);
    if (!seen || !zip->crcs) {
        zip->b.failed = true;
        return;
    }
    seen->table = zip->crcs;
    wfs_vfile_add_expr_seen(&zip->b, expr, seen);
}

void wfs_zip_add_tensor(struct wfs_zip *zip, const char *name, size_t name_len, const void *head,
                        size_t head_len, const struct wfs_expr *expr, uint64_t n_zeros)
{
    struct member m = {.name = name, .name_len = name_len, .crc = WFS_CRC_RESIDUE};
    if (!wfs_add_u64(expr->size_bytes, n_zeros, &m.size_bytes) ||
        !wfs_add_u64(m.size_bytes, head_len + WFS_ZIP_CORRECTION_BYTES, &m.size_bytes)) {
        zip->b.overflow = true;
        return;
    }
    begin_member(zip, &m);
    uint64_t data_off = zip->b.size_bytes;
    wfs_vfile_add_literal(&zip->b, head, head_len);
    add_data(zip, expr);
    wfs_vfile_add_zeros(&zip->b, n_zeros);
    add_correction(zip, data_off);
}

bool wfs_zip_correction(const struct wfs_part *part, uint64_t *ret_off, uint64_t *ret_len)
{
    if (part->kind != WFS_PART_COMPUTED || part->u.computed.fn != compute_correction)
        return false;
    const struct correction *c = part->u.computed.ctx;
    *ret_off = c->off;
    *ret_len = c->len;
    return true;
}

int wfs_zip_finish(struct wfs_zip *zip, const struct wfs_vfile **ret, struct wfs_error *err)
{
    /* Readers that look for the end of the directory read the last 4 KiB, which may begin in the
     * page before it: one page more keeps the last correction out of their way. */
    if (zip->b.size_bytes < zip->clear_off)
        wfs_vfile_add_zeros(&zip->b, zip->clear_off + PAGE_BYTES - zip->b.size_bytes);
    struct wfs_buf *dir = &zip->directory;
    put_end(dir, zip->n_members, zip->b.size_bytes, dir->len);
    zip->b.failed |= !wfs_buf_ok(dir);
    wfs_vfile_add_literal(&zip->b, dir->data, dir->len);
    wfs_buf_free(dir);
    struct wfs_arena *arena = zip->b.arena;
    int r = wfs_vfile_finish(&zip->b, ret, err);
    *zip = (struct wfs_zip){.b.arena = arena};
    return r;
}
