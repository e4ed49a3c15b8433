/*
 * state.h - one set being applied to a table of items: what its rules may ask (`world`), what they
 * made so far (`out`), and what waits.
 */
#ifndef WEIGHTFS_MAPPING_APPLY_STATE_H
#define WEIGHTFS_MAPPING_APPLY_STATE_H

#include "mapping/eval/world.h"

struct wfs_apply;

/* Called once for each set of a view's chain when it was applied, for who wants to know why; apply
 * is NULL for a set that is done by code. */
struct wfs_watch {
    int (*fn)(void *user, const struct wfs_set *set, struct wfs_apply *apply);
    void *user;
};

struct wfs_apply_options {
    bool is_last;                  /* of the chain: the template is its target */
    bool is_default;               /* nobody named the view: the set's `default if` is asked */
    bool is_lenient;               /* an item that a rule fails on is kept, as if no rule took it */
    bool keeps_failed;             /* ... with its whole module, and reported: not the user's set */
    bool is_aligned;               /* the template's prefix is known: leave it */
    uint32_t *zero_terms;          /* a proof's, which asks for values: terms of a sum that are
                                    * zeros are left out, and counted here; or NULL */
    const struct wfs_watch *watch; /* or NULL */
};

struct wfs_apply {
    const struct wfs_mapper *mapper;
    const struct wfs_apply_options *options;
    const struct wfs_set *set;
    struct wfs_sink *sink;
    struct wfs_world world;       /* what rules ask: the items after renames */
    struct wfs_world unrenamed;   /* what renames ask */
    struct wfs_table in, renamed; /* renamed: empty where the set renames nothing */
    struct wfs_name_index in_names, renamed_names;
    struct wfs_memo memo;
    struct wfs_table out;
    struct wfs_candidate *candidates; /* the rules' source patterns, in order (pick.h) */
    size_t n_candidates;
    uint32_t *copy_of;         /* per item left out as a copy: of which one, plus 1; else 0 */
    struct wfs_strmap refused; /* modules that a rule failed on -> why, a text's address */
    struct wfs_hit *hits;      /* items that wait for a fan-in (groups.h); malloc'd */
    size_t n_hits, cap_hits;
};
/* A rule of the set at work. */
struct wfs_run wfs_apply_run(const struct wfs_apply *apply, const struct wfs_rule *rule);
/* Is the rule one of the direction that is applied? */
bool wfs_apply_has(const struct wfs_apply *apply, const struct wfs_rule *rule);

#endif
