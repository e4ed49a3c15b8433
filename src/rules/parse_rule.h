/*
 * parse_rule.h - one rule of a rule file: a mapping, drop, alias or fill.
 */
#ifndef WEIGHTFS_RULES_PARSE_RULE_H
#define WEIGHTFS_RULES_PARSE_RULE_H

#include "rules/parse_text.h"

/* At a statement's first byte. */
int wfs_parse_rule(struct wfs_parser *p, struct wfs_rule *ret);

#endif
