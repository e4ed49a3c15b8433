/*
 * beside.h - all small files of exports beside PATH.partial.
 */
#ifndef WEIGHTFS_FILE_EXPORT_BESIDE_H
#define WEIGHTFS_FILE_EXPORT_BESIDE_H

#include "file/file.h"

/* True where any part has left a marker, of whatever number of parts. */
bool wfs_export_any_marked(const char *partial);
/* Calls fn for each whole marker beside `partial`, whatever its plan: the hash of that chunk of a
 * file of size_bytes. */
typedef void (*wfs_export_head_fn)(void *ctx, uint64_t chunk, uint64_t size_bytes,
                                   const char *head);
void wfs_export_each_head(const char *partial, wfs_export_head_fn fn, void *ctx);
/* Removes the declaration and all markers; returns how many there were. */
unsigned wfs_export_unmark(const char *partial);

#endif
