/*
 * buffers.h - reply buffers of the workers: page-aligned, reused last in first out, so that the
 * ones in use stay in the CPU's cache and unused ones are never touched.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_BUFFERS_H
#define WEIGHTFS_MOUNT_SERVER_BUFFERS_H

#include <pthread.h>

#include "base/base.h"

#define WFS_BUFFER_BYTES (1u << 20) /* what one request of the kernel asks for at most */
#define WFS_BUFFERS_KEPT 16
#define WFS_BUFFER_PAGE  4096u

struct wfs_buffers {
    pthread_mutex_t lock; /* guards what follows; held for a few instructions */
    void *kept[WFS_BUFFERS_KEPT];
    unsigned n_kept;
};
struct wfs_buffer {
    char *data; /* where the bytes go */
    void *base;
    size_t mapped_bytes;
};
void wfs_buffers_init(struct wfs_buffers *buffers);
void wfs_buffers_close(struct wfs_buffers *buffers);
/* Room for size_bytes at an address that is `off` modulo the page: a copy between places that
 * differ by 8, 16 or 24 modulo 4096 runs at a fifth of the speed on some processors. -ENOMEM. */
int wfs_buffers_get(struct wfs_buffers *buffers, size_t size_bytes, uint64_t off,
                    struct wfs_buffer *ret);
void wfs_buffers_put(struct wfs_buffers *buffers, struct wfs_buffer *buffer);

#endif
