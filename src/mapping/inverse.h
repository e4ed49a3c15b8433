/*
 * inverse.h - what an inverse needs when it runs.
 */
#ifndef WEIGHTFS_MAPPING_INVERSE_H
#define WEIGHTFS_MAPPING_INVERSE_H

#include "mapping/run.h"

/* Finds the captures that the rule's equations ask for ({l+1} was 3). *ret_found: there is exactly
 * one answer. */
int wfs_solve(struct wfs_stage *stage, const struct wfs_rule *rule, struct wfs_match *match,
              bool *ret_found);
/* What the rule would make of the item, for its condition. Not for rules that join. */
int wfs_inverse_result(struct wfs_stage *stage, const struct wfs_rule *rule, uint32_t item,
                       const struct wfs_match *match, const struct wfs_expr **ret);
/* The same function of the same bytes. */
bool wfs_same_expr(const struct wfs_expr *a, const struct wfs_expr *b);
/* Notes what the forward set drops, leaves out as copies or renames, and cannot be told. */
void wfs_inverse_report_losses(struct wfs_stage *stage);
/* Maps `out` (made from `in` by an inverse) forward again: what does not come back as the same
 * expression under the same name is reported as ambiguous. */
int wfs_inverse_prove(struct wfs_mapper *mapper, const struct wfs_set *inverse,
                      const struct wfs_table *in, const struct wfs_table *out);

#endif
