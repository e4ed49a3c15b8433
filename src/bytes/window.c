/*
 * window.c - mapped windows and the SIGBUS guard.
 *
 * Lock: `lock` guards the table; it is never held across a page fault or a system call other than
 * mmap and munmap. A window that is in use (n_users > 0) is never unmapped.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "bytes/window.h"

/* windows begin at multiples of this, so that ranges close to each other share one */
#define WINDOW_ALIGN (UINT64_C(64) << 20)
#define WINDOWS_MAX  256

struct window {
    const struct wfs_bytes *owner; /* NULL where the slot is free */
    uint8_t *data;
    uint64_t off, len;
    unsigned n_users;
    uint64_t used_at;
};

static struct {
    pthread_mutex_t lock;
    struct window windows[WINDOWS_MAX];
    uint64_t total_bytes, clock;
    /* A window that would make the set larger than this first ends windows that nobody uses, as
     * long as there are some; it is made in any case. */
    uint64_t keep_bytes;
} set = {.lock = PTHREAD_MUTEX_INITIALIZER, .keep_bytes = WFS_WINDOWS_MAX_BYTES};

static void unmap(struct window *w)
{
    munmap(w->data, w->len);
    set.total_bytes -= w->len;
    *w = (struct window){0};
}

static struct window *find(const struct wfs_bytes *owner, uint64_t off, uint64_t len)
{
    for (size_t i = 0; i < WINDOWS_MAX; i++) {
        struct window *w = &set.windows[i];
        if (w->owner == owner && off >= w->off && off + len <= w->off + w->len)
            return w;
    }
    return NULL;
}

static struct window *least_recent(void)
{
    struct window *oldest = NULL;
    for (size_t i = 0; i < WINDOWS_MAX; i++) {
        struct window *w = &set.windows[i];
        if (w->owner && w->n_users == 0 && (!oldest || w->used_at < oldest->used_at))
            oldest = w;
    }
    return oldest;
}

static struct window *free_slot(void)
{
    for (size_t i = 0; i < WINDOWS_MAX; i++)
        if (!set.windows[i].owner)
            return &set.windows[i];
    return NULL;
}

/* Makes room for len bytes and returns a free slot, or NULL where neither can be had. */
static struct window *make_room(uint64_t len)
{
    struct window *slot;
    while (set.total_bytes + len > set.keep_bytes) {
        struct window *victim = least_recent();
        if (!victim)
            break;
        unmap(victim);
    }
    while (!(slot = free_slot()) || set.total_bytes + len > WFS_WINDOWS_MAX_BYTES) {
        struct window *victim = least_recent();
        if (!victim)
            return NULL;
        unmap(victim);
    }
    return slot;
}

static struct window *add(const struct wfs_bytes *owner, int fd, uint64_t off, uint64_t len)
{
    uint64_t start = off / WINDOW_ALIGN * WINDOW_ALIGN;
    uint64_t end = wfs_min_u64(wfs_round_up_u64(off + len, WINDOW_ALIGN), owner->size_bytes);
    if (end - start > WFS_WINDOWS_MAX_BYTES)
        return NULL;
    struct window *w = make_room(end - start);
    if (!w)
        return NULL;
    void *data = mmap(NULL, end - start, PROT_READ, MAP_SHARED, fd, (off_t)start);
    if (data == MAP_FAILED)
        return NULL;
    *w = (struct window){.owner = owner, .data = data, .off = start, .len = end - start};
    set.total_bytes += w->len;
    return w;
}

int wfs_windows_map(struct wfs_bytes *owner, int fd, uint64_t off, uint64_t len,
                    struct wfs_window *ret)
{
    if (len == 0 || len > WFS_WINDOWS_MAX_BYTES)
        return -ENOTSUP;
    pthread_mutex_lock(&set.lock);
    struct window *w = find(owner, off, len);
    if (!w)
        w = add(owner, fd, off, len);
    if (w) {
        w->n_users++;
        w->used_at = ++set.clock;
        *ret = (struct wfs_window){.data = w->data + (off - w->off), .len = len, .owner = w};
    }
    pthread_mutex_unlock(&set.lock);
    return w ? 0 : -ENOTSUP;
}

void wfs_window_release(struct wfs_window *window)
{
    struct window *w = window->owner;
    if (!w)
        return;
    pthread_mutex_lock(&set.lock);
    w->n_users--;
    pthread_mutex_unlock(&set.lock);
    *window = (struct wfs_window){0};
}

void wfs_windows_keep(uint64_t max_bytes)
{
    pthread_mutex_lock(&set.lock);
    set.keep_bytes = wfs_min_u64(max_bytes, WFS_WINDOWS_MAX_BYTES);
    pthread_mutex_unlock(&set.lock);
}

void wfs_windows_forget(const struct wfs_bytes *owner)
{
    pthread_mutex_lock(&set.lock);
    for (size_t i = 0; i < WINDOWS_MAX; i++)
        if (set.windows[i].owner == owner)
            unmap(&set.windows[i]);
    pthread_mutex_unlock(&set.lock);
}

/* ---- the guard ----------------------------------------------------------------------------- */

static _Thread_local sigjmp_buf *volatile guard;
static struct sigaction previous;
static pthread_once_t guard_once = PTHREAD_ONCE_INIT;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    if (guard)
        siglongjmp(*guard, 1);
    /* The fault was not in a guarded read: it happens again with the default handler, and ends the
     * program. */
    sigaction(sig, &previous, NULL);
}

static void install_guard(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

int wfs_guarded(int (*fn)(void *ctx), void *ctx, const char *name, struct wfs_error *err)
{
    pthread_once(&guard_once, install_guard);
    sigjmp_buf here;
    sigjmp_buf *volatile outer = guard;
    if (sigsetjmp(here, 0)) {
        guard = outer;
        return wfs_error_set(err, EIO, "%s: truncated while it was read, or its disk failed", name);
    }
    guard = &here;
    int r = fn(ctx);
    guard = outer;
    return r;
}
