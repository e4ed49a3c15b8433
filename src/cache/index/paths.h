/*
 * paths.h - where indices lie, and which files may be used as one: a regular file of ours that
 * nobody else can write, in a directory of ours that nobody else can write, reached through no
 * symbolic link of its own.
 */
#ifndef WEIGHTFS_CACHE_INDEX_PATHS_H
#define WEIGHTFS_CACHE_INDEX_PATHS_H

#include "base/base.h"

/* $XDG_CACHE_HOME/weightfs, else ~/.cache/weightfs; malloc'd. */
char *wfs_index_directory(struct wfs_error *err);
/* Makes missing directories (0700) and the file (0600, empty). *ret_path: the same with its
 * directory resolved, malloc'd. *ret_read_only: the file or the file system may not be written.
 * is_default: the directory is ours alone, and is made 0700. */
int wfs_index_prepare(const char *path, bool is_default, char **ret_path, bool *ret_read_only,
                      struct wfs_error *err);
/* True where the directory of `path` is on a network file system. */
bool wfs_index_dir_is_network(const char *path);
/* What SQLite keeps in a file's place: "" (itself), "-wal", "-shm", "-journal". */
#define WFS_INDEX_N_COMPANIONS 4
extern const char *const wfs_index_companions[WFS_INDEX_N_COMPANIONS];
#define WFS_INDEX_SUFFIX ".db"
#endif
