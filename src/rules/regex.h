/*
 * regex.h - /REGEX/ patterns.
 */
#ifndef WEIGHTFS_RULES_REGEX_H
#define WEIGHTFS_RULES_REGEX_H

#include "rules/parse_capture.h"
#include "rules/split.h"

/* A regular expression into name->regex. */
int wfs_regex_compile(struct wfs_parser *p, struct wfs_name *name, struct wfs_pos pos,
                      const char *text);
bool wfs_regex_match(const struct wfs_name *name, const struct wfs_split *split,
                     struct wfs_match *match);

#endif
