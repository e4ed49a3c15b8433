/*
 * pickle.h - pickles as plain trees of nodes. Nothing is imported, called or executed: a pickle is
 * a program for a stack machine, and this machine only ever builds nodes.
 *
 * Calls of a closed table of globals that mean plain containers (OrderedDict, set, torch.Size,
 * _codecs.encode, ...) become those containers; every other call is a CALL node that records what
 * would have been called with what, for torch_object.c (which knows torch._utils._rebuild_*) or for
 * showing (an opaque object).
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_H

#include "source/torch/pickle/node.h"
#include "source/torch/pickle/pickle_globals.h"

/* Runs one pickle from the cursor's position through its STOP; protocols 0 to 5. -EINVAL naming
 * the byte: cut off, an unknown opcode, a stack or memo that does not hold what is asked for, or a
 * bound exceeded. Nodes live in the arena. */
int wfs_pickle_parse(struct wfs_arena *arena, struct wfs_cursor *cur, struct wfs_pickle *ret,
                     struct wfs_error *err);

#endif
