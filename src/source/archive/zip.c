/*
 * zip.c - the ZIP central directory.
 *
 *     local header "PK\3\4" (30 bytes + name + extra), data, [descriptor]     per member
 *     directory entry "PK\1\2" (46 bytes + name + extra + comment)            per member
 *     [zip64 end "PK\6\6" (56 bytes + extension)] [its locator "PK\6\7" (20 bytes)]
 *     end "PK\5\6" (22 bytes + comment)
 *
 * Invariant: members have distinct names, and their bytes lie inside the archive, before the
 * directory, without touching each other; so no byte is shown as two things. The last end record
 * counts, as for every reader in use, and the directory must end where the end records begin:
 * readers that count offsets from the front and from the back then agree.
 *
 * Refused: several disks, encryption, duplicates, overlaps, names with NUL or invalid UTF-8,
 * compression other than deflate, sizes that deflate cannot reach (a bomb).
 */
#include "source/archive/zip.h"

#include <stdlib.h>
#include <string.h>

#define SIG_LOCAL         0x04034b50u
#define SIG_ENTRY         0x02014b50u
#define SIG_END           0x06054b50u
#define SIG_END64         0x06064b50u
#define SIG_END64_LOCATOR 0x07064b50u
#define LOCAL_BYTES       30u
#define ENTRY_BYTES       46u
#define END_BYTES         22u
#define END64_BYTES       56u
#define LOCATOR_BYTES     20u
#define LOCAL_NAME_BYTES  512u
#define EXTRA_ZIP64       0x0001u
#define FLAG_ENCRYPTED    0x0001u
#define FLAG_DESCRIPTOR   0x0008u
#define FLAG_STRONG       0x2040u /* strong encryption, masked directory */

#define ZIP_MAX_COMMENT         65535u
#define ZIP_MAX_DIRECTORY_BYTES (UINT64_C(256) << 20)
/* What deflate can reach at best, rounded up (258 bytes from 2 bits, and a block header). */
#define ZIP_MAX_RATIO 1040u

struct end_record {
    uint64_t off;                           /* where the end records begin: the directory's end */
    uint64_t n_members, dir_bytes, dir_off; /* dir_off absolute */
};

static int cut(const struct wfs_zip *zip, uint64_t at, const char *what, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "%s: ZIP %s at byte %llu", zip->bytes->name, what,
                         (unsigned long long)at);
}

/* ---- end records --------------------------------------------------------------------------- */

/* Finds the last end record of the archive and reads its 22 bytes into `rec`. */
static int find_end(const struct wfs_zip *zip, uint8_t rec[END_BYTES], uint64_t *ret_off,
                    struct wfs_error *err)
{
    if (zip->len < END_BYTES)
        return cut(zip, zip->off, "too short for a directory", err);
    /* Nearly every archive has no comment, so the record is its last 22 bytes: reading those alone
     * leaves the end of the last member untouched. */
    *ret_off = zip->off + zip->len - END_BYTES;
    int quick = wfs_bytes_read(zip->bytes, rec, END_BYTES, *ret_off, err);
    if (quick || (wfs_load_u32le(rec) == SIG_END && wfs_load_u16le(rec + 20) == 0))
        return quick;
    uint64_t want = wfs_min_u64(zip->len, END_BYTES + ZIP_MAX_COMMENT);
    uint64_t tail_off = zip->off + zip->len - want;
    wfs_cleanup(wfs_freep) uint8_t *tail = malloc(want);
    if (!tail)
        return wfs_error_nomem(err, "a ZIP end record");
    int r = wfs_bytes_read(zip->bytes, tail, want, tail_off, err);
    if (r)
        return r;
    for (uint64_t i = want - END_BYTES + 1; i-- > 0;) {
        if (wfs_load_u32le(tail + i) != SIG_END)
            continue;
        if (wfs_load_u16le(tail + i + 20) > want - END_BYTES - i)
            return cut(zip, tail_off + i, "end record with a comment that is cut off", err);
        memcpy(rec, tail + i, END_BYTES);
        *ret_off = tail_off + i;
        return 0;
    }
    return cut(zip, zip->off, "archive without an end record (cut off?): it begins", err);
}

