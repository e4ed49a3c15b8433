/*
 * parse_ops.h - operations: "transpose", "reshape(H, D, -1)", "concat(k, 0, equal)".
 */
#ifndef WEIGHTFS_RULES_PARSE_OPS_H
#define WEIGHTFS_RULES_PARSE_OPS_H

#include "rules/term.h"

/* Operations up to `&`, `->`, `if`, `for` or the end. */
int wfs_parse_ops(struct wfs_parser *p, struct wfs_ops *ret);
int wfs_parse_op(struct wfs_parser *p, struct wfs_op *ret);

#endif
