/*
 * term.h - names (patterns and targets) and expressions. Public to the stages above.
 */
#ifndef WEIGHTFS_RULES_TERM_H
#define WEIGHTFS_RULES_TERM_H

#include "rules/parse_capture.h"

int wfs_parse_expr(struct wfs_parser *p, const struct wfs_vexpr **ret);
/* `(left) and (right)`, of expressions that stand in different places. */
int wfs_parse_both(struct wfs_parser *p, const struct wfs_vexpr *left,
                   const struct wfs_vexpr *right, const struct wfs_vexpr **ret);
/* in_target as the parser says. */
int wfs_parse_name(struct wfs_parser *p, const struct wfs_name **ret);

#endif
