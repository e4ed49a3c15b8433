/*
 * verify.c - decoding every block of an index and comparing its checksum.
 *
 * Blocks are walked by id, one short read each, so a mount can write meanwhile; bad ones are
 * removed after the walk. Where SQLite itself finds the file malformed there is nothing to repair:
 * a repair unlinks it.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/index/codec.h"
#include "cache/index/db.h"
#include "cache/index/claims.h"
#include "cache/index/files.h"
#include "cache/index/store.h"
#include "cache/admin/connect.h"
#include "cache/cache.h"

#define BLOCK_MAX ((uint64_t)WFS_DB_CHUNKS_A_BLOCK * WFS_CODEC_CHUNK_BYTES)

struct walk {
    sqlite3 *db;
    sqlite3_stmt *blocks, *chunks;
    struct wfs_decoder *decoder;
    uint8_t *raw;
    size_t raw_cap;
    uint64_t n_blocks, n_bad;
    int64_t *bad_ids;
    size_t bad_cap;
};

static void walk_close(struct walk *walk)
{
    sqlite3_finalize(walk->blocks);
    sqlite3_finalize(walk->chunks);
    sqlite3_close(walk->db);
    wfs_decoder_free(walk->decoder);
    free(walk->raw);
    free(walk->bad_ids);
}

/* Decodes all chunks of the block into walk->raw. Returns SQLITE_DONE with *ret_ok saying whether
 * they are whole, or SQLite's failure. */
static int decode_block(struct walk *walk, int64_t id, uint32_t elem_bytes, uint64_t raw_bytes,
                        bool *ret_ok)
{
    uint64_t at = 0;
    bool ok = true;
    int r;
    sqlite3_bind_int64(walk->chunks, 1, id * WFS_DB_CHUNKS_A_BLOCK);
    sqlite3_bind_int64(walk->chunks, 2, (id + 1) * WFS_DB_CHUNKS_A_BLOCK);
    while ((r = sqlite3_step(walk->chunks)) == SQLITE_ROW) {
        size_t n = (size_t)wfs_min_u64(raw_bytes - at, WFS_CODEC_CHUNK_BYTES);
        const uint8_t *data = sqlite3_column_blob(walk->chunks, 0);
        size_t len = (size_t)sqlite3_column_bytes(walk->chunks, 0);
        ok =
            ok && data && wfs_decode_chunk(walk->decoder, elem_bytes, data, len, walk->raw + at, n);
        at += ok ? n : 0;
    }
    sqlite3_reset(walk->chunks);
    *ret_ok = ok && at == raw_bytes;
    return r;
}

static bool checksum_holds(const struct walk *walk, uint64_t raw_bytes)
{
    const void *hash = sqlite3_column_blob(walk->blocks, 1);
    const void *checksum = sqlite3_column_blob(walk->blocks, 5);
    struct wfs_block_key key = {.number = (uint64_t)sqlite3_column_int64(walk->blocks, 2)};
    if (!hash || sqlite3_column_bytes(walk->blocks, 1) != (int)sizeof key.hash.bytes || !checksum ||
        sqlite3_column_bytes(walk->blocks, 5) != (int)sizeof key.hash.bytes)
        return false;
    memcpy(key.hash.bytes, hash, sizeof key.hash.bytes);
    struct wfs_hash have = wfs_block_checksum(&key, walk->raw, raw_bytes);
    return memcmp(have.bytes, checksum, sizeof have.bytes) == 0;
}

static int check_block(struct walk *walk, bool *ret_ok)
{
    int64_t id = sqlite3_column_int64(walk->blocks, 0);
    uint32_t elem_bytes = (uint32_t)sqlite3_column_int64(walk->blocks, 3);
    int64_t raw_bytes = sqlite3_column_int64(walk->blocks, 4);
    *ret_ok = false;
    if (raw_bytes <= 0 || (uint64_t)raw_bytes > BLOCK_MAX)
        return SQLITE_DONE;
    if (wfs_grow(&walk->raw, &walk->raw_cap, (size_t)raw_bytes, 1) < 0)
        return SQLITE_NOMEM;
    int r = decode_block(walk, id, elem_bytes, (uint64_t)raw_bytes, ret_ok);
    *ret_ok = *ret_ok && checksum_holds(walk, (uint64_t)raw_bytes);
    return r;
}

