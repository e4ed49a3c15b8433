/*
 * writer.h - what the writers share: the descriptors, and how a refusal is worded.
 */
#ifndef WEIGHTFS_FILE_WRITER_H
#define WEIGHTFS_FILE_WRITER_H

#include "file/file.h"

extern const struct wfs_writer wfs_msgpack_writer;
extern const struct wfs_writer wfs_npz_writer;
extern const struct wfs_writer wfs_safetensors_writer;
extern const struct wfs_writer wfs_torch_writer;

/* The manifest's tensors together are larger than a file can be: the reason; else NULL. */
const char *wfs_writer_refuses_size(const struct wfs_manifest *manifest);
/* "NAME: ..." in the arena; a fixed text where memory is out (a refusal never becomes NULL). */
const char *wfs_writer_refusal(struct wfs_arena *arena, const struct wfs_manifest *manifest,
                               const struct wfs_manifest_entry *entry, const char *fmt, ...)
    WFS_PRINTF(4, 5);

#endif
