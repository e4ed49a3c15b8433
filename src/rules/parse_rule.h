/*
 * parse_rule.h - one rule of a rule file: a mapping, drop, alias or fill.
 */
#ifndef WEIGHTFS_RULES_PARSE_RULE_H
#define WEIGHTFS_RULES_PARSE_RULE_H

#include "rules/parse_text.h"

/* At a statement's first byte. */
/* `when COND:` after its first word: the condition is added to p->when, and p->indent becomes that of
 * the section's first statement. The caller puts both back where the section ends. */
int wfs_parse_when(struct wfs_parser *p);
int wfs_parse_rule(struct wfs_parser *p, struct wfs_rule *ret);

#endif