/* Fills `end` from the zip64 end record that the locator before end_off names, if there is one. */
static int read_end64(const struct wfs_zip *zip, uint64_t end_off, struct end_record *end,
                      bool *ret_found, struct wfs_error *err)
{
    uint8_t loc[LOCATOR_BYTES], rec[END64_BYTES];
    *ret_found = false;
    if (end_off - zip->off < LOCATOR_BYTES + END64_BYTES)
        return 0;
    int r = wfs_bytes_read(zip->bytes, loc, sizeof(loc), end_off - LOCATOR_BYTES, err);
    if (r)
        return r;
    if (wfs_load_u32le(loc) != SIG_END64_LOCATOR)
        return 0;
    uint64_t rel = wfs_load_u64le(loc + 8), room = end_off - LOCATOR_BYTES - zip->off;
    if (rel > room || room - rel < END64_BYTES)
        return cut(zip, end_off - LOCATOR_BYTES, "locator that points outside", err);
    r = wfs_bytes_read(zip->bytes, rec, sizeof(rec), zip->off + rel, err);
    if (r)
        return r;
    if (wfs_load_u32le(rec) != SIG_END64 || wfs_load_u64le(rec + 4) != room - rel - 12)
        return cut(zip, zip->off + rel, "zip64 end record that is damaged", err);
    if (wfs_load_u32le(loc + 4) || wfs_load_u32le(loc + 16) > 1 || wfs_load_u32le(rec + 16) ||
        wfs_load_u32le(rec + 20) || wfs_load_u64le(rec + 24) != wfs_load_u64le(rec + 32))
        return cut(zip, zip->off + rel, "archive of several disks", err);
    end->off = zip->off + rel;
    end->n_members = wfs_load_u64le(rec + 32);
    end->dir_bytes = wfs_load_u64le(rec + 40);
    end->dir_off = wfs_load_u64le(rec + 48);
    *ret_found = true;
    return 0;
}

/* A 32- or 16-bit field either says that the 64-bit one counts (all ones) or must equal it. */
static bool field_agrees(uint64_t small, uint64_t all_ones, uint64_t big)
{
    return small == all_ones || small == big;
}

static int read_end(const struct wfs_zip *zip, struct end_record *ret, struct wfs_error *err)
{
    uint8_t rec[END_BYTES] = {0};
    uint64_t off = 0;
    bool is_64 = false;
    int r = find_end(zip, rec, &off, err);
    if (r)
        return r;
    struct end_record end = {.off = off,
                             .n_members = wfs_load_u16le(rec + 10),
                             .dir_bytes = wfs_load_u32le(rec + 12),
                             .dir_off = wfs_load_u32le(rec + 16)};
    struct end_record small = end;
    r = read_end64(zip, off, &end, &is_64, err);
    if (r)
        return r;
    if (is_64 && (!field_agrees(small.n_members, UINT16_MAX, end.n_members) ||
                  !field_agrees(small.dir_bytes, UINT32_MAX, end.dir_bytes) ||
                  !field_agrees(small.dir_off, UINT32_MAX, end.dir_off)))
        return cut(zip, off, "end records that contradict each other", err);
    if (wfs_load_u16le(rec + 4) != wfs_load_u16le(rec + 6) || wfs_load_u16le(rec + 4) % UINT16_MAX)
        return cut(zip, off, "archive of several disks", err);
    if (end.dir_off > end.off - zip->off || end.off - zip->off - end.dir_off != end.dir_bytes)
        return cut(zip, off, "directory that does not end where its end record begins:", err);
    if (end.dir_bytes > ZIP_MAX_DIRECTORY_BYTES || end.n_members > end.dir_bytes / ENTRY_BYTES)
        return cut(zip, off, "directory too large or too small for its entries:", err);
    end.dir_off += zip->off;
    *ret = end;
    return 0;
}

