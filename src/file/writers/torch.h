/*
 * torch.h - a manifest as what torch.save makes of {name: tensor}.
 */
#ifndef WEIGHTFS_FILE_WRITERS_TORCH_H
#define WEIGHTFS_FILE_WRITERS_TORCH_H

#include "file/file.h"

/* The functions of a struct wfs_writer (file.h). */
int wfs_torch_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                      const char **ret);
int wfs_torch_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                   const struct wfs_vfile **ret, struct wfs_error *err);

#endif
