/*
 * solve.h - what an inverse's rules find out about a name before they take it.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_SOLVE_H
#define WEIGHTFS_MAPPING_APPLY_SOLVE_H

#include "mapping/ops/fan.h"

/* Finds the captures that the rule's equations ask for ({l+1} was 3). *ret_found: there is exactly
 * one answer. */
int wfs_solve(const struct wfs_run *run, struct wfs_match *match, bool *ret_found);
/* What the rule would make of the tensor, for its condition; NULL: its operations do not fit. Not
 * for rules that join. */
int wfs_inverse_result(const struct wfs_run *run, const struct wfs_val *val,
                       const struct wfs_expr **ret);

#endif