/* ---- the directory ------------------------------------------------------------------------- */

/* Takes the 64-bit values out of an entry's zip64 extra field where the 32-bit ones are all ones.
 */
static int widen(const struct wfs_zip *zip, const uint8_t *extra, size_t len, uint64_t at,
                 struct wfs_zip_member *m, struct wfs_error *err)
{
    uint64_t *fields[] = {&m->size_bytes, &m->stored_bytes, &m->header_off};
    bool missing =
        m->size_bytes == UINT32_MAX || m->stored_bytes == UINT32_MAX || m->header_off == UINT32_MAX;
    for (size_t i = 0; missing && len - i >= 4;) {
        size_t n = wfs_load_u16le(extra + i + 2);
        if (n > len - i - 4)
            break;
        if (wfs_load_u16le(extra + i) != EXTRA_ZIP64) {
            i += 4 + n;
            continue;
        }
        const uint8_t *p = extra + i + 4;
        for (size_t f = 0; f < WFS_ARRAY_SIZE(fields); f++) {
            if (*fields[f] != UINT32_MAX)
                continue;
            if (n < 8)
                return cut(zip, at, "entry with a short zip64 field", err);
            *fields[f] = wfs_load_u64le(p);
            p += 8;
            n -= 8;
        }
        return 0;
    }
    return 0;
}

static int check_entry(const struct wfs_zip *zip, const struct wfs_zip_member *m, uint64_t at,
                       const struct end_record *end, struct wfs_error *err)
{
    if (m->flags & (FLAG_ENCRYPTED | FLAG_STRONG))
        return wfs_error_set(err, EINVAL, "%s: ZIP member '%s' is encrypted", zip->bytes->name,
                             m->name);
    if (m->method != WFS_ZIP_STORED && m->method != WFS_ZIP_DEFLATED)
        return wfs_error_set(err, EINVAL,
                             "%s: ZIP member '%s' is compressed by method %u (stored and deflated "
                             "are read)",
                             zip->bytes->name, m->name, m->method);
    if (m->method == WFS_ZIP_STORED && m->size_bytes != m->stored_bytes)
        return wfs_error_set(err, EINVAL, "%s: ZIP member '%s' is stored with two sizes",
                             zip->bytes->name, m->name);
    uint64_t reach = 0;
    if (m->method == WFS_ZIP_DEFLATED &&
        (!wfs_mul_u64(m->stored_bytes, ZIP_MAX_RATIO, &reach) || m->size_bytes > reach))
        return wfs_error_set(err, EINVAL,
                             "%s: ZIP member '%s' claims %llu bytes out of %llu deflated ones",
                             zip->bytes->name, m->name, (unsigned long long)m->size_bytes,
                             (unsigned long long)m->stored_bytes);
    uint64_t room = end->dir_off - zip->off;
    if (m->header_off > room || room - m->header_off < LOCAL_BYTES ||
        m->stored_bytes > room - m->header_off - LOCAL_BYTES)
        return cut(zip, at, "entry whose member is not inside the archive", err);
    return 0;
}

