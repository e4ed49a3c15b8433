/*
 * refusal.h - why a writer cannot hold a manifest: what all writers refuse, and how it is worded.
 */
#ifndef WEIGHTFS_FILE_WRITERS_REFUSAL_H
#define WEIGHTFS_FILE_WRITERS_REFUSAL_H

#include "file/file.h"

/* The reason where the manifest's tensors together are larger than a file can be; else NULL. */
const char *wfs_refuses_size(const struct wfs_manifest *manifest);
/* "NAME: ..." in the arena; a fixed text where memory is out (a refusal never becomes NULL). */
const char *wfs_refusal(struct wfs_arena *arena, const struct wfs_manifest *manifest,
                        const struct wfs_manifest_entry *entry, const char *fmt, ...)
    WFS_PRINTF(4, 5);

#endif
