/*
 * export_target.h - which file of a view an export writes, and what tells that parts which several
 * machines write are of one checkpoint.
 */
#ifndef WEIGHTFS_CLI_EXPORT_TARGET_H
#define WEIGHTFS_CLI_EXPORT_TARGET_H

#include "cli/options/views.h"
#include "tree/tree.h"

/* The file of a view that FILE names: `as` where it is not NULL, else FILE's own name, or the
 * loader file of its extension ("x.safetensors", "x.msgpack", "x.bin", "x.pt", "x.npz"); of "x.gguf"
 * model.gguf, of "x-Q8_0.gguf" model-Q8_0.gguf. -ENOENT saying what there is; -EINVAL for a type of GGUF files
 * that nothing here makes. */
int wfs_export_find(const struct wfs_session *session, const struct wfs_plan *plan,
                    const char *file, const char *as, uint32_t *ret_node, struct wfs_error *err);
/* Where no view was named, a FILE of GGUF's extension means the view gguf. */
void wfs_export_choose_view(struct wfs_options *options, const char *file);
/* A hash of the files' names and sizes and of what the view does with each tensor: equal on all
 * machines that see the same checkpoint, whatever device and inode numbers it has there. */
struct wfs_hash wfs_export_source_id(const struct wfs_session *session,
                                     const struct wfs_plan *plan);
/* A hash of the files' inodes, mtimes and ctimes: it changes when a file of the checkpoint is
 * written, replaced or touched. Devices do not count, since each machine numbers them by itself. */
struct wfs_hash wfs_export_state_id(const struct wfs_session *session);
/* -EINVAL where `file` is one of the checkpoint's own. */
int wfs_export_check_apart(const struct wfs_session *session, const char *file,
                           struct wfs_error *err);
/* -EINVAL where `file` or FILE.partial, which an export writes first, is the checkpoint's own. */
int wfs_export_check_target(const struct wfs_session *session, const char *file,
                            struct wfs_error *err);

#endif
