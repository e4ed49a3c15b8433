/*
 * window.h - the process-wide set of mapped windows. Panels of one tensor share a window and with
 * it the page tables; the set is bounded in address space, so that page tables stay bounded too.
 */
#ifndef WEIGHTFS_BYTES_WINDOW_H
#define WEIGHTFS_BYTES_WINDOW_H

#include "bytes/bytes.h"

/* The caller has checked the range. -ENOTSUP when it does not fit beside the windows in use: the
 * caller reads instead. */
int wfs_windows_map(struct wfs_bytes *owner, int fd, uint64_t off, uint64_t len,
                    struct wfs_window *ret);
/* Unmaps all windows of a file; none of them is in use. */
void wfs_windows_forget(const struct wfs_bytes *owner);

#endif
