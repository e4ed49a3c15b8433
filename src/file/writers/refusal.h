/*
 * refusal.h - why a writer cannot hold a manifest: what all writers refuse, and how it is worded.
 */
#ifndef WEIGHTFS_FILE_WRITERS_REFUSAL_H
#define WEIGHTFS_FILE_WRITERS_REFUSAL_H

#include "file/file.h"

/* The reason where the manifest's tensors together are larger than a file can be; else NULL. */
const char *wfs_refuses_size(const struct wfs_manifest *manifest);
/* *ret becomes "NAME: ..." in the arena. 0 or -ENOMEM. */
int wfs_refusal(struct wfs_arena *arena, const struct wfs_manifest *manifest,
                const struct wfs_manifest_entry *entry, const char **ret, const char *fmt, ...)
    WFS_PRINTF(5, 6);

#endif
