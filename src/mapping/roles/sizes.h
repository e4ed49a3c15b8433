/*
 * sizes.h - a set of axis lengths.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_SIZES_H
#define WEIGHTFS_MAPPING_ROLES_SIZES_H

#include "base/base.h"

struct wfs_sizes {
    uint64_t *v; /* malloc'd */
    size_t n, cap;
};
int wfs_sizes_add(struct wfs_sizes *sizes, uint64_t size); /* 0 or -ENOMEM */
/* Once all are added, before the first question. */
void wfs_sizes_sort(struct wfs_sizes *sizes);
bool wfs_sizes_have(const struct wfs_sizes *sizes, uint64_t size);
void wfs_sizes_free(struct wfs_sizes *sizes);

#endif
