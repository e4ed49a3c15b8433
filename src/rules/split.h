/*
 * split.h - a name split into its components once, with a hash each, so that most patterns are
 * refused by comparing two numbers.
 */
#ifndef WEIGHTFS_RULES_SPLIT_H
#define WEIGHTFS_RULES_SPLIT_H

#include <string.h>

#include "rules/rules.h"

/* FNV-1a: only in memory, never stored. 0 is kept for "not a lone literal". */
static inline uint64_t wfs_component_hash(const char *s, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)s[i]) * UINT64_C(1099511628211);
    return h ? h : 1;
}

struct wfs_component {
    const char *s;
    uint32_t len;
    uint64_t hash;
};
struct wfs_split {
    const char *path;
    uint32_t n;
    const struct wfs_component *components;
};
int wfs_split_path(struct wfs_arena *arena, const char *path, struct wfs_split *ret,
                   struct wfs_error *err);

#endif
