/*
 * bytes.c - the one place that checks a range against its source before a kind sees it; memory, the
 * kind without state.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes/bytes.h"

struct wfs_bytes *wfs_bytes_ref(struct wfs_bytes *bytes)
{
    atomic_fetch_add_explicit(&bytes->n_refs, 1, memory_order_relaxed);
    return bytes;
}

void wfs_bytes_unref(struct wfs_bytes *bytes)
{
    if (bytes && atomic_fetch_sub_explicit(&bytes->n_refs, 1, memory_order_acq_rel) == 1)
        bytes->ops->free(bytes);
}

void wfs_bytes_unrefp(struct wfs_bytes **bytes)
{
    wfs_bytes_unref(*bytes);
}

void wfs_bytes_unref_void(void *bytes)
{
    wfs_bytes_unref(bytes);
}

static int check_range(const struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                       struct wfs_error *err)
{
    if (off <= bytes->size_bytes && len <= bytes->size_bytes - off)
        return 0;
    return wfs_error_set(err, EIO, "%s: bytes %llu to %llu were asked for, but there are only %llu",
                         bytes->name, (unsigned long long)off, (unsigned long long)(off + len),
                         (unsigned long long)bytes->size_bytes);
}

int wfs_bytes_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                   struct wfs_error *err)
{
    int r = check_range(bytes, off, len, err);
    if (r || len == 0)
        return r;
    return bytes->ops->read(bytes, buf, len, off, err);
}

int wfs_bytes_read_text(struct wfs_bytes *bytes, uint64_t max_bytes, char **ret,
                        struct wfs_error *err)
{
    if (bytes->size_bytes > max_bytes)
        return wfs_error_set(err, EFBIG, "%s: larger than %llu bytes", bytes->name,
                             (unsigned long long)max_bytes);
    size_t len = (size_t)bytes->size_bytes;
    wfs_cleanup(wfs_freep) char *text = malloc(len + 1);
    if (!text)
        return wfs_error_nomem(err, bytes->name);
    int r = wfs_bytes_read(bytes, text, len, 0, err);
    if (r)
        return r;
    text[len] = 0;
    *ret = wfs_steal(&text);
    return 0;
}

int wfs_bytes_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return bytes->ops->check ? bytes->ops->check(bytes, err) : 0;
}

void wfs_bytes_hint(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    if (bytes->ops->hint && off < bytes->size_bytes)
        bytes->ops->hint(bytes, off, wfs_min_u64(len, bytes->size_bytes - off));
}

bool wfs_bytes_resident(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    if (!bytes->ops->resident || off >= bytes->size_bytes || len == 0)
        return false;
    return bytes->ops->resident(bytes, off, wfs_min_u64(len, bytes->size_bytes - off));
}

int wfs_bytes_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
                  struct wfs_error *err)
{
    int r = check_range(bytes, off, len, err);
    if (r)
        return r;
    return bytes->ops->map ? bytes->ops->map(bytes, off, len, ret, err) : -ENOTSUP;
}

/* ---- memory -------------------------------------------------------------------------------- */

struct memory_bytes {
    struct wfs_bytes base;
    uint8_t *data;
};

static int memory_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    (void)err;
    memcpy(buf, ((struct memory_bytes *)bytes)->data + off, len);
    return 0;
}

static int memory_map(struct wfs_bytes *bytes, uint64_t off, uint64_t len, struct wfs_window *ret,
                      struct wfs_error *err)
{
    (void)err;
    *ret = (struct wfs_window){.data = ((struct memory_bytes *)bytes)->data + off, .len = len};
    return 0;
}

static void memory_free(struct wfs_bytes *bytes)
{
    free(((struct memory_bytes *)bytes)->data);
    free((char *)bytes->name);
    free(bytes);
}

static bool memory_resident(struct wfs_bytes *bytes, uint64_t off, uint64_t len)
{
    (void)bytes, (void)off, (void)len;
    return true;
}

static const struct wfs_bytes_ops memory_ops = {.kind = "memory",
                                                .read = memory_read,
                                                .free = memory_free,
                                                .map = memory_map,
                                                .resident = memory_resident};

int wfs_bytes_from_memory(const char *name, const void *data, size_t len, struct wfs_bytes **ret,
                          struct wfs_error *err)
{
    struct memory_bytes *m = calloc(1, sizeof(*m));
    uint8_t *copy = malloc(len ? len : 1);
    char *own_name = strdup(name);
    if (!m || !copy || !own_name) {
        free(m);
        free(copy);
        free(own_name);
        return wfs_error_nomem(err, name);
    }
    if (len)
        memcpy(copy, data, len);
    m->base = (struct wfs_bytes){.ops = &memory_ops,
                                 .n_refs = 1,
                                 .size_bytes = len,
                                 .name = own_name,
                                 .id = wfs_hash_bytes(copy, len)};
    m->data = copy;
    *ret = &m->base;
    return 0;
}
