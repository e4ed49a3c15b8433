/*
 * match.h - matching names against patterns. Public to the stages above.
 */
#ifndef WEIGHTFS_RULES_MATCH_H
#define WEIGHTFS_RULES_MATCH_H

#include "rules/split.h"

/* Starts from what `match` has bound already (captures must agree) and adds to it; on false it is
 * as before, but for gave_up. */
bool wfs_name_match(const struct wfs_name *name, const struct wfs_cap *caps,
                    const struct wfs_split *split, struct wfs_match *match);

#endif
