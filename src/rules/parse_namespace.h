/*
 * parse_namespace.h - the `source` and `target` declarations, and lists of words.
 */
#ifndef WEIGHTFS_RULES_PARSE_NAMESPACE_H
#define WEIGHTFS_RULES_PARSE_NAMESPACE_H

#include "rules/parse_text.h"

#define WFS_RULES_MAX_WORDS 64 /* of one declaration */

/* Words up to the end of the statement, at least one; the list ends with NULL. */
int wfs_parse_words(struct wfs_parser *p, const char *const **ret, uint32_t *ret_n);
int wfs_parse_namespace(struct wfs_parser *p, struct wfs_namespace *ns, bool target);

#endif
