/*
 * files.h - open files: their requests, and how many there are.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_FILES_H
#define WEIGHTFS_MOUNT_SERVER_FILES_H

#include "mount/server/server.h"

void wfs_server_file_ops(struct fuse_lowlevel_ops *ops);
unsigned wfs_server_n_open(struct wfs_server *server);
/* Closes what is still open after the last request: the kernel does not send a release for every
 * file when the mount ends. */
void wfs_server_close_files(struct wfs_server *server);

#endif
