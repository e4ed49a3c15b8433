/*
 * grid.h (private) - lines of cells in columns, for people: measured, aligned, and made to fit a
 * terminal. A grid that is too wide leaves out the columns that say least, then the middle of its
 * first column's cells.
 *
 *     struct grid grid = {.columns = columns, .n_columns = n};
 *     for each line, for each column: (wfs_buf_... (&grid.cell, ...); grid_end_cell(&grid);)
 *     grid_write(&grid, width, color, out);
 *     grid_free(&grid);
 */
#ifndef INSPECT_GRID_H
#define INSPECT_GRID_H

#include "base/base.h"

#define GRID_COLUMNS_MAX 16

struct grid_column {
    const char *title;
    bool is_number; /* to the right */
    uint8_t drop;   /* where it gets narrow: 1 is left out first; 0 never */
};

struct grid {
    const struct grid_column *columns;
    unsigned n_columns;
    struct wfs_buf cell;  /* what the cell being made holds: no control bytes */
    struct wfs_buf cells; /* all of them, each with its NUL */
    size_t n_cells;
    size_t width[GRID_COLUMNS_MAX];
};

void grid_end_cell(struct grid *grid);
/* width 0: as wide as it gets. */
void grid_write(const struct grid *grid, unsigned width, bool color, struct wfs_buf *out);
void grid_free(struct grid *grid);

#endif
