/*
 * eval.h - what eval*.c share.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_H
#define WEIGHTFS_MAPPING_EVAL_H

#include "mapping/stage.h"
#include "mapping/template.h"

enum wfs_truth { WFS_FALSE, WFS_TRUE, WFS_MAYBE };

int wfs_eval_call(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret);
/* The error for a value that is needed and not known. */
int wfs_eval_needed(const struct wfs_scope *scope, const struct wfs_vexpr *e);
/* A value that is needed as a number; `e` is what gave it. */
int wfs_value_int(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                  const struct wfs_value *v, int64_t *ret);
int wfs_value_real(const struct wfs_scope *scope, const struct wfs_vexpr *e,
                   const struct wfs_value *v, double *ret);
/* A text as rules see it, '.' between components; `buf` holds it where it had to be written. */
int wfs_value_text(const struct wfs_scope *scope, const struct wfs_value *v, struct wfs_buf *buf,
                   struct wfs_value *ret);
/* any(PATTERN), remembered where no capture of the rule stands in it. */
int wfs_stage_any(struct wfs_stage *stage, const struct wfs_vexpr *e, const struct wfs_cap *caps,
                  struct wfs_match *match, uint32_t *ret_item);

#endif
