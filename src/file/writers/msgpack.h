/*
 * msgpack.h - a manifest as flax.serialization's msgpack.
 */
#ifndef WEIGHTFS_FILE_WRITERS_MSGPACK_H
#define WEIGHTFS_FILE_WRITERS_MSGPACK_H

#include "file/file.h"

/* The functions of a struct wfs_writer (file.h). */
int wfs_msgpack_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                        const char **ret);
int wfs_msgpack_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                     const struct wfs_vfile **ret, struct wfs_error *err);

#endif