/* One entry: fixed part, name, extra, comment. */
static int read_entry(struct wfs_zip *zip, struct wfs_cursor *cur, const struct end_record *end,
                      struct wfs_zip_member *m, struct wfs_error *err)
{
    uint8_t fixed[ENTRY_BYTES];
    uint64_t at = cur->pos;
    int r = wfs_cursor_take(cur, fixed, sizeof(fixed), err);
    if (r)
        return r;
    if (wfs_load_u32le(fixed) != SIG_ENTRY)
        return cut(zip, at, "directory with a wrong signature", err);
    size_t n_name = wfs_load_u16le(fixed + 28), n_extra = wfs_load_u16le(fixed + 30);
    size_t n_comment = wfs_load_u16le(fixed + 32);
    uint16_t disk = wfs_load_u16le(fixed + 34);
    if (disk != 0 && disk != UINT16_MAX)
        return cut(zip, at, "archive of several disks", err);
    wfs_cleanup(wfs_freep) uint8_t *extra = malloc(n_extra + 1);
    char *name = wfs_arena_alloc(zip->arena, n_name + 1);
    if (!extra || !name)
        return wfs_error_nomem(err, "a ZIP directory");
    if ((r = wfs_cursor_take(cur, name, n_name, err)) ||
        (r = wfs_cursor_take(cur, extra, n_extra, err)) ||
        (r = wfs_cursor_skip(cur, n_comment, err)))
        return r;
    if (memchr(name, 0, n_name) || !wfs_utf8_valid(name, n_name))
        return cut(zip, at, "member name that is not text", err);
    *m = (struct wfs_zip_member){.name = name,
                                 .flags = wfs_load_u16le(fixed + 8),
                                 .method = wfs_load_u16le(fixed + 10),
                                 .crc32 = wfs_load_u32le(fixed + 16),
                                 .stored_bytes = wfs_load_u32le(fixed + 20),
                                 .size_bytes = wfs_load_u32le(fixed + 24),
                                 .header_off = wfs_load_u32le(fixed + 42)};
    if ((r = widen(zip, extra, n_extra, at, m, err)) || (r = check_entry(zip, m, at, end, err)))
        return r;
    m->header_off += zip->off;
    return 0;
}

static int read_directory(struct wfs_zip *zip, const struct end_record *end, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) struct wfs_cursor *cur = malloc(sizeof(*cur));
    zip->n_members = (uint32_t)end->n_members;
    zip->members =
        wfs_arena_array(zip->arena, zip->n_members ? zip->n_members : 1, sizeof(*zip->members));
    if (!cur || !zip->members)
        return wfs_error_nomem(err, "a ZIP directory");
    int r = wfs_cursor_init(cur, zip->bytes, end->dir_off, end->dir_bytes, err);
    for (uint32_t i = 0; !r && i < zip->n_members; i++)
        r = read_entry(zip, cur, end, &zip->members[i], err);
    if (!r && wfs_cursor_left(cur))
        r = cut(zip, cur->pos, "directory with bytes after its last entry", err);
    return r;
}

/* ---- names and extents --------------------------------------------------------------------- */

static void free_map(void *map)
{
    wfs_strmap_free(map);
}

static int index_names(struct wfs_zip *zip, struct wfs_error *err)
{
    for (uint32_t i = 0; i < zip->n_members; i++) {
        int r = wfs_strmap_add(&zip->by_name, zip->members[i].name, i);
        if (r == -EEXIST)
            return wfs_error_set(err, EINVAL, "%s: ZIP has two members called '%s'",
                                 zip->bytes->name, zip->members[i].name);
        if (r)
            return wfs_error_nomem(err, "a ZIP directory");
    }
    return 0;
}

static void lower_ascii(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
}

/* Marks members whose names differ in case only: a reader that ignores case would take one for the
 * other. */
static int mark_case_twins(struct wfs_zip *zip, struct wfs_error *err)
{
    struct wfs_strmap lower = {0};
    int r = 0;
    for (uint32_t i = 0; !r && i < zip->n_members; i++) {
        uint64_t first;
        char *name = wfs_arena_strdup(zip->arena, zip->members[i].name);
        if (!name) {
            r = -ENOMEM;
            break;
        }
        lower_ascii(name);
        r = wfs_strmap_add(&lower, name, i);
        if (r == -EEXIST && wfs_strmap_get(&lower, name, &first)) {
            zip->members[i].has_case_twin = zip->members[first].has_case_twin = true;
            r = 0;
        }
    }
    wfs_strmap_free(&lower);
    return r ? wfs_error_nomem(err, "a ZIP directory") : 0;
}

static int by_header_off(const void *a, const void *b)
{
    const struct wfs_zip_member *x = *(struct wfs_zip_member *const *)a;
    const struct wfs_zip_member *y = *(struct wfs_zip_member *const *)b;
    return (x->header_off > y->header_off) - (x->header_off < y->header_off);
}

