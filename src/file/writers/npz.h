/*
 * npz.h - a manifest as an .npz.
 */
#ifndef WEIGHTFS_FILE_WRITERS_NPZ_H
#define WEIGHTFS_FILE_WRITERS_NPZ_H

#include "file/file.h"

/* The functions of a struct wfs_writer (file.h). */
int wfs_npz_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena, const char **ret);
int wfs_npz_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                 const struct wfs_vfile **ret, struct wfs_error *err);

#endif
