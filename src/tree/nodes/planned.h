/*
 * planned.h - a virtual file that is planned when its size or its bytes are first asked for: four
 * loader files of 100,000 tensors would cost more than the mount itself.
 */
#ifndef WEIGHTFS_TREE_NODES_PLANNED_H
#define WEIGHTFS_TREE_NODES_PLANNED_H

#include <pthread.h>

#include "tree/tree.h"

struct wfs_tree_file;
/* Plans the file into `arena`, which lives as long as the tree does. */
typedef int (*wfs_tree_plan_fn)(const struct wfs_session *session, const struct wfs_tree_file *file,
                                struct wfs_arena *arena, const struct wfs_vfile **ret,
                                struct wfs_error *err);

/* The payload of a WFS_NODE_VFILE: planned when its size or bytes are first asked for. */
struct wfs_tree_file {
    wfs_tree_plan_fn plan_fn;
    const void *ctx;                  /* what the function that plans the file needs */
    uint32_t plan;                    /* the view it belongs to; WFS_NO_INDEX: info */
    const struct wfs_side_file *side; /* a passed-through file: opened anew at each open */
    pthread_mutex_t lock;
    struct wfs_arena *arena; /* the arena of the planned file; guarded by lock */
    /* is set when the file has been planned, and never changed after */
    _Atomic(const struct wfs_vfile *) file;
};
/* Plans the file where that is not done yet. A failure is not remembered: the next call tries
 * again. */
int wfs_tree_file_get(const struct wfs_session *session, struct wfs_tree_file *file,
                      const struct wfs_vfile **ret, struct wfs_error *err);
void wfs_tree_file_free(struct wfs_tree_file *file);

#endif
