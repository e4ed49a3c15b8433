/*
 * objects.h - what objects*.c share: the walk over a checkpoint's object, its plain values as JSON
 * and the trees that were found.
 */
#ifndef WEIGHTFS_SOURCE_OBJECTS_H
#define WEIGHTFS_SOURCE_OBJECTS_H

#include "source/torch/torch.h"

/* Beyond this, values are named in objects.json, not shown. */
#define OBJECTS_MAX_JSON_BYTES (16u << 20)
#define OBJECTS_MAX_DEPTH      200
/* Not every container has a name in the path: a module's state and its dict of modules do not. */
#define OBJECTS_MAX_NESTING (4 * OBJECTS_MAX_DEPTH)
/* A longer key is none. */
#define OBJECTS_KEY_MAX_BYTES (1u << 16)
/* Of one tensor; of all tensors and trees, and of all keys: one long key has many tensors below it,
 * and one long text is many keys. */
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
struct objects_tree {
    const char *path;    /* WFS_SEP path */
    const char *key;     /* its own key in the parent */
    uint32_t parent;     /* index; the first is its own parent */
    uint32_t first, end; /* its tensors in the catalog */
    uint32_t n_direct;   /* tensors that are values of it */
    bool is_optimizer;   /* param_groups beside state */
    bool is_module;      /* a whole nn.Module, or a TorchScript one: one state dict */
};

struct objects_walk {
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
    struct objects_tree *trees;
    bool skips_aliases; /* of what is below: tensors that were shown are not shown again */
    bool is_muted;      /* below a key that is no name: tensors are counted, not shown */
    uint64_t n_muted;
    uint32_t n_refused;
    const char *first_refusal;
};

/* A plain value (no container, no tensor) as JSON. */
void objects_json_value(struct wfs_buf *out, const struct wfs_node *node);
/* Appends a dict's key as the text of a component, with \xNN for what is not UTF-8; false where it
 * is none (too long, of no kind that has a text): what was looked at is in `out` all the same. */
bool objects_key(struct wfs_buf *out, const struct wfs_node *key);
/* What a key is that is no name: "a text of 70000 bytes". */
void objects_key_kind(struct wfs_buf *out, const struct wfs_node *key);
/* "module.name" of a global or a call's callee. */
void objects_global_name(struct wfs_buf *out, const struct wfs_node *node);
/* Chooses the state dict among the trees and fills the catalog's roots. */
int objects_settle_roots(struct objects_walk *w, struct wfs_error *err);
/* Merges one file's JSON into the catalog's. */
int objects_keep_json(struct objects_walk *w, struct wfs_error *err);

#endif
