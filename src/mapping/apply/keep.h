/*
 * keep.h - what happens to an item that no rule takes.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_KEEP_H
#define WEIGHTFS_MAPPING_APPLY_KEEP_H

#include "mapping/apply/state.h"

/* An item that no rule takes: by the set's policy it keeps its name and bytes, is dropped, or is an
 * error. Where a rule failed on it, `why` says how (else NULL), and it is never dropped. */
int wfs_apply_keep(struct wfs_apply *apply, uint32_t item, const char *why);
/* True where the items that a rule failed on with `r` are kept. The error is forgotten, and so is what
 * the rule made of them, the targets from n_out on. */
bool wfs_apply_forgives(struct wfs_apply *apply, int r, size_t n_out);
/* Refuses the innermost module that holds all these names (several, or one and its siblings) for the
 * error that is in the sink: what a module is, its other tensors would no longer tell. */
int wfs_apply_refuse(struct wfs_apply *apply, const char *const *paths, size_t n);
/* Why the name's module is refused; NULL: it is not. */
const char *wfs_apply_refusal(const struct wfs_apply *apply, const char *path);

#endif
