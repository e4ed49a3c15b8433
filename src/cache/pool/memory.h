/*
 * memory.h - how much memory a mount may use when the user did not say.
 */
#ifndef WEIGHTFS_CACHE_POOL_MEMORY_H
#define WEIGHTFS_CACHE_POOL_MEMORY_H

#include "base/base.h"

/* min(256 MiB, 1/8 of what the cgroup or the machine has). */
uint64_t wfs_memory_default(void);
/* The smallest memory limit on the way from the process's cgroup up to the root, versions 1 and 2;
 * UINT64_MAX when there is none. `proc_cgroup` is /proc/self/cgroup's text; `root` /sys/fs/cgroup.
 */
uint64_t wfs_memory_cgroup_limit(const char *proc_cgroup, const char *root);

#endif
