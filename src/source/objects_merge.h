/*
 * objects_merge.h - the plain values of the shards of one tree.
 */
#ifndef WEIGHTFS_SOURCE_OBJECTS_MERGE_H
#define WEIGHTFS_SOURCE_OBJECTS_MERGE_H

#include "source/source.h"

/* Merges an object of plain values (one that a reader wrote, without arrays) into objects_json; a
 * conflict is noted with the file's name. */
int wfs_objects_merge(struct wfs_catalog *catalog, const char *json, const char *file,
                      struct wfs_error *err);

#endif
