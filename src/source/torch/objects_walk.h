/*
 * objects_walk.h - the walk over a checkpoint's object: where it is, what it may still take, and the
 * trees that were found.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_OBJECTS_WALK_H
#define WEIGHTFS_SOURCE_TORCH_OBJECTS_WALK_H

#include "source/torch/torch.h"

/* Beyond this, values are named in objects.json, not shown. */
#define OBJECTS_MAX_JSON_BYTES (16u << 20)
#define OBJECTS_MAX_DEPTH      200
/* How deep containers may nest. That is deeper than paths are, since a module's state and its dict
 * of modules have no name in the path. */
#define OBJECTS_MAX_NESTING (4 * OBJECTS_MAX_DEPTH)
/* Bounds on the path of one tensor, and on all paths, and all keys, together: one long key may have
 * many tensors below it, and one long text may be many keys. */
#define OBJECTS_PATH_MAX_BYTES  (1u << 16)
#define OBJECTS_PATHS_MAX_BYTES (UINT64_C(256) << 20)
/* A tensor takes more bytes of its file than this, in its pickle, its record and its data; what
 * names one tensor again and again, in a pickle that is deflated, does not. */
#define OBJECTS_BYTES_A_TENSOR 16u
#define OBJECTS_FREE_TENSORS   65536u
/* Containers that may be a state dict: the outer ones only. */
#define OBJECTS_MAX_TREES      1024
#define OBJECTS_MAX_TREE_DEPTH 4

/* A container that holds tensors, in the order in which the walk entered it. */
struct wfs_objects_tree {
    const char *path;    /* WFS_SEP path */
    const char *key;     /* its own key in the parent */
    uint32_t parent;     /* index; the first is its own parent */
    uint32_t first, end; /* its tensors in the catalog */
    uint32_t n_direct;   /* tensors that are values of it */
    bool is_optimizer;   /* param_groups beside state */
    bool is_module;      /* a whole nn.Module, or a TorchScript one: one state dict */
};

struct wfs_objects_walk {
    struct wfs_torch *t;
    struct wfs_error *err;
    struct wfs_buf path; /* components of where the walk is */
    struct wfs_buf json;
    uint64_t visits_left;
    uint64_t tensors_left;            /* that may be named, shown or not */
    uint64_t paths_bytes, keys_bytes; /* so far */
    bool was_cut;                     /* a value, for want of room in the JSON */
    uint32_t depth;                   /* components of the path */
    uint32_t nesting;                 /* containers */
    uint32_t n_trees;
    struct wfs_objects_tree *trees;
    bool skips_aliases; /* of what is below: tensors that were shown are not shown again */
    bool is_muted;      /* below a key that is no name: tensors are counted, not shown */
    uint64_t n_muted;
    uint32_t n_refused;
    const char *first_refusal;
};

/* Goes down to a component of the path, split at its dots where is_split; and back to a path of len
 * bytes. */
void wfs_objects_enter(struct wfs_objects_walk *w, const char *component, bool is_split);
void wfs_objects_leave(struct wfs_objects_walk *w, size_t len);
/* A copy of the path as it is now, counted against what all of them may have. */
int wfs_objects_path(struct wfs_objects_walk *w, const char **ret);
/* Adds a tensor under the path as it is now; the bytes of it from key_at on are its own key.
 * *ret_index: the tensor's, or of what is shown in its place; WFS_NO_INDEX: it is refused. */
int wfs_objects_add(struct wfs_objects_walk *w, const struct wfs_torch_tensor *found, size_t key_at,
                    uint32_t *ret_index);
/* Notes that the tensor of the path as it is now is not shown, and why. */
int wfs_objects_refuse(struct wfs_objects_walk *w, const struct wfs_error *why);

#endif
