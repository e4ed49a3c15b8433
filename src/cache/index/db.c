/*
 * db.c - opening connections and making the schema.
 *
 * mmap_size is 0: a database truncated under a mapping kills the process. secure_delete is off
 * (Debian builds it on): evicting would overwrite gigabytes with zeros. The file shrinks by
 * incremental vacuum, which VACUUM's second copy of a cache of 10 GiB rules out.
 */
#include "cache/index/db.h"

#include <time.h>

#define BUSY_RETRY_MS 5u

/* Pages of 16 KiB. Measured for bf16 in 512 KiB chunks, bytes per second of processor time, reading
 * and writing: 4 KiB 1.1 and .23 GB/s, 8 KiB 1.25 and .32, 16 KiB 1.37 and .37, 64 KiB 1.45 and
 * .41; the tables beside the blocks and the log want them small. */
static const char create_sql[] =
    "CREATE TABLE identity(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE files(path TEXT PRIMARY KEY, dev INTEGER, ino INTEGER, size_bytes INTEGER,"
    " mtime_ns INTEGER, ctime_ns INTEGER) WITHOUT ROWID;"
    "CREATE TABLE views(name TEXT PRIMARY KEY, n_tensors INTEGER, size_bytes INTEGER, digest BLOB,"
    " written_at INTEGER) WITHOUT ROWID;"
    "CREATE TABLE tensors(view TEXT, name TEXT, dtype TEXT, shape TEXT, n_elems INTEGER,"
    " size_bytes INTEGER, sources TEXT, operations TEXT, hash BLOB, PRIMARY KEY(view, name))"
    " WITHOUT ROWID;"
    "CREATE TABLE facts(kind TEXT, hash BLOB, value BLOB, checksum BLOB, used_at INTEGER,"
    " PRIMARY KEY(kind, hash)) WITHOUT ROWID;"
    "CREATE TABLE blocks(id INTEGER PRIMARY KEY, key BLOB NOT NULL, number INTEGER NOT NULL,"
    " elem_bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,"
    " checksum BLOB NOT NULL, used_at INTEGER NOT NULL, UNIQUE(key, number));"
    "CREATE INDEX blocks_used_at ON blocks(used_at);"
    "CREATE TABLE chunks(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE VIEW statistics AS SELECT view, name, json_extract(j, '$.l2') AS l2,"
    " json_extract(j, '$.mean') AS mean, json_extract(j, '$.std') AS std,"
    " json_extract(j, '$.min') AS min, json_extract(j, '$.max') AS max,"
    " json_extract(j, '$.zeros') AS zeros, json_extract(j, '$.nan') AS nan,"
    " json_extract(j, '$.inf') AS inf FROM (SELECT t.view, t.name, CAST(f.value AS TEXT) AS j"
    " FROM tensors AS t JOIN facts AS f ON f.hash = t.hash AND f.kind = 'statistics');"
    "INSERT INTO identity VALUES('created_at', CAST(strftime('%s') AS INTEGER));";

void wfs_sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
              NULL);
}

bool wfs_db_is_busy(int sqlite_rc)
{
    int primary = sqlite_rc & 0xff;
    return primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
}

bool wfs_db_is_damage(int sqlite_rc)
{
    int primary = sqlite_rc & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ||
           primary == SQLITE_ERROR /* a table or column is not there */ ||
           sqlite_rc == SQLITE_IOERR_SHORT_READ;
}

bool wfs_db_wait(int sqlite_rc, unsigned *waited_ms)
{
    if (!wfs_db_is_busy(sqlite_rc) || *waited_ms >= WFS_DB_WAIT_MS)
        return false;
    wfs_sleep_ms(BUSY_RETRY_MS);
    *waited_ms += BUSY_RETRY_MS;
    return true;
}

static int set_up(sqlite3 *db, enum wfs_db_access access)
{
    sqlite3_busy_timeout(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int r = wfs_db_exec(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=1;"
                            "PRAGMA temp_store=MEMORY;");
    if (r != SQLITE_OK)
        return r;
    if (access == WFS_DB_WRITER)
        return wfs_db_exec(db, "PRAGMA cache_size=-4096; PRAGMA secure_delete=0;"
                               "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=67108864;");
    return wfs_db_exec(db, "PRAGMA cache_size=-256; PRAGMA query_only=1;");
}

int wfs_db_connect(const char *path, enum wfs_db_access access, sqlite3 **ret)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE;
    flags |= access == WFS_DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int r = sqlite3_open_v2(path, &db, flags, NULL);
    if (r == SQLITE_OK) {
        sqlite3_extended_result_codes(db, 1);
        r = set_up(db, access);
    }
    if (r != SQLITE_OK) {
        sqlite3_close(db);
        return r;
    }
    *ret = db;
    return SQLITE_OK;
}

int wfs_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
}

int wfs_db_exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int wfs_db_get_i64(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int r = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return r;
}

