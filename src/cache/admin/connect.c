/*
 * connect.c - a connection to an index that already exists, for the verbs of `weightfs index`.
 */
#include "cache/admin/connect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/index/db.h"

static int kind_error(enum wfs_db_kind kind, int r, const char *path, struct wfs_error *err)
{
    switch (kind) {
    case WFS_DB_OURS:
        return 0;
    case WFS_DB_EMPTY:
    case WFS_DB_FOREIGN:
        return wfs_error_set(err, EINVAL, "%s is not an index of weightfs", path);
    case WFS_DB_OLDER:
    case WFS_DB_NEWER:
        return wfs_error_set(err, EINVAL, "%s is an index of another version of weightfs", path);
    case WFS_DB_LOCKED:
        return wfs_error_set(err, EBUSY, "%s is locked by another program", path);
    case WFS_DB_DAMAGED:
    case WFS_DB_UNREADABLE:
        break;
    }
    return wfs_error_set(err, EIO, "%s is damaged: %s", path, sqlite3_errstr(r));
}

int wfs_index_connect(const char *path, char **ret_path, sqlite3 **ret, struct wfs_error *err)
{
    struct stat st;
    sqlite3 *db = NULL;
    /* SQLite is told to refuse symbolic links anywhere in a path, so they are resolved first */
    wfs_cleanup(wfs_freep) char *real = realpath(path, NULL);
    if (!real || stat(real, &st) < 0)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return wfs_error_set(err, EINVAL, "%s is not an index of weightfs", path);
    int code = SQLITE_OK;
    enum wfs_db_kind kind = wfs_db_open(real, WFS_DB_READER, &db, &code);
    if (kind == WFS_DB_UNREADABLE) { /* a file or a file system that may not be written */
        sqlite3_close(db);
        kind = wfs_db_open(real, WFS_DB_READ_ONLY, &db, &code);
    }
    int r = kind_error(kind, code, path, err);
    if (r < 0) {
        sqlite3_close(db);
        return r;
    }
    *ret_path = wfs_steal(&real);
    *ret = db;
    return 0;
}
