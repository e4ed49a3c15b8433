/*
 * copy.c - see copy.h. A file is read in pieces of 8 MiB, which is a few blocks of a transposed
 * tensor. A read is exact or fails, so a copy that succeeds is right.
 */
#include "cli/copy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/signals.h"

#define COPY_BYTES (UINT64_C(8) << 20)

static int write_all(int fd, const char *buf, size_t len, const char *name, struct wfs_error *err)
{
    while (len) {
        ssize_t n = write(fd, buf, len);
        if (n < 0 && errno == EINTR && !atomic_load(&wfs_signals_interrupt))
            continue;
        if (n < 0)
            return wfs_error_set(err, errno, "%s: cannot be written: %s", name, strerror(errno));
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static int copy_open(struct wfs_open *open, int fd, const char *name, char *buf, size_t cap,
                     struct wfs_progress *progress, struct wfs_error *err)
{
    uint64_t size = wfs_open_size_bytes(open);
    for (uint64_t off = 0; off < size;) {
        size_t n;
        if (atomic_load(&wfs_signals_interrupt))
            return wfs_error_set(err, EINTR, "%s: interrupted", name);
        int r = wfs_open_read(open, buf, cap, off, NULL, &n, err);
        if (!r && n == 0)
            r = wfs_error_set(err, EIO, "%s: ends at byte %llu of %llu", name,
                              (unsigned long long)off, (unsigned long long)size);
        if (!r)
            r = write_all(fd, buf, n, name, err);
        if (r)
            return r;
        off += n;
        wfs_progress_add(progress, n);
    }
    return 0;
}

int wfs_copy_node(struct wfs_session *session, uint32_t node, int fd, const char *name,
                  struct wfs_progress *progress, struct wfs_error *err)
{
    struct wfs_open *open wfs_cleanup(wfs_open_freep) = NULL;
    int r = wfs_open_node(session, node, &open, err);
    if (r)
        return r;
    size_t cap = (size_t)wfs_min_u64(COPY_BYTES, wfs_open_size_bytes(open) + 1);
    char *buf wfs_cleanup(wfs_freep) = malloc(cap);
    if (!buf)
        return wfs_error_nomem(err, "a copy");
    return copy_open(open, fd, name, buf, cap, progress, err);
}
