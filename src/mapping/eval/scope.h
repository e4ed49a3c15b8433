/*
 * scope.h - where an expression is evaluated: a rule at work, what its pattern matched, and the
 * tensor at hand.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_SCOPE_H
#define WEIGHTFS_MAPPING_EVAL_SCOPE_H

#include "mapping/eval/value.h"
#include "mapping/eval/world.h"

struct wfs_scope {
    struct wfs_run run;
    const struct wfs_match *match; /* or NULL */
    const struct wfs_item *item;   /* or NULL: no name, and it is neither tied nor packed */
    const struct wfs_expr *expr;   /* rank, dtype, shape, as they are now; or NULL */
    bool may;                      /* set by may.c alone */
    bool lists;                    /* set by list.c alone: config's values are lists of numbers */
    const char *subject;           /* the tensor's name that config's values are for, or NULL */
};
/* The scope of an item that a pattern matched. */
struct wfs_scope wfs_item_scope(const struct wfs_run *run, const struct wfs_match *match,
                                const struct wfs_item *item);
/* The scope of one tensor within a rule. */
struct wfs_scope wfs_val_scope(const struct wfs_run *run, const struct wfs_val *val);

/* rank, dtype, name, tied, packed, convolution, role; NONE where there is no tensor to say it. */
struct wfs_value wfs_scope_value(const struct wfs_scope *scope, enum wfs_vexpr_kind kind);

#endif
