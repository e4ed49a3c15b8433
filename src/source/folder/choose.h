/*
 * choose.h - which files of a folder are the weights.
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_CHOOSE_H
#define WEIGHTFS_SOURCE_FOLDER_CHOOSE_H

#include "source/folder/listing.h"

/* Which entries are the weights: *ret_names is one index, or one or more weight files
 * that are scanned together. What is chosen is checked for being there, not opened. */
int wfs_source_choose(struct wfs_arena *arena, const struct wfs_listing *listing,
                      const char *const **ret_names, uint32_t *ret_n_names, struct wfs_error *err);
/* Of names like x-00002-of-00007.safetensors a set must be whole. */
int wfs_source_check_set(const char *dir, const char *const *names, uint32_t n_names,
                         struct wfs_error *err);

#endif
