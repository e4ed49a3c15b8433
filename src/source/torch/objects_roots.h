/*
 * objects_roots.h - which of a checkpoint's trees is the state dict that views map.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_OBJECTS_ROOTS_H
#define WEIGHTFS_SOURCE_TORCH_OBJECTS_ROOTS_H

#include "source/torch/objects_walk.h"

/* Chooses among the trees of the walk, and fills the catalog's roots. */
int wfs_objects_settle_roots(struct wfs_objects_walk *w, struct wfs_error *err);

#endif
