/*
 * stamp.c - tells a PATH.partial that an export made from somebody else's file of that name.
 *
 * Until it is published, PATH.partial is longer than the file that it becomes: one line stands in
 * the chunk after the last, which no part writes. Without that line nothing is overwritten, removed
 * or published. It says which export the file belongs to, not who began it, so that the parts on
 * several machines need not agree on who writes it.
 */
#include "file/export/stamp.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/export/chunks.h"

#define STAMP_MAGIC "weightfs-export "
#define STAMP_BYTES 49 /* the magic, 32 hex digits, a newline */

static uint64_t stamp_off(uint64_t size_bytes)
{
    return wfs_export_n_chunks(size_bytes) * WFS_EXPORT_CHUNK_BYTES;
}

static void make_stamp(const struct wfs_hash *id, char ret[STAMP_BYTES + 1])
{
    char hex[33];
    wfs_hash_hex(id, hex);
    snprintf(ret, STAMP_BYTES + 1, "%s%s\n", STAMP_MAGIC, hex);
}

uint64_t wfs_export_stamped_bytes(uint64_t size_bytes)
{
    return stamp_off(size_bytes) + STAMP_BYTES;
}

int wfs_export_stamp(int fd, const char *partial, uint64_t size_bytes, const struct wfs_hash *id,
                     struct wfs_error *err)
{
    char stamp[STAMP_BYTES + 1];
    make_stamp(id, stamp);
    /* The length first: other machines then see none but the final one. */
    if (ftruncate(fd, (off_t)wfs_export_stamped_bytes(size_bytes)) != 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    ssize_t n = pwrite(fd, stamp, STAMP_BYTES, (off_t)stamp_off(size_bytes));
    if (n != STAMP_BYTES)
        return wfs_error_set(err, n < 0 ? errno : EIO, "%s: %s", partial,
                             strerror(n < 0 ? errno : EIO));
    return 0;
}

static enum wfs_export_kind kind_of(const char text[STAMP_BYTES], const struct wfs_hash *id)
{
    static const char blank[STAMP_BYTES];
    char wanted[STAMP_BYTES + 1];
    if (id) {
        make_stamp(id, wanted);
        if (memcmp(text, wanted, STAMP_BYTES) == 0)
            return WFS_EXPORT_STAMPED;
    } else if (memcmp(text, STAMP_MAGIC, strlen(STAMP_MAGIC)) == 0 &&
               text[STAMP_BYTES - 1] == '\n') {
        return WFS_EXPORT_STAMPED;
    }
    return memcmp(text, blank, STAMP_BYTES) == 0 ? WFS_EXPORT_BLANK : WFS_EXPORT_FOREIGN;
}

int wfs_export_stamp_kind(int fd, const char *partial, const struct wfs_hash *id,
                          enum wfs_export_kind *ret, uint64_t *ret_size_bytes,
                          struct wfs_error *err)
{
    struct stat st;
    char text[STAMP_BYTES];
    if (fstat(fd, &st) != 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    *ret_size_bytes = (uint64_t)st.st_size;
    *ret = st.st_size == 0 ? WFS_EXPORT_EMPTY : WFS_EXPORT_FOREIGN;
    if (st.st_size < STAMP_BYTES)
        return 0;
    ssize_t n = pread(fd, text, STAMP_BYTES, st.st_size - STAMP_BYTES);
    if (n < 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    if (n == STAMP_BYTES)
        *ret = kind_of(text, id);
    return 0;
}
