/*
 * connect.h - opening an index for `weightfs index`.
 */
#ifndef WEIGHTFS_CACHE_ADMIN_CONNECT_H
#define WEIGHTFS_CACHE_ADMIN_CONNECT_H

#include <sqlite3.h>

#include "base/base.h"

/* Opens an index of this version at `path` or says what is wrong with it. *ret_path: resolved. */
int wfs_index_connect(const char *path, char **ret_path, sqlite3 **ret, struct wfs_error *err);

#endif