/* Sets limit_off. Data offsets need local headers, so the exact check is in wfs_zip_data. */
static int order_extents(struct wfs_zip *zip, uint64_t dir_off, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) struct wfs_zip_member **order =
        calloc(zip->n_members ? zip->n_members : 1, sizeof(struct wfs_zip_member *));
    if (!order)
        return wfs_error_nomem(err, "a ZIP directory");
    for (uint32_t i = 0; i < zip->n_members; i++)
        order[i] = &zip->members[i];
    qsort(order, zip->n_members, sizeof(order[0]), by_header_off);
    for (uint32_t i = 0; i < zip->n_members; i++) {
        struct wfs_zip_member *m = order[i];
        m->limit_off = i + 1 < zip->n_members ? order[i + 1]->header_off : dir_off;
        if (m->limit_off - m->header_off < LOCAL_BYTES + m->stored_bytes)
            return wfs_error_set(err, EINVAL, "%s: ZIP member '%s' at byte %llu overlaps the next",
                                 zip->bytes->name, m->name, (unsigned long long)m->header_off);
    }
    return 0;
}

int wfs_zip_open(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                 struct wfs_zip **ret, struct wfs_error *err)
{
    struct wfs_zip *zip = wfs_arena_alloc(arena, sizeof(*zip));
    struct end_record end = {0};
    if (!zip)
        return wfs_error_nomem(err, "a ZIP directory");
    zip->arena = arena;
    zip->bytes = bytes;
    zip->off = off;
    zip->len = len;
    if (off > bytes->size_bytes || len > bytes->size_bytes - off)
        return cut(zip, off, "archive that is not inside its file", err);
    if (wfs_arena_on_free(arena, free_map, &zip->by_name))
        return wfs_error_nomem(err, "a ZIP directory");
    int r = read_end(zip, &end, err);
    if (!r)
        r = read_directory(zip, &end, err);
    if (!r)
        r = index_names(zip, err);
    if (!r)
        r = mark_case_twins(zip, err);
    if (!r)
        r = order_extents(zip, end.dir_off, err);
    if (!r)
        *ret = zip;
    return r;
}

struct wfs_zip_member *wfs_zip_find(const struct wfs_zip *zip, const char *name)
{
    uint64_t i;
    return wfs_strmap_get(&zip->by_name, name, &i) ? &zip->members[i] : NULL;
}

/* ---- data ---------------------------------------------------------------------------------- */

/* Whether the local header contradicts the directory. A descriptor or zip64 leaves sizes open; of
 * a name the first LOCAL_NAME_BYTES are compared. */
static bool local_differs(const struct wfs_zip_member *m, const uint8_t *local, const char *name,
                          size_t n_name)
{
    uint16_t flags = wfs_load_u16le(local + 6);
    uint32_t crc = wfs_load_u32le(local + 14);
    uint32_t stored = wfs_load_u32le(local + 18), size = wfs_load_u32le(local + 22);
    bool open = flags & FLAG_DESCRIPTOR;
    if (n_name != strlen(m->name) ||
        memcmp(name, m->name, n_name < LOCAL_NAME_BYTES ? n_name : LOCAL_NAME_BYTES) != 0)
        return true;
    if (flags != m->flags || wfs_load_u16le(local + 8) != m->method)
        return true;
    if (crc != m->crc32 && !(open && crc == 0))
        return true;
    if (stored != UINT32_MAX && stored != m->stored_bytes && !(open && stored == 0))
        return true;
    return size != UINT32_MAX && size != m->size_bytes && !(open && size == 0);
}

