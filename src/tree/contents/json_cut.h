/*
 * json_cut.h - JSON text without some of its members, every other byte as it was.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_JSON_CUT_H
#define WEIGHTFS_TREE_CONTENTS_JSON_CUT_H

#include "base/base.h"

/* Appends `text` (JSON that a parser took, or Python's with Infinity and NaN) without the members of these
 * names (NULL-terminated), in whichever object they stand, and without the comma that each had. */
void wfs_json_cut(const char *text, size_t len, const char *const *names, struct wfs_buf *out);

#endif
