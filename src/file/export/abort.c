/*
 * abort.c - removes what an export has begun, as far as that is known to be an export's.
 *
 * PATH.partial is proven by its stamp, or, where it was cut off, by the first chunk of a part that
 * is still what the part's marker says.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/file.h"
#include "file/export/beside.h"
#include "file/export/marker.h"
#include "file/export/partial.h"
#include "file/export/stamp.h"

struct proof {
    int fd;
    uint8_t *buf;
    bool found;
};

/* Is the file's chunk what a part's marker says of it? Zeros prove nothing: a hole in any file has
 * them. */
static void prove(void *ctx, uint64_t chunk, uint64_t size_bytes, const char *head)
{
    struct proof *proof = ctx;
    uint64_t off = chunk * WFS_EXPORT_CHUNK_BYTES;
    size_t len = (size_t)wfs_min_u64(WFS_EXPORT_CHUNK_BYTES, size_bytes - off);
    char hex[33];
    if (proof->found || pread(proof->fd, proof->buf, len, (off_t)off) != (ssize_t)len ||
        (proof->buf[0] == 0 && memcmp(proof->buf, proof->buf + 1, len - 1) == 0))
        return;
    struct wfs_hash hash = wfs_hash_bytes(proof->buf, len);
    wfs_hash_hex(&hash, hex);
    proof->found = strcmp(hex, head) == 0;
}

static int is_proven(int fd, const char *partial, bool *ret, struct wfs_error *err)
{
    uint8_t *buf wfs_cleanup(wfs_freep) = malloc((size_t)WFS_EXPORT_CHUNK_BYTES);
    enum wfs_export_kind kind;
    uint64_t size_bytes;
    if (!buf)
        return wfs_error_nomem(err, "an export's buffer");
    int r = wfs_export_stamp_kind(fd, partial, NULL, &kind, &size_bytes, err);
    if (r)
        return r;
    struct proof proof = {.fd = fd, .buf = buf};
    if (kind != WFS_EXPORT_EMPTY && kind != WFS_EXPORT_STAMPED)
        wfs_export_each_head(partial, prove, &proof);
    *ret = kind == WFS_EXPORT_EMPTY || kind == WFS_EXPORT_STAMPED || proof.found;
    return 0;
}

/* Parts under way may be aborted, on whatever machine they hang. What is being published may not: a
 * PATH.partial begun after this one would be renamed in its place. */
static int lock_for_abort(int fd, const char *partial, struct wfs_error *err)
{
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return wfs_error_set(err, EBUSY, "%s: another export is writing or finishing it", partial);
    return 0;
}

/* *ret_there: some file has the name; *ret_ours: and may be removed. The markers are there yet.
 * *ret_fd holds the lock. */
static int look(const char *partial, int *ret_fd, bool *ret_there, bool *ret_ours,
                struct wfs_error *err)
{
    struct stat st;
    *ret_there = lstat(partial, &st) == 0;
    if (!*ret_there)
        return errno == ENOENT ? 0 : wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return 0;
    *ret_fd = open(partial, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*ret_fd < 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    int r = lock_for_abort(*ret_fd, partial, err);
    return r ? r : is_proven(*ret_fd, partial, ret_ours, err);
}

int wfs_export_abort(const char *path, struct wfs_error *err)
{
    char *partial wfs_cleanup(wfs_freep) = wfs_export_partial_path(path);
    int fd wfs_cleanup(wfs_closep) = -1;
    bool is_there = false, is_ours = false;
    if (!partial)
        return wfs_error_nomem(err, "a file's name");
    int r = look(partial, &fd, &is_there, &is_ours, err);
    if (r)
        return r;
    /* The declaration goes first: without it no part leaves a marker. */
    unsigned n = wfs_export_unmark(partial);
    if (is_there && !is_ours)
        return wfs_error_set(err, EEXIST,
                             "%s: not known to be of an export, so it stays; remove it yourself "
                             "if it is nobody's",
                             partial);
    if (is_there && unlink(partial) != 0)
        return wfs_error_set(err, errno, "%s: %s", partial, strerror(errno));
    if (wfs_export_is_declared(partial))
        return wfs_error_set(err, EEXIST, "%s.plan: not of an export, so it stays", partial);
    if (n == 0 && !is_there)
        return wfs_error_set(err, ENOENT, "%s: no export is under way", partial);
    return 0;
}
