/*
 * grid.h - lines of cells in columns, for people: measured, aligned, and made to fit a
 * terminal. A grid that is too wide leaves out the columns that say least, then the middle of its
 * first column's cells.
 *
 *     struct wfs_grid grid = {.columns = columns, .n_columns = n};
 *     for each line, for each column: (wfs_buf_... (&grid.cell, ...); wfs_grid_end_cell(&grid);)
 *     wfs_grid_write(&grid, width, color, out);
 *     wfs_grid_free(&grid);
 */
#ifndef WEIGHTFS_INSPECT_LAYOUT_GRID_H
#define WEIGHTFS_INSPECT_LAYOUT_GRID_H

#include "base/base.h"

#define WFS_GRID_COLUMNS_MAX 16

struct wfs_grid_column {
    const char *title;
    bool is_number; /* aligned to the right */
    uint8_t drop;   /* order of leaving out where it is narrow: 1 first; 0: never */
};

struct wfs_grid {
    const struct wfs_grid_column *columns;
    unsigned n_columns;
    struct wfs_buf cell;  /* the cell that is being made; without control bytes */
    struct wfs_buf cells; /* all of them, each with its NUL */
    size_t n_cells;
    size_t width[WFS_GRID_COLUMNS_MAX];
};

void wfs_grid_end_cell(struct wfs_grid *grid);
/* width 0: as wide as it gets. */
void wfs_grid_write(const struct wfs_grid *grid, unsigned width, bool color, struct wfs_buf *out);
void wfs_grid_free(struct wfs_grid *grid);

#endif
