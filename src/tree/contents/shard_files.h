/*
 * shard_files.h - model.safetensors in shards, where -o shards= asks for it.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_SHARD_FILES_H
#define WEIGHTFS_TREE_CONTENTS_SHARD_FILES_H

#include "tree/nodes/builder.h"

/* Whether -o shards= was given and the view has PyTorch's names, whose loaders know shards. */
bool wfs_tree_wants_shards(const struct wfs_session *session, const struct wfs_plan *plan);
int wfs_tree_add_shard_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                             struct wfs_error *err);

#endif