static enum wfs_db_kind kind_of_failure(int r)
{
    if (wfs_db_is_busy(r))
        return WFS_DB_LOCKED;
    return wfs_db_is_damage(r) ? WFS_DB_DAMAGED : WFS_DB_UNREADABLE;
}

/* Touches every table, so that a file whose schema or first pages are gone shows it now. */
static int probe_tables(sqlite3 *db)
{
    static const char *const queries[] = {
        "SELECT count(*) FROM identity",
        "SELECT count(*) FROM files",
        "SELECT count(*) FROM views",
        "SELECT count(*) FROM (SELECT 1 FROM tensors LIMIT 1)",
        "SELECT count(*) FROM (SELECT 1 FROM facts LIMIT 1)",
        ("SELECT count(*) FROM (SELECT key, number, elem_bytes, raw_bytes, stored_bytes, checksum,"
         " used_at FROM blocks ORDER BY id DESC LIMIT 1)"),
        "SELECT count(*) FROM (SELECT key FROM blocks ORDER BY used_at LIMIT 1)",
        "SELECT count(*) FROM (SELECT length(data) FROM chunks ORDER BY id DESC LIMIT 1)"};
    int64_t n;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(queries); i++) {
        int r = wfs_db_get_i64(db, queries[i], &n);
        if (r != SQLITE_ROW)
            return r;
    }
    return SQLITE_ROW;
}

/* Reads what says whose the file is: how many tables, the application and the version. One
 * transaction, since another mount may be making the tables at the same time. */
static int read_stamps(sqlite3 *db, int64_t *n_tables, int64_t *app_id, int64_t *version)
{
    int r = wfs_db_exec(db, "BEGIN");
    if (r != SQLITE_OK)
        return r;
    r = wfs_db_get_i64(db, "SELECT count(*) FROM sqlite_schema", n_tables);
    if (r == SQLITE_ROW)
        r = wfs_db_get_i64(db, "PRAGMA application_id", app_id);
    if (r == SQLITE_ROW)
        r = wfs_db_get_i64(db, "PRAGMA user_version", version);
    (void)wfs_db_exec(db, "COMMIT");
    return r;
}

static enum wfs_db_kind classify(sqlite3 *db, int *ret_r)
{
    int64_t n_tables = 0, app_id = 0, version = 0;
    int r = read_stamps(db, &n_tables, &app_id, &version);
    *ret_r = r;
    if (r != SQLITE_ROW)
        return kind_of_failure(r);
    if (n_tables == 0 && app_id == 0 && version == 0)
        return WFS_DB_EMPTY;
    if (app_id != WFS_DB_APPLICATION_ID)
        return WFS_DB_FOREIGN;
    if (version != WFS_DB_SCHEMA_VERSION)
        return version < WFS_DB_SCHEMA_VERSION ? WFS_DB_OLDER : WFS_DB_NEWER;
    *ret_r = r = probe_tables(db);
    return r == SQLITE_ROW ? WFS_DB_OURS : kind_of_failure(r);
}

enum wfs_db_kind wfs_db_open(const char *path, enum wfs_db_access access, sqlite3 **ret, int *ret_r)
{
    unsigned waited = 0;
    enum wfs_db_kind kind;
    *ret = NULL;
    do {
        sqlite3_close(*ret);
        *ret = NULL;
        *ret_r = wfs_db_connect(path, access, ret);
        kind = *ret_r == SQLITE_OK ? classify(*ret, ret_r) : kind_of_failure(*ret_r);
    } while (wfs_db_wait(*ret_r, &waited));
    return kind;
}

/* Either all tables are made or none: a mount that is killed here leaves an empty database. */
static int create_tables(sqlite3 *db)
{
    int64_t n_tables = 0;
    int r = wfs_db_exec(db, "BEGIN IMMEDIATE");
    if (r != SQLITE_OK)
        return r;
    r = wfs_db_get_i64(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (r == SQLITE_ROW && n_tables > 0) /* another mount has made the tables meanwhile */
        return wfs_db_exec(db, "COMMIT");
    if (r == SQLITE_ROW)
        r = wfs_db_exec(db, create_sql);
    char stamps[96];
    snprintf(stamps, sizeof stamps, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             WFS_DB_APPLICATION_ID, WFS_DB_SCHEMA_VERSION);
    if (r == SQLITE_OK)
        r = wfs_db_exec(db, stamps);
    if (r != SQLITE_OK)
        (void)wfs_db_exec(db, "ROLLBACK");
    return r;
}

static int create_once(sqlite3 *db, bool use_wal)
{
    /* Both must come before the first page is written; neither does anything to a file that has
     * one. */
    int r = wfs_db_exec(db, "PRAGMA page_size=16384; PRAGMA auto_vacuum=INCREMENTAL;");
    if (r == SQLITE_OK)
        r = wfs_db_exec(db, use_wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE");
    return r == SQLITE_OK ? create_tables(db) : r;
}

int wfs_db_create(sqlite3 *db, bool use_wal)
{
    unsigned waited = 0;
    int r;
    do
        r = create_once(db, use_wal);
    while (wfs_db_wait(r, &waited));
    return r;
}