/* Reads the row of the next block after `id`; SQLITE_ROW where there is one. */
static int walk_step(struct walk *walk, int64_t *id)
{
    bool ok = false;
    sqlite3_bind_int64(walk->blocks, 1, *id);
    int r = sqlite3_step(walk->blocks);
    if (r == SQLITE_ROW) {
        *id = sqlite3_column_int64(walk->blocks, 0);
        int check = check_block(walk, &ok);
        r = check == SQLITE_DONE ? SQLITE_ROW : check;
    }
    sqlite3_reset(walk->blocks);
    if (r != SQLITE_ROW)
        return r;
    walk->n_blocks++;
    if (ok)
        return r;
    if (wfs_grow(&walk->bad_ids, &walk->bad_cap, walk->n_bad + 1, sizeof *walk->bad_ids) < 0)
        return SQLITE_NOMEM;
    walk->bad_ids[walk->n_bad++] = *id;
    return r;
}

static int walk_all(struct walk *walk)
{
    int r = wfs_db_prepare(walk->db,
                           "SELECT id, key, number, elem_bytes, raw_bytes, checksum FROM blocks"
                           " WHERE id > ?1 ORDER BY id LIMIT 1",
                           &walk->blocks);
    if (r == SQLITE_OK)
        r = wfs_db_prepare(walk->db,
                           "SELECT data FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id",
                           &walk->chunks);
    walk->decoder = r == SQLITE_OK ? wfs_decoder_new() : NULL;
    if (r == SQLITE_OK && !walk->decoder)
        r = SQLITE_NOMEM;
    int64_t id = 0;
    if (r == SQLITE_OK)
        do
            r = walk_step(walk, &id);
        while (r == SQLITE_ROW);
    return r;
}

static int remove_blocks(const char *path, const int64_t *ids, uint64_t n, struct wfs_error *err)
{
    struct wfs_store *store = NULL;
    int r = wfs_store_open(path, 0, &store);
    if (r == SQLITE_OK)
        r = wfs_store_begin_waiting(store);
    for (uint64_t i = 0; i < n && r == SQLITE_OK; i++)
        r = wfs_store_delete_block(store, ids[i]);
    if (r == SQLITE_OK)
        r = wfs_store_commit(store);
    if (r != SQLITE_OK && store)
        wfs_store_rollback(store);
    wfs_store_close(store);
    if (r == SQLITE_OK)
        return 0;
    return wfs_error_set(err, wfs_db_is_busy(r) ? EBUSY : EIO,
                         "%s: cannot remove the damaged blocks: %s", path, sqlite3_errstr(r));
}

/* The file itself is malformed. */
static int verify_damaged(const char *path, bool repair, int sqlite_rc, struct wfs_error *err)
{
    if (!repair)
        return wfs_error_set(err, EIO, "%s is damaged: %s", path, sqlite3_errstr(sqlite_rc));
    if (wfs_index_is_in_use(path))
        return wfs_error_set(err, EBUSY, "%s is damaged, and in use by a mount", path);
    return wfs_index_unlink(path, NULL, err);
}

int wfs_index_verify(const char *path, bool repair, uint64_t *ret_n_blocks, uint64_t *ret_n_bad,
                     struct wfs_error *err)
{
    struct walk walk = {0};
    wfs_cleanup(wfs_freep) char *real = NULL;
    int r = wfs_index_connect(path, &real, &walk.db, err);
    if (r < 0)
        return r;
    int sqlite_rc = walk_all(&walk);
    uint64_t n_blocks = walk.n_blocks, n_bad = walk.n_bad;
    int64_t *bad_ids = wfs_steal(&walk.bad_ids);
    walk_close(&walk);
    if (wfs_db_is_damage(sqlite_rc)) {
        n_bad++;
        r = verify_damaged(real, repair, sqlite_rc, err);
    } else if (sqlite_rc != SQLITE_DONE) {
        r = wfs_error_set(err, wfs_db_is_busy(sqlite_rc) ? EBUSY : EIO, "%s: %s", path,
                          sqlite3_errstr(sqlite_rc));
    } else if (repair && n_bad > 0) {
        r = remove_blocks(real, bad_ids, n_bad, err);
    }
    free(bad_ids);
    if (r < 0)
        return r;
    *ret_n_blocks = n_blocks;
    *ret_n_bad = n_bad;
    return 0;
}
