/*
 * pickle_build.h - opcodes that make and fill containers and persistent ids.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_BUILD_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_BUILD_H

#include "source/torch/pickle/pickle_machine.h"

wfs_pickle_op wfs_pickle_op_empty, wfs_pickle_op_tuple, wfs_pickle_op_from_mark;
wfs_pickle_op wfs_pickle_op_append, wfs_pickle_op_set_item, wfs_pickle_op_persid;

/* Adds to a TUPLE, LIST, SET (one) or DICT (a pair). */
int wfs_pickle_add(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *item);
int wfs_pickle_add_pair(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *key,
                        struct wfs_node *value);

#endif
