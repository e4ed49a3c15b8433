/*
 * parse_capture.h - captures of a rule: {x}, {l:#}, {i:0-3}, {p:*}, {k:q|k|v}.
 */
#ifndef WEIGHTFS_RULES_PARSE_CAPTURE_H
#define WEIGHTFS_RULES_PARSE_CAPTURE_H

#include "rules/parse_text.h"

/* The rule's captures. */
uint32_t wfs_parse_cap_find(const struct wfs_parser *p, const char *name, size_t len);
int wfs_parse_cap_add(struct wfs_parser *p, const struct wfs_cap *cap, uint32_t *ret);

/* {name} or {name:type} of a pattern, {name:type} of a target; the cursor is after the name. */
int wfs_parse_capture(struct wfs_parser *p, const char *name, struct wfs_pos pos, uint32_t *ret);

#endif
