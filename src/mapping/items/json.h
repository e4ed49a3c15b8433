/*
 * json.h - JSON files in memory, bounded. Public to the stages above.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_JSON_H
#define WEIGHTFS_MAPPING_ITEMS_JSON_H

#include "source/source.h"

struct json_t;

/* Reads a JSON file of at most max_bytes; free with json_decref. Infinity and NaN, which Python
 * writes and JSON does not have, become null. -EINVAL naming the place of what is no JSON. */
int wfs_json_load(const char *path, uint64_t max_bytes, struct json_t **ret, struct wfs_error *err);
/* The same of a file of the checkpoint's folder: -EACCES where its links are not followed for others. */
int wfs_json_load_of(const struct wfs_catalog *catalog, const char *path, uint64_t max_bytes,
                     struct json_t **ret, struct wfs_error *err);

#endif
