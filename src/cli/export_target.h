/*
 * export_target.h - which file of a view an export writes, and what names the checkpoint on every machine.
 */
#ifndef WEIGHTFS_CLI_EXPORT_TARGET_H
#define WEIGHTFS_CLI_EXPORT_TARGET_H

#include "tree/tree.h"

/* The file of a view that FILE names: `as` where it is not NULL, else FILE's own name, or the
 * loader file of its extension ("x.safetensors", "x.msgpack", "x.bin", "x.pt", "x.npz"). -ENOENT
 * saying what there is. */
int wfs_export_find(const struct wfs_session *session, const struct wfs_plan *plan,
                    const char *file, const char *as, uint32_t *ret_node, struct wfs_error *err);
/* Equal where the same files are mapped the same way, whatever their device and inode are called
 * there: names, sizes, and what the view does with each tensor. */
struct wfs_hash wfs_export_source_id(const struct wfs_session *session,
                                     const struct wfs_plan *plan);
/* Equal until a file of the checkpoint is written, replaced or touched: inodes and times. No
 * device, which each machine numbers by itself. */
struct wfs_hash wfs_export_state_id(const struct wfs_session *session);
/* -EINVAL where `file` is one of the checkpoint's own. */
int wfs_export_check_apart(const struct wfs_session *session, const char *file,
                           struct wfs_error *err);
/* The same of `file` and of FILE.partial, which an export writes first. */
int wfs_export_check_target(const struct wfs_session *session, const char *file,
                            struct wfs_error *err);

#endif
