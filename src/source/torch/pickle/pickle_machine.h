/*
 * pickle_machine.h - the state of the pickle machine, shared by pickle*.c only.
 *
 * Everything that a file can make large is bounded against the bytes that were read for it.
 */
#ifndef WEIGHTFS_SOURCE_PICKLE_MACHINE_H
#define WEIGHTFS_SOURCE_PICKLE_MACHINE_H

#include "source/torch/pickle/pickle.h"

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

/* ---- pickle.c: the stack ------------------------------------------------------------------- */

/* -EINVAL: "FILE: pickle at byte N: what". */
int pickle_fail(struct wfs_pickle_machine *m, const char *what);
int pickle_nomem(struct wfs_pickle_machine *m);
/* NULL (err set) when out of memory or over PICKLE_MAX_NODES. */
struct wfs_node *pickle_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind);
/* Pushing NULL is how a failed pickle_node is passed on. */
int pickle_push(struct wfs_pickle_machine *m, struct wfs_node *node);
/* NULL (err set) where nothing is above the last mark. */
struct wfs_node *pickle_pop(struct wfs_pickle_machine *m);
struct wfs_node *pickle_top(struct wfs_pickle_machine *m);
/* The items above the last mark, which is taken away; they stay readable until the next push. */
int pickle_pop_mark(struct wfs_pickle_machine *m, struct wfs_node ***ret_items, size_t *ret_n);

/* ---- opcodes by concern; each handler runs one opcode -------------------------------------- */

typedef int pickle_op(struct wfs_pickle_machine *m, uint8_t op);
pickle_op pickle_op_number, pickle_op_text_number; /* pickle_scalar.c */
pickle_op pickle_op_string, pickle_op_text_string;
pickle_op pickle_op_constant, pickle_op_persid; /* pickle_build.c */
pickle_op pickle_op_empty, pickle_op_tuple, pickle_op_from_mark;
pickle_op pickle_op_append, pickle_op_set_item;
pickle_op pickle_op_global, pickle_op_call, pickle_op_build; /* pickle_call.c */
pickle_op pickle_op_extension, pickle_op_buffer;

/* Charges n items copied / bytes kept against what was read: -EINVAL when a few bytes multiply. */
int pickle_charge_items(struct wfs_pickle_machine *m, uint64_t n);
int pickle_charge_bytes(struct wfs_pickle_machine *m, uint64_t n);
/* A line of text up to '\n', NUL-terminated, in the machine's arena. */
int pickle_line(struct wfs_pickle_machine *m, char **ret, size_t *ret_len);
/* A STR or BYTES node over `len` bytes at the cursor. */
struct wfs_node *pickle_string_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind,
                                    uint64_t len);
/* A STR node (BYTES where it is not UTF-8) over bytes that are in the arena already. */
struct wfs_node *pickle_text_node(struct wfs_pickle_machine *m, const char *data, size_t len);
/* Adds to a TUPLE, LIST, SET (one) or DICT (a pair). */
int pickle_add(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *item);
int pickle_add_pair(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *key,
                    struct wfs_node *value);
/* What calling `callee` with `args` stands for. */
struct wfs_node *pickle_call_node(struct wfs_pickle_machine *m, struct wfs_node *callee,
                                  struct wfs_node *args, bool is_instance);

#endif
