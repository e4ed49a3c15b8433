/*
 * safetensors.h - a manifest as one .safetensors file.
 */
#ifndef WEIGHTFS_FILE_WRITERS_SAFETENSORS_H
#define WEIGHTFS_FILE_WRITERS_SAFETENSORS_H

#include "file/file.h"

/* The functions of a struct wfs_writer (file.h). */
int wfs_safetensors_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                            const char **ret);
int wfs_safetensors_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                         const struct wfs_vfile **ret, struct wfs_error *err);

#endif
