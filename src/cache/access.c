/*
 * access.c - streams (where recent reads of an expression ended) and heats (what direct gathers of
 * a block have cost), both direct-mapped tables.
 *
 * The rule for heats is that of renting and buying: gather directly until the rent paid equals the
 * price of the block. Whatever comes after, at most twice the best possible cost was paid.
 */
#include "cache/access.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define N_STREAMS 256u
/* how many readers of one expression, each reading on from where it was, are told apart */
#define N_ENDS  4u
#define N_HEATS 1024u
/* Requests of one sequential reader arrive out of order from several workers. */
#define NEAR_BYTES (UINT64_C(128) << 10)
#define NEAR_READS 4u
/* A byte gathered alone costs about as much as this many in a block: one cache line or more for
 * each element, against a panel's full lines. */
#define RENT_PER_BYTE 32u

struct stream {
    uint64_t tag;
    uint64_t ends[N_ENDS];
    uint32_t n_ends, next;
};

struct heat {
    uint64_t tag, rent;
};

struct wfs_access {
    pthread_mutex_t lock;
    struct stream streams[N_STREAMS];
    struct heat heats[N_HEATS];
};

struct wfs_access *wfs_access_new(void)
{
    struct wfs_access *access = calloc(1, sizeof *access);
    if (access)
        pthread_mutex_init(&access->lock, NULL);
    return access;
}

void wfs_access_free(struct wfs_access *access)
{
    if (!access)
        return;
    pthread_mutex_destroy(&access->lock);
    free(access);
}

/* Never returns 0, which marks an unused slot. */
static uint64_t tag_of(const struct wfs_hash *hash, uint64_t salt)
{
    uint64_t h;
    memcpy(&h, hash->bytes, sizeof h);
    h = (h ^ salt) * UINT64_C(0x9e3779b97f4a7c15);
    return h | 1;
}

static bool is_near(uint64_t off, uint64_t len, uint64_t end)
{
    uint64_t window =
        wfs_max_u64(NEAR_BYTES, len > UINT64_MAX / NEAR_READS ? len : len * NEAR_READS);
    uint64_t distance = off > end ? off - end : end - off;
    return distance <= window;
}

bool wfs_access_note(struct wfs_access *access, const struct wfs_hash *hash, uint64_t off,
                     uint64_t len)
{
    uint64_t tag = tag_of(hash, 0);
    pthread_mutex_lock(&access->lock);
    struct stream *s = &access->streams[(tag >> 32) % N_STREAMS];
    if (s->tag != tag)
        *s = (struct stream){.tag = tag};
    uint32_t at = 0;
    while (at < s->n_ends && !is_near(off, len, s->ends[at]))
        at++;
    bool near = at < s->n_ends;
    if (near) {
        s->ends[at] = off + len;
    } else {
        s->ends[s->next] = off + len;
        s->next = (s->next + 1) % N_ENDS;
        if (s->n_ends < N_ENDS)
            s->n_ends++;
    }
    pthread_mutex_unlock(&access->lock);
    return near;
}

bool wfs_access_is_hot(struct wfs_access *access, const struct wfs_block_key *key,
                       uint64_t block_bytes, uint64_t len)
{
    uint64_t tag = tag_of(&key->hash, key->number + 1);
    pthread_mutex_lock(&access->lock);
    struct heat *heat = &access->heats[(tag >> 32) % N_HEATS];
    if (heat->tag != tag)
        *heat = (struct heat){.tag = tag};
    /* Compared by division, so that no length overflows. */
    bool hot = len >= (block_bytes - wfs_min_u64(block_bytes, heat->rent)) / RENT_PER_BYTE;
    if (hot)
        heat->rent = 0;
    else
        heat->rent += len * RENT_PER_BYTE;
    pthread_mutex_unlock(&access->lock);
    return hot;
}