/* Reads the local header, checks the member's exact extent. */
static int locate(struct wfs_zip *zip, struct wfs_zip_member *m, uint64_t *ret_off,
                  struct wfs_error *err)
{
    uint8_t local[LOCAL_BYTES + LOCAL_NAME_BYTES];
    size_t n_read = LOCAL_BYTES + (size_t)wfs_min_u64(strlen(m->name), LOCAL_NAME_BYTES);
    int r = wfs_bytes_read(zip->bytes, local, n_read, m->header_off, err);
    if (r)
        return r;
    if (wfs_load_u32le(local) != SIG_LOCAL)
        return wfs_error_set(err, EINVAL, "%s: ZIP member '%s' has no local header at byte %llu",
                             zip->bytes->name, m->name, (unsigned long long)m->header_off);
    uint64_t n_name = wfs_load_u16le(local + 26), n_extra = wfs_load_u16le(local + 28);
    uint64_t before = LOCAL_BYTES + n_name + n_extra, room = m->limit_off - m->header_off;
    if (before > room || m->stored_bytes > room - before)
        return wfs_error_set(err, EINVAL, "%s: ZIP member '%s' at byte %llu overlaps the next",
                             zip->bytes->name, m->name, (unsigned long long)m->header_off);
    m->local_differs = local_differs(m, local, (char *)local + LOCAL_BYTES, n_name);
    *ret_off = m->header_off + before;
    return 0;
}

int wfs_zip_local_name(struct wfs_zip *zip, const struct wfs_zip_member *member, const char **ret,
                       struct wfs_error *err)
{
    uint8_t local[LOCAL_BYTES];
    char name[LOCAL_NAME_BYTES];
    int r = wfs_bytes_read(zip->bytes, local, sizeof(local), member->header_off, err);
    size_t n = r ? 0 : wfs_load_u16le(local + 26);
    *ret = "?";
    if (r || n == 0 || n > sizeof(name))
        return r;
    r = wfs_bytes_read(zip->bytes, name, n, member->header_off + LOCAL_BYTES, err);
    if (r || memchr(name, 0, n) || !wfs_utf8_valid(name, n))
        return r;
    *ret = wfs_arena_strndup(zip->arena, name, n);
    return *ret ? 0 : wfs_error_nomem(err, "a member's name");
}

int wfs_zip_data(struct wfs_zip *zip, struct wfs_zip_member *member, struct wfs_bytes **ret_bytes,
                 uint64_t *ret_off, struct wfs_error *err)
{
    uint64_t off = 0;
    int r = locate(zip, member, &off, err);
    if (r)
        return r;
    if (member->method == WFS_ZIP_STORED) {
        *ret_bytes = zip->bytes;
        *ret_off = off;
        return 0;
    }
    struct wfs_bytes *inflated = NULL;
    r = wfs_bytes_inflate(zip->bytes, off, member->stored_bytes, member->size_bytes,
                          zip->checks_crc ? &member->crc32 : NULL, member->name, &inflated, err);
    if (r)
        return r;
    if (wfs_arena_on_free(zip->arena, wfs_bytes_unref_void, inflated))
        return wfs_error_nomem(err, "a ZIP member");
    *ret_bytes = inflated;
    *ret_off = 0;
    return 0;
}

int wfs_zip_slurp(struct wfs_zip *zip, struct wfs_zip_member *member, size_t max_bytes,
                  char **ret_data, size_t *ret_len, struct wfs_error *err)
{
    struct wfs_bytes *bytes = NULL;
    uint64_t off = 0;
    if (member->size_bytes > max_bytes)
        return wfs_error_set(err, EFBIG, "%s: ZIP member '%s' of %llu bytes is too large",
                             zip->bytes->name, member->name,
                             (unsigned long long)member->size_bytes);
    int r = wfs_zip_data(zip, member, &bytes, &off, err);
    if (r)
        return r;
    size_t len = (size_t)member->size_bytes;
    char *data = wfs_arena_alloc(zip->arena, len + 1);
    if (!data)
        return wfs_error_nomem(err, "a ZIP member");
    r = wfs_bytes_read(bytes, data, len, off, err);
    if (r)
        return r;
    *ret_data = data;
    *ret_len = len;
    return 0;
}
