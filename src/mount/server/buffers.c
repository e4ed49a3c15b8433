/*
 * buffers.c - a stack of mapped buffers. They are reused because the page faults of fresh memory
 * cost more than the copy into it. A request of more than WFS_BUFFER_BYTES, which no kernel makes
 * today, gets a mapping of its own.
 */
#include "mount/server/buffers.h"

#include <sys/mman.h>

#define BUFFER_MAPPED (WFS_BUFFER_BYTES + WFS_BUFFER_PAGE)

void wfs_buffers_init(struct wfs_buffers *buffers)
{
    *buffers = (struct wfs_buffers){.n_kept = 0};
    pthread_mutex_init(&buffers->lock, NULL);
}

void wfs_buffers_close(struct wfs_buffers *buffers)
{
    while (buffers->n_kept)
        munmap(buffers->kept[--buffers->n_kept], BUFFER_MAPPED);
    pthread_mutex_destroy(&buffers->lock);
}

static void *take_kept(struct wfs_buffers *buffers)
{
    pthread_mutex_lock(&buffers->lock);
    void *base = buffers->n_kept ? buffers->kept[--buffers->n_kept] : NULL;
    pthread_mutex_unlock(&buffers->lock);
    return base;
}

int wfs_buffers_get(struct wfs_buffers *buffers, size_t size_bytes, uint64_t off,
                    struct wfs_buffer *ret)
{
    size_t mapped_bytes = BUFFER_MAPPED;
    void *base = NULL;
    if (size_bytes > SIZE_MAX - 2 * WFS_BUFFER_PAGE)
        return -ENOMEM;
    if (size_bytes <= WFS_BUFFER_BYTES)
        base = take_kept(buffers);
    else
        mapped_bytes = wfs_round_up_u64(size_bytes, WFS_BUFFER_PAGE) + WFS_BUFFER_PAGE;
    if (!base)
        base = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return -ENOMEM;
    *ret = (struct wfs_buffer){
        .data = (char *)base + off % WFS_BUFFER_PAGE, .base = base, .mapped_bytes = mapped_bytes};
    return 0;
}

void wfs_buffers_put(struct wfs_buffers *buffers, struct wfs_buffer *buffer)
{
    bool keep = false;
    if (buffer->mapped_bytes == BUFFER_MAPPED) {
        pthread_mutex_lock(&buffers->lock);
        keep = buffers->n_kept < WFS_BUFFERS_KEPT;
        if (keep)
            buffers->kept[buffers->n_kept++] = buffer->base;
        pthread_mutex_unlock(&buffers->lock);
    }
    if (!keep)
        munmap(buffer->base, buffer->mapped_bytes);
    *buffer = (struct wfs_buffer){0};
}
