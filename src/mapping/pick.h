/*
 * pick.h - which rule takes an item.
 */
#ifndef WEIGHTFS_MAPPING_PICK_H
#define WEIGHTFS_MAPPING_PICK_H

#include "mapping/stage.h"

/* One source pattern of one rule; the hashes refuse most names at once. */
struct wfs_candidate {
    uint64_t first, last; /* hashes of lone literals, 0: anything */
    const struct wfs_rule *rule;
    uint32_t part;
};
struct wfs_pick {
    const struct wfs_rule *rule;
    uint32_t part;
    struct wfs_match match;
    uint32_t of; /* ALIAS: the item whose weights it has */
};
int wfs_pick_prepare(struct wfs_stage *stage);
/* -EINVAL where the set's policy allows one rule and several take it. */
int wfs_pick_rule(struct wfs_stage *stage, uint32_t item, struct wfs_pick *ret, bool *ret_found);

#endif
