/*
 * world.h - what the expressions of a set may ask about while the set is applied: the items under
 * the names that its rules see, the template, the config's values.
 *
 * INVARIANT: constant while rules run. Only what was found out so far is remembered (`memo`).
 */
#ifndef WEIGHTFS_MAPPING_EVAL_WORLD_H
#define WEIGHTFS_MAPPING_EVAL_WORLD_H

#include "mapping/items/mapper.h"
#include "rules/match.h"

/* Items by name. */
struct wfs_name_index {
    struct wfs_arena *arena;  /* the splits' */
    struct wfs_split *splits; /* one an item */
    struct wfs_strmap index;  /* path -> item */
};
int wfs_name_index_fill(struct wfs_name_index *names, const struct wfs_table *items,
                        struct wfs_error *err);
void wfs_name_index_free(struct wfs_name_index *names);

/* Values of the set's lets and answers of any(PATTERN), each found once. */
struct wfs_memo {
    struct wfs_value *lets;
    uint8_t *let_state; /* 0 not yet, 1 being found, 2 found */
    struct wfs_any *anys;
    uint32_t n_nested;  /* values being evaluated, one for another */
    uint64_t n_by_name; /* config's values so far that are for one tensor, and not kept */
};

struct wfs_world {
    struct wfs_arena *arena; /* of what expressions make: texts, tensor expressions */
    const struct wfs_catalog *catalog;
    const struct wfs_config *config;
    const struct wfs_template *template; /* the set's target; NULL where it has none */
    const struct wfs_set *set;
    const struct wfs_table *items;
    const struct wfs_name_index *names; /* of the items */
    struct wfs_memo *memo;
    uint32_t *zero_terms; /* or NULL; see struct wfs_apply_options */
};
/* First item that the name's pattern matches, the captures in `match` being bound; WFS_NO_INDEX:
 * there is none. */
uint32_t wfs_world_find(const struct wfs_world *world, const struct wfs_name *name,
                        const struct wfs_cap *caps, struct wfs_match *match);
/* any(PATTERN): the first such item; remembered where no capture of the rule stands in it. */
int wfs_world_any(const struct wfs_world *world, const struct wfs_vexpr *e,
                  const struct wfs_cap *caps, const struct wfs_match *match, uint32_t *ret_item,
                  struct wfs_error *err);

/* A rule at work: what it may ask, and where its findings go. */
struct wfs_run {
    const struct wfs_world *world;
    struct wfs_sink *sink;
    const struct wfs_rule *rule; /* or NULL: none is, as for a set's `require` */
};

#endif
