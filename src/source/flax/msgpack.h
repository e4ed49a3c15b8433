/*
 * msgpack.h (private) - a msgpack document as a tree of nodes: structure and plain values are kept,
 * the bytes of arrays stay where they lie.
 */
#ifndef WEIGHTFS_SOURCE_FLAX_MSGPACK_H
#define WEIGHTFS_SOURCE_FLAX_MSGPACK_H

#include "source/numpy/npy_header.h"

#define MSGPACK_MAX_DEPTH 1024    /* as deep as flax.serialization goes */
#define MSGPACK_MAX_NODES 8000000 /* a hostile file of nils must not become gigabytes */
/* The key that makes a map one array in chunks (see flax_msgpack.c). */
#define MSGPACK_CHUNKED_KEY "__msgpack_chunked_array__"
#define MSGPACK_MAX_TEXT    (1 << 20) /* a plain string or a key */

enum wfs_msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INT,
    MSGPACK_UINT,
    MSGPACK_FLOAT,
    MSGPACK_TEXT,
    MSGPACK_COMPLEX, /* ext 2 */
    MSGPACK_BYTES,   /* bin, and text that is too long or no UTF-8: size only */
    MSGPACK_MAP,
    MSGPACK_LIST,
    MSGPACK_ARRAY,  /* ext 1 and 3: a tensor */
    MSGPACK_OPAQUE, /* any other ext */
};

struct wfs_msgpack_array {
    struct wfs_npy_header header; /* dtype, byte order, shape */
    uint64_t off;                 /* of the data in the file */
};

struct wfs_msgpack_node {
    const char *key;               /* inside a map; NULL inside a list */
    struct wfs_msgpack_node *next; /* sibling, in file order */
    enum wfs_msgpack_kind kind;
    bool has_plain; /* a plain value is in it: chunked arrays and arrays hold none */
    union {
        bool boolean;
        int64_t i;
        uint64_t u; /* UINT, and the size of BYTES and OPAQUE */
        double f;
        double complex_parts[2];
        const char *text;
        const struct wfs_msgpack_array *array;
        struct {
            struct wfs_msgpack_node *first;
            uint32_t n;
        } children;
    } u;
};

/* The one document that bytes are; nodes and names live in the arena. Refused: cut off or trailing
 * bytes, keys that are no strings, a key twice in a map, nesting and lengths beyond the bounds. */
int wfs_msgpack_parse(struct wfs_arena *arena, struct wfs_bytes *bytes,
                      struct wfs_msgpack_node **ret, struct wfs_error *err);

#endif
