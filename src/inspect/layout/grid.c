/*
 * grid.c - see grid.h. All cells are in one text, one after the other, so that a grid of a hundred
 * thousand lines does not need an allocation for each.
 */
#include "inspect/layout/grid.h"

#include <string.h>

#include "inspect/layout/width.h"

#define GAP             2  /* columns between cells */
#define FIRST_WIDTH_MIN 24 /* below it, columns are left out */
#define FIRST_WIDTH_END 8  /* the least width of the first column */

void wfs_grid_free(struct wfs_grid *grid)
{
    wfs_buf_free(&grid->cell);
    wfs_buf_free(&grid->cells);
}

void wfs_grid_end_cell(struct wfs_grid *grid)
{
    size_t column = grid->n_cells++ % grid->n_columns;
    const char *text = grid->cell.len ? grid->cell.data : "";
    size_t width = wfs_text_width(text);
    grid->width[column] = width > grid->width[column] ? width : grid->width[column];
    wfs_buf_add(&grid->cells, text, strlen(text) + 1);
    grid->cell.len = 0;
}

/* ---- fitting ------------------------------------------------------------------------------- */

struct layout {
    size_t width[WFS_GRID_COLUMNS_MAX];
    bool hidden[WFS_GRID_COLUMNS_MAX];
};

static size_t total_width(const struct wfs_grid *grid, const struct layout *layout)
{
    size_t total = 0;
    for (unsigned c = 0; c < grid->n_columns; c++)
        total += layout->hidden[c] ? 0 : layout->width[c] + (c ? GAP : 0);
    return total;
}

/* The width of the first column: what it needs, or what the others leave of the terminal. */
static size_t first_width(const struct wfs_grid *grid, const struct layout *layout, unsigned width)
{
    size_t others = total_width(grid, layout) - layout->width[0];
    size_t left = width > others ? width - others : 0;
    return left < layout->width[0] ? left : layout->width[0];
}

static bool hide_next(const struct wfs_grid *grid, struct layout *layout)
{
    unsigned found = 0;
    for (unsigned c = 1; c < grid->n_columns; c++) {
        unsigned drop = grid->columns[c].drop;
        if (drop && !layout->hidden[c] && (!found || drop < grid->columns[found].drop))
            found = c;
    }
    layout->hidden[found] = found != 0;
    return found != 0;
}

static struct layout lay_out(const struct wfs_grid *grid, unsigned width)
{
    struct layout layout = {0};
    for (unsigned c = 0; c < grid->n_columns; c++) {
        size_t title = strlen(grid->columns[c].title);
        layout.width[c] = grid->width[c] > title ? grid->width[c] : title;
    }
    if (!width)
        return layout;
    size_t want = layout.width[0] < FIRST_WIDTH_MIN ? layout.width[0] : FIRST_WIDTH_MIN;
    while (first_width(grid, &layout, width) < want && hide_next(grid, &layout))
        ;
    size_t first = first_width(grid, &layout, width);
    if (first < layout.width[0] && layout.width[0] > FIRST_WIDTH_END)
        layout.width[0] = first > FIRST_WIDTH_END ? first : FIRST_WIDTH_END;
    return layout;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void add_spaces(struct wfs_buf *out, size_t n)
{
    while (n-- > 0)
        wfs_buf_char(out, ' ');
}

static void add_cell(struct wfs_buf *out, const char *text, size_t width, bool right)
{
    size_t shown = wfs_text_width(text);
    if (shown > width) {
        wfs_text_add_middle_cut(out, text, width);
        return;
    }
    add_spaces(out, right ? width - shown : 0);
    wfs_buf_str(out, text);
    add_spaces(out, right ? 0 : width - shown);
}

/* Writes one line, or the titles where cells is NULL. Returns the first cell of the next line. */
static const char *add_line(const struct wfs_grid *grid, const struct layout *layout,
                            const char *cells, struct wfs_buf *out)
{
    size_t start = out->len;
    for (unsigned c = 0; c < grid->n_columns; c++) {
        const char *text = cells ? cells : grid->columns[c].title;
        if (!layout->hidden[c]) {
            add_spaces(out, c ? GAP : 0);
            add_cell(out, text, layout->width[c], grid->columns[c].is_number);
        }
        cells = cells ? cells + strlen(cells) + 1 : NULL;
    }
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->len--;
    wfs_buf_char(out, '\n');
    return cells;
}

void wfs_grid_write(const struct wfs_grid *grid, unsigned width, bool color, struct wfs_buf *out)
{
    struct layout layout = lay_out(grid, width);
    if (!wfs_buf_ok(&grid->cell) || !wfs_buf_ok(&grid->cells)) {
        out->failed = true;
        return;
    }
    wfs_buf_str(out, color ? "\x1b[1m" : "");
    add_line(grid, &layout, NULL, out);
    wfs_buf_str(out, color ? "\x1b[0m" : "");
    const char *cells = grid->cells.data;
    for (size_t i = 0; i < grid->n_cells / grid->n_columns; i++)
        cells = add_line(grid, &layout, cells, out);
}
