/*
 * width.h - how wide text is on a terminal, and cutting it to a width (see also
 * wfs_inspect_fit).
 */
#ifndef WEIGHTFS_INSPECT_LAYOUT_WIDTH_H
#define WEIGHTFS_INSPECT_LAYOUT_WIDTH_H

#include "base/base.h"

/* Columns of a terminal that a UTF-8 text without control bytes takes. */
size_t wfs_text_width(const char *text);
/* Appends the text in at most `width` columns. Its middle is left out where it is longer: the
 * beginning and the end of a name say most. */
void wfs_text_add_middle_cut(struct wfs_buf *out, const char *text, size_t width);

#endif
