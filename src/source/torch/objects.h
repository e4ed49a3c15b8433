/*
 * objects.h - a checkpoint's object becomes tensors, plain values and trees of the catalog.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_OBJECTS_H
#define WEIGHTFS_SOURCE_TORCH_OBJECTS_H

#include "source/torch/torch.h"

/* Adds every tensor of t->pickle.root to the catalog, the plain values to objects_json, the trees
 * to the roots, and notes. */
int wfs_torch_catalog(struct wfs_torch *t, struct wfs_error *err);

#endif
