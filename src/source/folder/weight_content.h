/*
 * weight_content.h - does a file hold weights, by its first bytes?
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_WEIGHT_CONTENT_H
#define WEIGHTFS_SOURCE_FOLDER_WEIGHT_CONTENT_H

#include "bytes/bytes.h"

int wfs_weight_content(struct wfs_bytes *bytes, bool *ret_is_weights, struct wfs_error *err);

#endif
