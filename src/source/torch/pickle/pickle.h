/*
 * pickle.h - pickles as plain trees of nodes. Nothing is imported, called or executed: a pickle is
 * a program for a stack machine, and this machine only ever builds nodes.
 *
 * Calls of a closed table of globals that mean plain containers (OrderedDict, set, torch.Size,
 * _codecs.encode, ...) become those containers; every other call is a CALL node that records what
 * would have been called with what, for torch_object.c (which knows torch._utils._rebuild_*) or for
 * showing (an opaque object). Nodes may be shared (memo) and may contain themselves: whoever walks
 * them bounds depth and visits.
 */
#ifndef WEIGHTFS_SOURCE_PICKLE_H
#define WEIGHTFS_SOURCE_PICKLE_H

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

/* Globals that something here understands; the rest is WFS_GLOBAL_UNKNOWN. */
enum wfs_global_kind {
    WFS_GLOBAL_UNKNOWN,
    WFS_GLOBAL_ORDERED_DICT, /* and other dict classes: a DICT */
    WFS_GLOBAL_DEFAULT_DICT,
    WFS_GLOBAL_COUNTER,
    WFS_GLOBAL_NAMESPACE, /* a DICT of its attributes */
    WFS_GLOBAL_LIST,
    WFS_GLOBAL_TUPLE,
    WFS_GLOBAL_SET,
    WFS_GLOBAL_FROZEN_SET,
    WFS_GLOBAL_SIZE, /* torch.Size(tuple): a TUPLE */
    WFS_GLOBAL_BYTES,
    WFS_GLOBAL_BYTE_ARRAY,
    WFS_GLOBAL_CODECS_ENCODE,
    WFS_GLOBAL_RECONSTRUCTOR, /* copy_reg._reconstructor(cls, base, state) */
    WFS_GLOBAL_GETATTR,       /* dangerous, never followed */
    /* torch: the call stays a CALL node */
    WFS_GLOBAL_REBUILD_TENSOR,
    WFS_GLOBAL_REBUILD_TENSOR_V2,
    WFS_GLOBAL_REBUILD_TENSOR_V3,
    WFS_GLOBAL_REBUILD_PARAMETER,
    WFS_GLOBAL_REBUILD_PARAMETER_WITH_STATE,
    WFS_GLOBAL_REBUILD_FROM_TYPE,
    WFS_GLOBAL_REBUILD_FROM_TYPE_V2,
    WFS_GLOBAL_REBUILD_QTENSOR,
    WFS_GLOBAL_REBUILD_SPARSE,
    WFS_GLOBAL_REBUILD_NESTED,
    WFS_GLOBAL_REBUILD_META,
    WFS_GLOBAL_REBUILD_WRAPPER,
    WFS_GLOBAL_REBUILD_FROM_NUMPY,
    WFS_GLOBAL_REBUILD_FROM_CPU,
    WFS_GLOBAL_GET_LAYOUT,
    WFS_GLOBAL_PARAMETER,     /* torch.nn.parameter.Parameter, Buffer, torch.Tensor as a class */
    WFS_GLOBAL_TORCH_STORAGE, /* torch.FloatStorage ...: name is the column of the dtype table */
    WFS_GLOBAL_NUMPY_RECONSTRUCT,
    WFS_GLOBAL_NUMPY_FROMBUFFER,
    WFS_GLOBAL_NUMPY_SCALAR,
    WFS_GLOBAL_NUMPY_DTYPE,
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

/* Runs one pickle from the cursor's position through its STOP; protocols 0 to 5. -EINVAL naming
 * the byte: cut off, an unknown opcode, a stack or memo that does not hold what is asked for, or a
 * bound exceeded. Nodes live in the arena. */
int wfs_pickle_parse(struct wfs_arena *arena, struct wfs_cursor *cur, struct wfs_pickle *ret,
                     struct wfs_error *err);

/* Small helpers for those who read nodes; all accept NULL and answer false or NULL. */
bool wfs_node_is_str(const struct wfs_node *node, const char *s);
bool wfs_node_u64(const struct wfs_node *node, uint64_t *ret); /* INT or BOOL >= 0 */
bool wfs_node_i64(const struct wfs_node *node, int64_t *ret);
/* The text of a STR (NUL-terminated; a NUL inside cuts it: compare lengths where that matters). */
const char *wfs_node_text(const struct wfs_node *node);
/* Item i of a TUPLE or LIST. */
const struct wfs_node *wfs_node_item(const struct wfs_node *node, uint32_t i);
/* The last value of a str key of a DICT, as Python's dict keeps it. */
const struct wfs_node *wfs_node_get(const struct wfs_node *node, const char *key);
bool wfs_node_is_global(const struct wfs_node *node, const char *module, const char *name);
/* True where a global of this name is one that attacks use. */
bool wfs_global_is_dangerous(const char *module, const char *name);
enum wfs_global_kind wfs_global_kind(const char *module, const char *name);

#endif
