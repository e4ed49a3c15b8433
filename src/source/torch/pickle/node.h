/*
 * node.h - what a pickle says: a tree of plain nodes.
 *
 * Nodes may be shared (by the memo) and may contain themselves: whoever walks them bounds depth and
 * visits.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_NODE_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_NODE_H

#include "bytes/bytes.h"

enum wfs_node_kind {
    WFS_NODE_NONE,
    WFS_NODE_BOOL,   /* i */
    WFS_NODE_INT,    /* i */
    WFS_NODE_LONG,   /* str: beyond int64, two's complement little-endian */
    WFS_NODE_FLOAT,  /* f */
    WFS_NODE_STR,    /* str, valid UTF-8 */
    WFS_NODE_BYTES,  /* str; also bytearray and text that is not UTF-8 */
    WFS_NODE_TUPLE,  /* items[n] */
    WFS_NODE_LIST,   /* items[n] */
    WFS_NODE_SET,    /* items[n]; also frozenset */
    WFS_NODE_DICT,   /* items[2 n]: key, value, key, value ... in file order */
    WFS_NODE_GLOBAL, /* global: a class or function that was named */
    WFS_NODE_CALL,   /* call: a call or an instance that was not made */
    WFS_NODE_PERSID, /* items[0]: a persistent id */
};

struct wfs_node;

struct wfs_node_str {
    const char *data; /* NUL-terminated; NULL where it was too long to keep (see file_off) */
    uint64_t len;
};
struct wfs_node_global {
    const char *module, *name;
};
struct wfs_node_call {
    const struct wfs_node *callee, *args; /* args: NULL where the pickle gave none */
    const struct wfs_node *state;         /* of BUILD, or NULL */
    struct wfs_node *items;               /* LIST of what was appended, or NULL */
    struct wfs_node *entries;             /* DICT of what was set, or NULL */
    bool is_instance;                     /* NEWOBJ, OBJ, INST: callee is a class */
};

struct wfs_node {
    uint8_t kind;        /* enum wfs_node_kind */
    uint8_t global_kind; /* enum wfs_global_kind: of a GLOBAL, and of a CALL's callee */
    uint8_t is_mapped;   /* DICT: attributes of an object (a BUILD merges into it) */
    uint8_t is_open;     /* for whoever walks the nodes: inside this container right now */
    uint32_t n;          /* items; DICT: pairs */
    union {
        int64_t i;
        double f;
        const struct wfs_node_str *str;
        struct wfs_node **items;
        const struct wfs_node_global *global;
        struct wfs_node_call *call;
    };
    uint64_t file_off; /* STR, BYTES, LONG: of the payload; else of the opcode */
};

/* A global known from attacks that the pickle names. */
struct wfs_pickle_danger {
    const char *name; /* "os.system" */
    uint64_t file_off;
};

#define WFS_PICKLE_MAX_DANGERS 64

struct wfs_pickle {
    const struct wfs_node *root;
    uint64_t begin_off, end_off; /* after STOP */
    uint32_t n_nodes;
    uint32_t n_persids;
    const struct wfs_node **persids; /* PERSID nodes in file order */
    uint32_t n_dangers;              /* the first WFS_PICKLE_MAX_DANGERS are kept */
    struct wfs_pickle_danger *dangers;
};

/* All accept NULL, and answer false or NULL where a node is not of that kind. */
bool wfs_node_is_str(const struct wfs_node *node, const char *s);
bool wfs_node_u64(const struct wfs_node *node, uint64_t *ret); /* INT or BOOL >= 0 */
bool wfs_node_i64(const struct wfs_node *node, int64_t *ret);
/* The text of a STR (NUL-terminated; a NUL inside cuts it: compare lengths where that matters). */
const char *wfs_node_text(const struct wfs_node *node);
/* Item i of a TUPLE or LIST. */
const struct wfs_node *wfs_node_item(const struct wfs_node *node, uint32_t i);
/* The last value of a str key of a DICT, as Python's dict keeps it. */
const struct wfs_node *wfs_node_get(const struct wfs_node *node, const char *key);

#endif
