/*
 * file.c - a regular file as bytes. Its identity is looked at again after every read, so that what
 * a reader gets is of one version of the file: changed in place is EIO from then on.
 *
 * Size and mtime may not change at all. A ctime that moved alone is harmless where the open file
 * was renamed, unlinked (replaced by rename: the old one is served on), linked or chmodded, all of
 * which show in its name or its attributes; else somebody wrote and put the mtime back.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bytes/window.h"
#include "bytes/bytes.h"

#define FILE_PAGE       4096u
#define FILE_BAD_ABOVE  32u          /* bytes */
#define FILE_BOUNCE     (128u << 10) /* stays in the second-level cache */
#define FILE_BOUNCE_MIN (16u << 10)
#define FILE_LINK_MAX   4096
#define FILE_SAMPLES    8 /* places that are looked at to tell whether a range is in memory */

struct file_bytes {
    struct wfs_bytes base;
    int fd;
    struct wfs_file_info info;
    atomic_bool changed;          /* once the file has changed it stays refused */
    atomic_int_fast64_t ctime_ns; /* the last ctime that was found to be harmless */
    pthread_mutex_t lock;         /* guards what follows */
    nlink_t n_links;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    char *link; /* what /proc/self/fd says the file is called */
};

static int64_t ns_of(struct timespec ts)
{
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct wfs_identity identity_of(const struct stat *st)
{
    return (struct wfs_identity){.dev = st->st_dev,
                                 .ino = st->st_ino,
                                 .size_bytes = (uint64_t)st->st_size,
                                 .mtime_ns = ns_of(st->st_mtim),
                                 .ctime_ns = ns_of(st->st_ctim)};
}

static char *link_of(int fd)
{
    char proc[64], target[FILE_LINK_MAX];
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(proc, target, sizeof(target));
    return n < 0 ? strdup("") : strndup(target, (size_t)n);
}

static bool is_same_content(const struct file_bytes *f, const struct stat *st)
{
    return (uint64_t)st->st_size == f->info.identity.size_bytes &&
           ns_of(st->st_mtim) == f->info.identity.mtime_ns;
}

/* The ctime has moved and nothing else has. Returns true where the file's name or attributes
 * explain that, and remembers them. The file is looked at anew under the lock, since another thread
 * may have remembered something later than what this one saw before. */
static bool explain_ctime(struct file_bytes *f, struct stat *st)
{
    pthread_mutex_lock(&f->lock);
    char *link wfs_cleanup(wfs_freep) = link_of(f->fd);
    if (!link || fstat(f->fd, st) || !is_same_content(f, st)) {
        pthread_mutex_unlock(&f->lock);
        return false;
    }
    bool known = ns_of(st->st_ctim) == atomic_load(&f->ctime_ns);
    bool harmless = known || st->st_nlink != f->n_links || st->st_mode != f->mode ||
                    st->st_uid != f->uid || st->st_gid != f->gid || strcmp(link, f->link) != 0;
    bool gone = harmless && st->st_nlink == 0 && f->n_links != 0;
    if (harmless) {
        f->n_links = st->st_nlink;
        f->mode = st->st_mode;
        f->uid = st->st_uid;
        f->gid = st->st_gid;
        char *old = f->link;
        f->link = wfs_steal(&link);
        free(old);
        atomic_store(&f->ctime_ns, ns_of(st->st_ctim));
    }
    pthread_mutex_unlock(&f->lock);
    if (gone)
        wfs_log(WFS_LOG_WARNING, "%s was replaced or removed; the old file is served on",
                f->base.name);
    return harmless;
}

static int file_changed(struct file_bytes *f, struct wfs_error *err)
{
    if (!atomic_exchange(&f->changed, true))
        wfs_log(WFS_LOG_ERROR, "%s changed while it was open; its tensors cannot be read any more",
                f->base.name);
    return wfs_error_set(err, EIO, "%s: changed in place since it was opened", f->base.name);
}

static int file_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    struct file_bytes *f = (struct file_bytes *)bytes;
    struct stat st;
    if (atomic_load_explicit(&f->changed, memory_order_relaxed))
        return file_changed(f, err);
    if (fstat(f->fd, &st))
        return wfs_error_set(err, EIO, "%s: %s", bytes->name, strerror(errno));
    if (!is_same_content(f, &st))
        return file_changed(f, err);
    if (ns_of(st.st_ctim) == atomic_load_explicit(&f->ctime_ns, memory_order_relaxed))
        return 0;
    return explain_ctime(f, &st) ? 0 : file_changed(f, err);
}

static int read_exactly(struct file_bytes *f, void *buf, size_t len, uint64_t off,
                        struct wfs_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(f->fd, (char *)buf + done, len - done, (off_t)(off + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wfs_error_set(err, EIO, "%s: byte %llu cannot be read: %s", f->base.name,
                                 (unsigned long long)(off + done), strerror(errno));
        if (n == 0)
            return file_changed(f, err);
        done += (size_t)n;
    }
    return 0;
}

/* Copies to a little above their source, modulo the page, run at a fifth of the speed on some
 * processors (facts: limits.md): such a read goes through a buffer that lies well. */
static bool lies_badly(const void *buf, size_t len, uint64_t off)
{
    uint64_t above = ((uint64_t)(uintptr_t)buf - off) % FILE_PAGE;
    return len >= FILE_BOUNCE_MIN && above > 0 && above < FILE_BAD_ABOVE;
}

static int read_bounced(struct file_bytes *f, char *buf, size_t len, uint64_t off,
                        struct wfs_error *err)
{
    char *bounce wfs_cleanup(wfs_freep) = aligned_alloc(FILE_PAGE, FILE_BOUNCE + FILE_PAGE);
    if (!bounce)
        return read_exactly(f, buf, len, off, err);
    int r = 0;
    for (size_t done = 0; !r && done < len;) {
        size_t n = len - done < FILE_BOUNCE ? len - done : FILE_BOUNCE;
        char *at = bounce + (off + done) % FILE_PAGE;
        r = read_exactly(f, at, n, off + done, err);
        if (!r)
            memcpy(buf + done, at, n);
        done += n;
    }
    return r;
}

static int file_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    struct file_bytes *f = (struct file_bytes *)bytes;
    int r = lies_badly(buf, len, off) ? read_bounced(f, buf, len, off, err)
                                      : read_exactly(f, buf, len, off, err);
    return r ? r : file_check(bytes, err);
}

