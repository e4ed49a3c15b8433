/*
 * emit.h - a rule run on the tensors that it took: its operations, and the targets that it makes.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_EMIT_H
#define WEIGHTFS_MAPPING_APPLY_EMIT_H

#include "mapping/apply/state.h"

/* A rule that joins nothing, on one tensor: its targets go to apply->out. */
int wfs_rule_run_one(struct wfs_apply *apply, const struct wfs_rule *rule,
                     const struct wfs_val *val);
/* All clauses of a rule over its tensors after their own operations, which `source_ops` names. */
int wfs_clauses_run(struct wfs_apply *apply, const struct wfs_rule *rule,
                    const struct wfs_vals *vals, const char *source_ops);

#endif
