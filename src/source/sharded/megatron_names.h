/*
 * megatron_names.h - what the names of Megatron-LM's parameters say.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_MEGATRON_NAMES_H
#define WEIGHTFS_SOURCE_SHARDED_MEGATRON_NAMES_H

#include "source/source.h"

/* The axis along which the ranks' parts of a tensor lie one after the other; -1: copies. False where
 * the name is not known: a tensor of more than one axis may be cut along any of them. */
bool wfs_megatron_axis(const struct wfs_tensor *t, int32_t *ret);
/* A projection that holds gate and up one after the other where the model has gated units. */
bool wfs_megatron_may_be_gated(const char *name);
/* The number after the first "layers" of a path, as a part of it; NULL where there is none. */
const char *wfs_megatron_layer(const char *path, size_t *ret_len);

#endif
