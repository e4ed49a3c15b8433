/*
 * npy.h - the header of a .npy, for one file and for a member of an .npz.
 */
#ifndef WEIGHTFS_FILE_WRITERS_NPY_H
#define WEIGHTFS_FILE_WRITERS_NPY_H

#include "file/file.h"

/* 64 dimensions of 20 digits and ", ", and the words: far below what u16 and numpy allow. */
#define WFS_NPY_HEADER_MAX 2048

/* Everything before the elements; returns its length. 0 where numpy has no such element type. */
size_t wfs_npy_header(const struct wfs_expr *expr, char ret[WFS_NPY_HEADER_MAX]);

#endif
