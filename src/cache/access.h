/*
 * access.h - a small memory of how expressions are read, to tell readers that will want a whole
 * block (sequential, adjacent, or coming back) from isolated small reads, which thrash panels and
 * are gathered directly. Fixed size, approximate: a collision costs speed only. Thread-safe.
 */
#ifndef WEIGHTFS_CACHE_ACCESS_H
#define WEIGHTFS_CACHE_ACCESS_H

#include "cache/pool/pool.h"

struct wfs_access;
struct wfs_access *wfs_access_new(void); /* NULL when out of memory */
void wfs_access_free(struct wfs_access *access);
/* Records the read [off, off + len) of what `hash` names; true where it continues (or stands
 * beside) a recent one. */
bool wfs_access_note(struct wfs_access *access, const struct wfs_hash *hash, uint64_t off,
                     uint64_t len);
/* True where reading len bytes of the block is no longer worth doing directly: what direct gathers
 * of this block have cost so far, this one included, comes to the cost of computing it. */
bool wfs_access_is_hot(struct wfs_access *access, const struct wfs_block_key *key,
                       uint64_t block_bytes, uint64_t len);

#endif
