/*
 * size.h - sizes as people write them.
 */
#ifndef WEIGHTFS_CLI_OPTIONS_SIZE_H
#define WEIGHTFS_CLI_OPTIONS_SIZE_H

#include "base/base.h"

/* "4096", "64K", "1.5GiB": binary units. -EINVAL. */
int wfs_options_parse_size(const char *text, uint64_t *ret, struct wfs_error *err);

#endif
