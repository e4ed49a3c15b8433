/*
 * partial.h - PATH.partial: how it is named, opened, locked and published.
 */
#ifndef WEIGHTFS_FILE_EXPORT_PARTIAL_H
#define WEIGHTFS_FILE_EXPORT_PARTIAL_H

#include "file/file.h"

char *wfs_export_partial_path(const char *path); /* PATH.partial; caller frees */
/* Opens PATH.partial for reading and writing; flags: O_CREAT or 0. -EINVAL where it is no file. */
int wfs_export_open(const char *partial, int flags, mode_t mode, int *ret_fd,
                    struct wfs_error *err);
/* True where the open file is the one under that name. */
bool wfs_export_is_at(int fd, const char *partial);
/* Until fd is closed: LOCK_EX keeps everyone out and whoever publishes PATH.partial has it; those
 * who write a part have LOCK_SH. -EBUSY where the lock is taken, or the file has lost its name.
 * Where the file system has no locks all get one. */
int wfs_export_lock(int fd, int operation, const char *partial, struct wfs_error *err);
/* Takes the stamp off, fsyncs, renames to `path`, fsyncs the directory. The stamp is there again
 * where the rename fails. The caller has the exclusive lock. */
int wfs_export_publish(int fd, const char *partial, const char *path, uint64_t size_bytes,
                       const struct wfs_hash *id, struct wfs_error *err);
/* Refuses a PATH that is there and is not a file which an export may replace. */
int wfs_export_check_replaceable(const char *path, struct wfs_error *err);
/* fsync of the directory that holds `path`. */
int wfs_export_sync_dir(const char *path, struct wfs_error *err);

#endif
