/*
 * watch.h - sources that change under the mount.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_WATCH_H
#define WEIGHTFS_MOUNT_SERVER_WATCH_H

#include "mount/server/server.h"

/* Looks at every source file. Where one was changed in place that was not known, wakes the main
 * thread to drop the kernel's pages. Called at every open and after every failed read; true where
 * all is well. */
bool wfs_watch_sources(struct wfs_server *server);
/* To be called by the main thread only. The kernel waits for requests that hold the pages, so a
 * request handler would wait for itself. */
void wfs_watch_drop_pages(struct wfs_server *server);

#endif
