/*
 * plain_config.h - config.json of a view that shows quantised weights by their values: without what says
 * that they are quantised, so that a loader takes it for the plain model that it is.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_PLAIN_CONFIG_H
#define WEIGHTFS_TREE_CONTENTS_PLAIN_CONFIG_H

#include "tree/nodes/builder.h"

/* After the loader files, before what is passed through. */
int wfs_tree_add_plain_config(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                              struct wfs_error *err);
/* Files that say how weights are quantised, and nothing else: no such view has them. */
bool wfs_is_quantiser_file(const char *name);

#endif
