/*
 * arena.c - bump allocation in chunks that double up to ARENA_CHUNK_MAX; a large request gets a
 * chunk of its own. Freed as a whole, after the registered callbacks ran in reverse order.
 *
 * Under the address sanitizer each allocation is followed by a gap that nobody may touch, as
 * malloc's are: a read beyond an array is seen although the memory is the arena's own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define ARENA_ALIGN     16
#define ARENA_CHUNK_MIN ((size_t)4096)
#define ARENA_CHUNK_MAX ((size_t)1 << 20)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_IS_WATCHED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_IS_WATCHED)
#include <sanitizer/asan_interface.h>
#define ARENA_GAP 16
#else
#define ARENA_GAP                             0
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

struct chunk {
    struct chunk *next;
    size_t used, size; /* bytes of data: those taken, and all */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

struct callback {
    struct callback *next;
    void (*fn)(void *);
    void *ptr;
};

struct wfs_arena {
    struct chunk *chunks; /* allocations come from the first chunk, which is the newest */
    struct callback *callbacks;
    size_t next_size, total;
    bool has_failed;
};

struct wfs_arena *wfs_arena_new(void)
{
    struct wfs_arena *arena = calloc(1, sizeof(*arena));
    if (arena)
        arena->next_size = ARENA_CHUNK_MIN;
    return arena;
}

void wfs_arena_free(struct wfs_arena *arena)
{
    if (!arena)
        return;
    for (struct callback *cb = arena->callbacks; cb; cb = cb->next)
        cb->fn(cb->ptr);
    for (struct chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        ASAN_UNPOISON_MEMORY_REGION(c->data, c->size);
        free(c);
    }
    free(arena);
}

void wfs_arena_freep(struct wfs_arena **arena)
{
    wfs_arena_free(*arena);
}

static struct chunk *chunk_new(struct wfs_arena *arena, size_t size)
{
    struct chunk *c = calloc(1, sizeof(*c) + size);
    if (!c) {
        arena->has_failed = true;
        return NULL;
    }
    c->size = size;
    ASAN_POISON_MEMORY_REGION(c->data, size);
    arena->total += size;
    return c;
}

/* A request larger than a chunk goes behind the head, which keeps being filled. */
static void *alloc_large(struct wfs_arena *arena, size_t n)
{
    struct chunk *c = chunk_new(arena, n);
    if (!c)
        return NULL;
    c->used = n;
    if (arena->chunks) {
        c->next = arena->chunks->next;
        arena->chunks->next = c;
    } else {
        arena->chunks = c;
    }
    return c->data;
}

static void *alloc(struct wfs_arena *arena, size_t n)
{
    struct chunk *c = arena->chunks;
    if (!c || c->size - c->used < n) {
        if (n > arena->next_size / 4)
            return alloc_large(arena, n);
        c = chunk_new(arena, arena->next_size);
        if (!c)
            return NULL;
        c->next = arena->chunks;
        arena->chunks = c;
        if (arena->next_size < ARENA_CHUNK_MAX)
            arena->next_size *= 2;
    }
    void *p = c->data + c->used;
    c->used += n;
    return p;
}

void *wfs_arena_alloc(struct wfs_arena *arena, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX / 2)
        return NULL;
    size_t n = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    void *p = alloc(arena, (n ? n : ARENA_ALIGN) + ARENA_GAP);
    if (p)
        ASAN_UNPOISON_MEMORY_REGION(p, size_bytes);
    return p;
}

void *wfs_arena_array(struct wfs_arena *arena, size_t n, size_t size_bytes)
{
    size_t total;
    return wfs_mul_size(n, size_bytes, &total) ? wfs_arena_alloc(arena, total) : NULL;
}

void *wfs_arena_memdup(struct wfs_arena *arena, const void *src, size_t size_bytes)
{
    void *p = wfs_arena_alloc(arena, size_bytes);
    if (p && size_bytes)
        memcpy(p, src, size_bytes);
    return p;
}

char *wfs_arena_strndup(struct wfs_arena *arena, const char *s, size_t len)
{
    char *p = wfs_arena_alloc(arena, len + 1);
    if (p && len)
        memcpy(p, s, len);
    return p;
}

char *wfs_arena_strdup(struct wfs_arena *arena, const char *s)
{
    return wfs_arena_strndup(arena, s, strlen(s));
}

char *wfs_arena_printf(struct wfs_arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : wfs_arena_alloc(arena, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

int wfs_arena_on_free(struct wfs_arena *arena, void (*fn)(void *), void *ptr)
{
    struct callback *cb = wfs_arena_alloc(arena, sizeof(*cb));
    if (!cb) {
        fn(ptr);
        return -ENOMEM;
    }
    *cb = (struct callback){.next = arena->callbacks, .fn = fn, .ptr = ptr};
    arena->callbacks = cb;
    return 0;
}

bool wfs_arena_has_failed(const struct wfs_arena *arena)
{
    return arena->has_failed;
}

void wfs_arena_fail(struct wfs_arena *arena)
{
    arena->has_failed = true;
}

size_t wfs_arena_size_bytes(const struct wfs_arena *arena)
{
    return arena->total;
}
