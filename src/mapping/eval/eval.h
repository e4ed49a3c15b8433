/*
 * eval.h - expressions of the rules language over what a world knows, and the target names that
 * are written with them.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_EVAL_H
#define WEIGHTFS_MAPPING_EVAL_EVAL_H

#include "mapping/eval/scope.h"

/* kind NONE where a value is not known: the caller decides whether it is needed. */
int wfs_eval(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret);
/* A needed whole number; -EINVAL names the option that gives it. */
int wfs_eval_int(const struct wfs_scope *scope, const struct wfs_vexpr *e, int64_t *ret);
int wfs_eval_real(const struct wfs_scope *scope, const struct wfs_vexpr *e, double *ret);
/* A condition. NULL is true. */
int wfs_eval_cond(const struct wfs_scope *scope, const struct wfs_vexpr *cond, bool *ret);
/* Writes a target's path. */
int wfs_render(const struct wfs_scope *scope, const struct wfs_name *name, struct wfs_buf *out);

#endif
