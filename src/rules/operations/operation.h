/*
 * operation.h - what an operation of the rules language is: one row that says how it is written,
 * what it does to tensors, and what undoes it.
 *
 * A family of operations is one file (layout.c, parts.c, heads.c, values.c, fans.c, fills.c, blocks.c) that
 * ends with its rows; table.c lists the families. A new operation is a row and its two functions:
 * the parser, the planner and the inverse look nothing else up. Public to the stages above.
 */
#ifndef WEIGHTFS_RULES_OPERATIONS_OPERATION_H
#define WEIGHTFS_RULES_OPERATIONS_OPERATION_H

#include "rules/rules.h"

/* How many tensors an operation takes and makes. */
enum wfs_op_class {
    WFS_OP_ONE,   /* one of each tensor */
    WFS_OP_JOIN,  /* one of several: a fan-in */
    WFS_OP_SPLIT, /* several of one: a fan-out */
    WFS_OP_PICK,  /* one out of several, as it is */
    WFS_OP_AT,    /* none: says which tensor the next operation is for */
    WFS_OP_FILL,  /* one of none */
};

enum wfs_op_cap { WFS_OP_NO_CAP, WFS_OP_MAY_CAP, WFS_OP_MUST_CAP };

#define WFS_OP_MAX_ARGS 64

/* One operation at work. */
struct wfs_op_call {
    const struct wfs_op *op;
    struct wfs_arena *arena;
    struct wfs_error *err;
    /* The value of an argument where the operation stands. -EINVAL where it is needed and not
     * known. */
    int (*integer)(const void *scope, const struct wfs_vexpr *e, int64_t *ret);
    int (*real)(const void *scope, const struct wfs_vexpr *e, double *ret);
    /* Numbers of config.json (config.rope_scaling.long_factor); they live in the arena. */
    int (*numbers)(const void *scope, const struct wfs_vexpr *e, const double **ret, size_t *ret_n);
    const void *scope;
    uint32_t n_in; /* ONE, SPLIT: 1; JOIN: all; FILL: 1 where it stands beside a tensor, or 0 */
    const struct wfs_expr *const *in;
    uint32_t *zero_terms; /* where values are asked for, not bytes: sum leaves out terms that are
                           * zeros and counts them here; or NULL */
    const struct wfs_expr *ret;
};

struct wfs_inverting;

struct wfs_operation {
    const char *name;  /* "" for the quoted layout, which has none */
    const char *usage; /* for messages: "pad(axis, before, after[, value])" */
    enum wfs_op_class class;
    uint32_t min_args, max_args; /* expressions, behind a capture, dtype or layout */
    enum wfs_op_cap cap;
    bool takes_dtype, takes_layout, takes_from; /* from: "; sizes before" */
    bool takes_equal;
    bool by_steps; /* SPLIT: pieces are the axis' single steps, and the axis goes away */
    /* ONE, JOIN, FILL: makes call->ret. Errors are placed by the caller unless wfs_op_error says
     * them. NULL for the other classes, whose work is the same for all. */
    int (*apply)(struct wfs_op_call *call);
    /* What the operation may do to values that call->ret cannot give back, or NULL where nothing is
     * lost. A row without it keeps every value. */
    int (*loses)(struct wfs_op_call *call, const char **ret);
    /* Turns *op into what undoes it. NULL: nothing does. */
    int (*invert)(struct wfs_inverting *v, struct wfs_op *op);
};

#endif
