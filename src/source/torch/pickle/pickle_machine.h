/*
 * pickle_machine.h - the state of the pickle machine, for the files of opcodes only.
 *
 * Everything that a file can make large is bounded against the bytes that were read for it.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_MACHINE_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_MACHINE_H

#include "source/torch/pickle/node.h"

#define PICKLE_MAX_NODES    (1u << 24)
#define PICKLE_MAX_STACK    (1u << 22)
#define PICKLE_MAX_MARKS    (1u << 16)
#define PICKLE_MAX_PROTOCOL 5
/* Integers: bytes of a LONG1/LONG4, digits of text. */
#define PICKLE_MAX_LONG_BYTES 1024u
#define PICKLE_MAX_TEXT_LINE  65536u
/* Longer strings stay in the file: their node has an offset and a length only. */
#define PICKLE_MAX_KEPT_STRING (1u << 20)
/* All kept strings of one pickle. */
#define PICKLE_MAX_KEPT_TOTAL (UINT64_C(256) << 20)
#define PICKLE_NODES_A_SLAB   512u

struct wfs_pickle_machine {
    struct wfs_arena *arena;
    struct wfs_cursor *cur;
    struct wfs_error *err;
    uint64_t begin_off, op_off; /* of the pickle, of the opcode being run */
    struct wfs_node **stack;
    size_t n_stack, cap_stack;
    uint32_t *marks; /* stack heights */
    size_t n_marks, cap_marks;
    struct wfs_node **memo;
    size_t n_memo, cap_memo; /* n_memo: entries that are set, as MEMOIZE counts */
    struct wfs_node *slab;
    uint32_t slab_left;
    uint64_t kept_bytes;   /* of strings */
    uint64_t copied_items; /* by calls that copy a container: a few bytes name it again and again */
    struct wfs_node *none, *truth[2], *empty_tuple;
    struct wfs_node *small_ints[256];
    const struct wfs_node **persids;
    size_t cap_persids;
    struct wfs_pickle out;
    bool stopped;
};

/* -EINVAL: "FILE: pickle at byte N: what". */
int wfs_pickle_fail(struct wfs_pickle_machine *m, const char *what);
int wfs_pickle_nomem(struct wfs_pickle_machine *m);
/* NULL (err set) when out of memory or over PICKLE_MAX_NODES. */
struct wfs_node *wfs_pickle_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind);

/* Pushing NULL is how a failed wfs_pickle_node is passed on. */
int wfs_pickle_push(struct wfs_pickle_machine *m, struct wfs_node *node);
/* NULL (err set) where nothing is above the last mark. */
struct wfs_node *wfs_pickle_pop(struct wfs_pickle_machine *m);
struct wfs_node *wfs_pickle_top(struct wfs_pickle_machine *m);
/* The items above the last mark, which is taken away; they stay readable until the next push. */
int wfs_pickle_pop_mark(struct wfs_pickle_machine *m, struct wfs_node ***ret_items, size_t *ret_n);
/* The height of the stack at the last mark: what lies below is out of reach. */
size_t wfs_pickle_fence(const struct wfs_pickle_machine *m);

/* Bytes of the pickle that were taken so far. */
uint64_t wfs_pickle_bytes_read(const struct wfs_pickle_machine *m);
/* Charges n items copied or bytes kept against what was read: -EINVAL when a few bytes multiply. */
int wfs_pickle_charge_items(struct wfs_pickle_machine *m, uint64_t n);
int wfs_pickle_charge_bytes(struct wfs_pickle_machine *m, uint64_t n);

/* Runs one opcode whose byte was taken. */
typedef int wfs_pickle_op(struct wfs_pickle_machine *m, uint8_t op);

#endif