static int file_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
                    struct wfs_error *err)
{
    struct file_bytes *f = (struct file_bytes *)bytes;
    int r = file_check(bytes, err);
    return r ? r : wfs_windows_map(bytes, f->fd, off, len, ret);
}

static void file_hint(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    posix_fadvise(((struct file_bytes *)bytes)->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
}

/* RWF_NOWAIT answers at once, where a hint over a large cached range walks all of its pages. */
static bool file_resident(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < FILE_SAMPLES; i++) {
        char byte;
        struct iovec io = {&byte, 1};
        uint64_t at = off + (len - 1) / (FILE_SAMPLES - 1) * i;
        if (preadv2(((struct file_bytes *)bytes)->fd, &io, 1, (off_t)at, RWF_NOWAIT) != 1)
            return false;
    }
    return true;
}

static void file_free(struct wfs_bytes *bytes)
{
    struct file_bytes *f = (struct file_bytes *)bytes;
    wfs_windows_forget(bytes);
    close(f->fd);
    pthread_mutex_destroy(&f->lock);
    free(f->link);
    free((char *)bytes->name);
    free(f);
}

static const struct wfs_bytes_ops file_ops = {.kind = "file",
                                              .read = file_read,
                                              .free = file_free,
                                              .map = file_map,
                                              .check = file_check,
                                              .hint = file_hint,
                                              .resident = file_resident};

bool wfs_fd_is_network(int fd)
{
    static const unsigned long magics[] = {NFS_SUPER_MAGIC,
                                           SMB_SUPER_MAGIC,
                                           0xff534d42 /* CIFS */,
                                           0xfe534d42 /* SMB2 */,
                                           0x65735546 /* FUSE: s3fs, gcsfuse, sshfs */,
                                           V9FS_MAGIC,
                                           AFS_SUPER_MAGIC,
                                           CEPH_SUPER_MAGIC,
                                           0x0bd00bd0 /* Lustre */,
                                           0x47504653 /* GPFS */};
    struct statfs fs;
    if (fstatfs(fd, &fs))
        return false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(magics); i++)
        if ((unsigned long)fs.f_type == magics[i])
            return true;
    return false;
}

/* Asks what the path is before it opens it: opening a device may have an effect, and a FIFO would
 * wait for a writer. */
static int open_regular(const char *path, struct stat *ret_st, struct wfs_error *err)
{
    if (stat(path, ret_st))
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(ret_st->st_mode))
        return wfs_error_set(err, EINVAL, "%s: not a regular file", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (fstat(fd, ret_st) || !S_ISREG(ret_st->st_mode)) {
        close(fd);
        return wfs_error_set(err, EINVAL, "%s: not a regular file", path);
    }
    return fd;
}

static void file_init(struct file_bytes *f, int fd, const struct stat *st, char *name, char *link)
{
    struct wfs_identity identity = identity_of(st);
    f->base = (struct wfs_bytes){.ops = &file_ops,
                                 .n_refs = 1,
                                 .size_bytes = identity.size_bytes,
                                 .name = name,
                                 .id = wfs_hash_bytes(&identity, sizeof(identity))};
    f->fd = fd;
    f->info = (struct wfs_file_info){.identity = identity,
                                     .mode = st->st_mode,
                                     .uid = st->st_uid,
                                     .gid = st->st_gid,
                                     .is_network = wfs_fd_is_network(fd)};
    atomic_init(&f->ctime_ns, identity.ctime_ns);
    pthread_mutex_init(&f->lock, NULL);
    f->n_links = st->st_nlink;
    f->mode = st->st_mode;
    f->uid = st->st_uid;
    f->gid = st->st_gid;
    f->link = link;
}

int wfs_bytes_open(const char *path, struct wfs_bytes **ret, struct wfs_error *err)
{
    struct stat st;
    int fd = open_regular(path, &st, err);
    if (fd < 0)
        return fd;
    struct file_bytes *f = calloc(1, sizeof(*f));
    char *name = strdup(path), *link = link_of(fd);
    if (!f || !name || !link) {
        free(f);
        free(name);
        free(link);
        close(fd);
        return wfs_error_nomem(err, path);
    }
    file_init(f, fd, &st, name, link);
    *ret = &f->base;
    return 0;
}

const struct wfs_file_info *wfs_bytes_file_info(const struct wfs_bytes *bytes)
{
    return bytes->ops == &file_ops ? &((const struct file_bytes *)bytes)->info : NULL;
}

void wfs_bytes_mix_id(struct wfs_bytes *bytes, const struct wfs_hash *header)
{
    struct wfs_hash both[2] = {bytes->id, *header};
    bytes->id = wfs_hash_bytes(both, sizeof(both));
}
