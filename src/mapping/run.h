/*
 * run.h - what happens after a rule took its items: running it, groups of a fan-in, and how names
 * are read and written.
 */
#ifndef WEIGHTFS_MAPPING_RUN_H
#define WEIGHTFS_MAPPING_RUN_H

#include "mapping/pick.h"
#include "mapping/template.h"

/* A rule that joins nothing, on one tensor: its targets go to stage->out. */
int wfs_rule_run_one(struct wfs_stage *stage, const struct wfs_rule *rule,
                     const struct wfs_val *val);
/* An item that waits for the others of its fan-in. */
struct wfs_hit {
    const struct wfs_rule *rule;
    uint32_t part;
    uint32_t item;
    struct wfs_match match;
};
int wfs_groups_add(struct wfs_stage *stage, uint32_t item, const struct wfs_pick *pick);
int wfs_groups_run(struct wfs_stage *stage);
void wfs_groups_free(struct wfs_stage *stage);
/* The result of a clause's operations -> items of stage->out. */
int wfs_emit(struct wfs_stage *stage, const struct wfs_rule *rule,
             const struct wfs_rule_part *target, const struct wfs_vals *vals,
             const char *operations);
/* All clauses of a rule over its tensors after their own operations. */
int wfs_clauses_run(struct wfs_stage *stage, const struct wfs_rule *rule,
                    const struct wfs_vals *vals, const char *source_ops);
/* True where a failed rule counts as none (a lenient run); the error is forgotten. */
bool wfs_stage_forgives(struct wfs_stage *stage, int r);
/* No rule took it after all. */
int wfs_stage_keep(struct wfs_stage *stage, uint32_t item);

/* The set's `source` declaration, on stage->in's names. */
int wfs_namespace_read(struct wfs_stage *stage);
/* Prefix, collection and the set's `target` declaration, on stage->out's. */
int wfs_namespace_write(struct wfs_stage *stage);

#endif
