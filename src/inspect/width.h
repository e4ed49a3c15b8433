/*
 * width.h (private) - how wide text is on a terminal, and cutting it to a width (see also
 * wfs_inspect_fit).
 */
#ifndef INSPECT_WIDTH_H
#define INSPECT_WIDTH_H

#include "base/base.h"

/* Columns of a terminal that a UTF-8 text without control bytes takes. */
size_t text_width(const char *text);
/* The text in at most `width` columns: its middle left out, since a name's ends say most. */
void text_add_middle_cut(struct wfs_buf *out, const char *text, size_t width);

#endif
