/*
 * gguf.h - a GGUF file of a view.
 */
#ifndef WEIGHTFS_FILE_WRITERS_GGUF_H
#define WEIGHTFS_FILE_WRITERS_GGUF_H

#include "file/file.h"

/* The functions of a struct wfs_writer (file.h), for a manifest with `gguf`. */
int wfs_gguf_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                     const char **ret);
int wfs_gguf_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                  const struct wfs_vfile **ret, struct wfs_error *err);

#endif
