/*
 * groups.h - items that a rule joins with others: they wait until all items were looked at.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_GROUPS_H
#define WEIGHTFS_MAPPING_APPLY_GROUPS_H

#include "mapping/apply/pick.h"

/* An item that waits for the others of its fan-in. */
struct wfs_hit {
    const struct wfs_rule *rule;
    uint32_t part;
    uint32_t item;
    struct wfs_match match;
};
int wfs_groups_add(struct wfs_apply *apply, uint32_t item, const struct wfs_pick *pick);
/* Every group through its rule. What is incomplete is reported and keeps its name. */
int wfs_groups_run(struct wfs_apply *apply);
void wfs_groups_free(struct wfs_apply *apply);

#endif
