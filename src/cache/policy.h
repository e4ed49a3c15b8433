/*
 * policy.h - when the index is worth it. cache=auto measures, per mount, how fast blocks are
 * computed and how fast they come out of the index, and keeps or reads a block there only where
 * that is faster; always and off are the user's word. Thread-safe.
 */
#ifndef WEIGHTFS_CACHE_POLICY_H
#define WEIGHTFS_CACHE_POLICY_H

#include <pthread.h>

#include "cache/cache.h"

struct wfs_policy {
    pthread_mutex_t lock;
    enum wfs_cache_mode mode;
    double compute_rate, index_rate; /* bytes a second, moving averages; 0: not measured */
    uint64_t n_since_probe;          /* blocks since the slower way was last measured */
};

void wfs_policy_init(struct wfs_policy *policy, enum wfs_cache_mode mode, bool is_network);
void wfs_policy_destroy(struct wfs_policy *policy);
/* Asked before a block is made: true = look in the index first. */
bool wfs_policy_wants_index(struct wfs_policy *policy);
/* Asked after one was computed: true = hand it to the writer. */
bool wfs_policy_wants_keep(struct wfs_policy *policy);
void wfs_policy_note_compute(struct wfs_policy *policy, uint64_t n_bytes, uint64_t ns);
void wfs_policy_note_index(struct wfs_policy *policy, uint64_t n_bytes, uint64_t ns);

#endif
