/*
 * pick.h - which rule takes an item.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_PICK_H
#define WEIGHTFS_MAPPING_APPLY_PICK_H

#include "mapping/apply/state.h"

/* One source pattern of one rule; the hashes refuse most names at once. */
struct wfs_candidate {
    uint64_t first, last; /* hashes of lone literals, 0: anything */
    const struct wfs_rule *rule;
    uint32_t part;
    bool settled; /* an inverse: it was reported (or found impossible to say) that this rule may
                   * have made a name that another one took */
};
struct wfs_pick {
    const struct wfs_rule *rule;
    uint32_t part;
    struct wfs_match match;
    uint32_t of; /* ALIAS: the item whose weights it has */
};
enum wfs_pick_answer {
    WFS_PICK_TAKES,
    WFS_PICK_NO_MATCH, /* its pattern does not match */
    WFS_PICK_PACKED,   /* it leaves packed weights alone */
    WFS_PICK_UNSOLVED, /* an inverse: no number of the original gives this one */
    WFS_PICK_FALSE,    /* its condition is false */
    WFS_PICK_NO_COPY,  /* an alias of something else */
};
/* Does this rule take the item? pick->rule and part are set, the rest is filled in. */
int wfs_pick_try(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t item,
                 struct wfs_pick *pick, enum wfs_pick_answer *ret);
int wfs_pick_prepare(struct wfs_apply *apply);
/* -EINVAL where the set's policy allows one rule and several take it. */
int wfs_pick_rule(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t item,
                  struct wfs_pick *ret, bool *ret_found);

#endif
