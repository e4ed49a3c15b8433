/*
 * table.c - the parameter table as text, TSV, JSON and keys. Lines are made once, as cells; the
 * formats only differ in how they write them.
 */
#include "inspect/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/layout/grid.h"

#define TABLE_COLUMNS    6
#define TOTALS_DEPTH_MAX 8

/* One line: a parameter, or a module's subtotal (expr NULL). */
struct line {
    const char *name;
    const struct wfs_inspect_row *row; /* of a parameter, or the module's first */
    bool is_module;
    uint64_t n_elems, size_bytes;
    bool is_mixed; /* a module of several dtypes */
};

struct lines {
    struct line *lines;
    size_t n, cap;
    bool failed;
};

/* ---- lines --------------------------------------------------------------------------------- */

/* Length of the first `depth` components of a path; 0 where it has no more than that. */
static size_t module_len(const char *path, unsigned depth)
{
    const char *p = path;
    for (unsigned i = 0; i < depth; i++) {
        p = strchr(p, WFS_SEP);
        if (!p)
            return 0;
        p++;
    }
    return (size_t)(p - 1 - path);
}

static struct line *new_line(struct lines *all)
{
    if (wfs_grow(&all->lines, &all->cap, all->n + 1, sizeof(*all->lines))) {
        all->failed = true;
        return NULL;
    }
    return &all->lines[all->n++];
}

static void add_to(struct line *line, const struct wfs_inspect_row *row)
{
    line->n_elems += row->expr->n_elems;
    line->size_bytes += row->expr->size_bytes;
    line->is_mixed = line->is_mixed || row->expr->dtype != line->row->expr->dtype;
}

/* Rows of one module at `depth` become one line; they stand side by side, rows being sorted. */
static struct lines make_lines(const struct wfs_inspect_rows *rows, unsigned depth)
{
    struct lines all = {0};
    const char *last = NULL;
    size_t last_len = 0;
    for (uint32_t i = 0; i < rows->n && !all.failed; i++) {
        const struct wfs_inspect_row *row = &rows->rows[i];
        size_t len = depth ? module_len(row->path, depth) : 0;
        bool same = len && last && len == last_len && memcmp(row->path, last, len) == 0;
        struct line *line = same ? &all.lines[all.n - 1] : new_line(&all);
        if (!line)
            break;
        if (!same) {
            *line = (struct line){.row = row, .is_module = len > 0, .name = row->name};
            if (len) {
                char *prefix = wfs_arena_strndup(rows->arena, row->path, len);
                line->name = prefix ? wfs_path_join_dup(rows->arena, prefix, '.') : NULL;
                all.failed = !line->name;
            }
        }
        add_to(line, row);
        last = len ? row->path : NULL;
        last_len = len;
    }
    return all;
}

static int by_count(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->n_elems != y->n_elems ? (x->n_elems < y->n_elems) - (x->n_elems > y->n_elems)
                                    : wfs_natural_cmp(x->name, y->name);
}

static int by_bytes(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->size_bytes != y->size_bytes
               ? (x->size_bytes < y->size_bytes) - (x->size_bytes > y->size_bytes)
               : wfs_natural_cmp(x->name, y->name);
}

static int by_dtype(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int c = (int)x->row->expr->dtype - (int)y->row->expr->dtype;
    return c ? c : wfs_natural_cmp(x->name, y->name);
}

static int by_shape(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    const struct wfs_expr *p = x->row->expr, *q = y->row->expr;
    if (p->ndim != q->ndim)
        return p->ndim < q->ndim ? -1 : 1;
    for (uint32_t i = 0; i < p->ndim; i++)
        if (p->shape[i] != q->shape[i])
            return p->shape[i] < q->shape[i] ? -1 : 1;
    return wfs_natural_cmp(x->name, y->name);
}

static struct lines sorted_lines(const struct wfs_inspect_rows *rows,
                                 const struct wfs_table_options *options)
{
    static int (*const orders[])(const void *, const void *) = {NULL, by_count, by_bytes, by_dtype,
                                                                by_shape};
    struct lines all = make_lines(rows, options->depth);
    if (orders[options->sort] && all.n)
        qsort(all.lines, all.n, sizeof(*all.lines), orders[options->sort]);
    return all;
}

/* ---- cells --------------------------------------------------------------------------------- */

/* 1234567 -> "1_234_567" */
static void add_grouped(struct wfs_buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            wfs_buf_char(out, '_');
        wfs_buf_char(out, digits[i]);
    }
}

static void add_cell(struct wfs_buf *out, const struct line *line, unsigned column, bool grouped)
{
    const struct wfs_expr *expr = line->row->expr;
    switch (column) {
    case 0:
        wfs_buf_visible(out, line->name);
        break;
    case 1:
        if (!line->is_module)
            wfs_shape_format(out, expr->ndim, expr->shape);
        break;
    case 2:
        if (grouped)
            add_grouped(out, line->n_elems);
        else
            wfs_buf_printf(out, "%" PRIu64, line->n_elems);
        break;
    case 3:
        wfs_buf_str(out, line->is_mixed ? "mixed" : wfs_dtype_info(expr->dtype)->name);
        if (!line->is_module && line->row->quantised)
            wfs_buf_printf(out, " %s", line->row->quantised->text);
        break;
    case 4:
        if (!line->is_module)
            wfs_inspect_sharding(out, line->row);
        break;
    default:
        if (!line->is_module)
            wfs_buf_str(out, line->row->weight_decay ? "True" : "False");
    }
}

static unsigned n_columns(const struct wfs_inspect_rows *rows)
{
    return rows->n && rows->rows[0].weight_decay >= 0 ? TABLE_COLUMNS : TABLE_COLUMNS - 1;
}

/* ---- text ---------------------------------------------------------------------------------- */

static void add_grid(struct wfs_buf *out, const struct lines *all, unsigned n,
                     const struct wfs_table_options *options)
{
    static const struct wfs_grid_column columns[TABLE_COLUMNS] = {
        {"Name", false, 0},  {"Shape", false, 2},    {"Count", true, 0},
        {"Dtype", false, 3}, {"Sharding", false, 1}, {"Weight Decay", false, 4}};
    struct wfs_grid grid = {.columns = columns, .n_columns = n};
    for (size_t i = 0; i < all->n; i++) {
        for (unsigned c = 0; c < n; c++) {
            add_cell(&grid.cell, &all->lines[i], c, true);
            wfs_grid_end_cell(&grid);
        }
    }
    wfs_grid_write(&grid, options->width, options->color, out);
    wfs_grid_free(&grid);
}

static void add_total(struct wfs_grid *grid, const char *name, uint64_t n_elems,
                      uint64_t size_bytes)
{
    wfs_buf_visible(&grid->cell, name);
    wfs_grid_end_cell(grid);
    add_grouped(&grid->cell, n_elems);
    wfs_grid_end_cell(grid);
    add_grouped(&grid->cell, size_bytes);
    wfs_grid_end_cell(grid);
}

static void write_totals(struct wfs_grid *grid, const struct wfs_table_options *options,
                         struct wfs_buf *out)
{
    if (grid->n_cells) {
        wfs_buf_char(out, '\n');
        wfs_grid_write(grid, options->width, options->color, out);
    }
    wfs_grid_free(grid);
}

static void add_dtype_totals(struct wfs_buf *out, const struct wfs_inspect_rows *rows,
                             const struct wfs_table_options *options)
{
    static const struct wfs_grid_column columns[] = {
        {"Dtype", false, 0}, {"Count", true, 0}, {"Bytes", true, 1}};
    struct wfs_grid grid = {.columns = columns, .n_columns = WFS_ARRAY_SIZE(columns)};
    uint64_t n_rows[WFS_N_DTYPES] = {0}, n_elems[WFS_N_DTYPES] = {0};
    uint64_t size_bytes[WFS_N_DTYPES] = {0};
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct wfs_expr *expr = rows->rows[i].expr;
        n_rows[expr->dtype]++;
        n_elems[expr->dtype] += expr->n_elems;
        size_bytes[expr->dtype] += expr->size_bytes;
    }
    for (int d = 0; d < WFS_N_DTYPES; d++)
        if (n_rows[d])
            add_total(&grid, wfs_dtype_info((enum wfs_dtype)d)->name, n_elems[d], size_bytes[d]);
    write_totals(&grid, options, out);
}

/* At the first depth that tells modules apart: "bert" alone says nothing. */
static void add_module_totals(struct wfs_buf *out, const struct wfs_inspect_rows *rows,
                              const struct wfs_table_options *options)
{
    static const struct wfs_grid_column columns[] = {
        {"Module", false, 0}, {"Count", true, 0}, {"Bytes", true, 1}};
    struct wfs_grid grid = {.columns = columns, .n_columns = WFS_ARRAY_SIZE(columns)};
    struct lines modules = {0};
    for (unsigned depth = 1; depth <= TOTALS_DEPTH_MAX && modules.n <= 1; depth++) {
        free(modules.lines);
        modules = make_lines(rows, depth);
    }
    for (size_t i = 0; i < modules.n && modules.n > 1 && modules.n < rows->n; i++)
        add_total(&grid, modules.lines[i].name, modules.lines[i].n_elems,
                  modules.lines[i].size_bytes);
    out->failed = out->failed || modules.failed;
    free(modules.lines);
    write_totals(&grid, options, out);
}

static uint64_t total_elems(const struct wfs_inspect_rows *rows)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < rows->n; i++)
        total += rows->rows[i].expr->n_elems;
    return total;
}

void wfs_table_text(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                    struct wfs_buf *out)
{
    struct lines all = sorted_lines(rows, options);
    struct wfs_buf root wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_str(out, "Total number of global parameters: ");
    add_grouped(out, total_elems(rows));
    if (*rows->root) {
        wfs_path_join(&root, rows->root, '.');
        wfs_buf_str(out, " (below ");
        wfs_buf_visible(out, wfs_buf_ok(&root) ? root.data : "");
        wfs_buf_char(out, ')');
    }
    wfs_buf_char(out, '\n');
    add_grid(out, &all, n_columns(rows), options);
    if (options->depth == 0)
        add_module_totals(out, rows, options);
    add_dtype_totals(out, rows, options);
    out->failed = out->failed || all.failed || root.failed;
    free(all.lines);
}

/* ---- for programs -------------------------------------------------------------------------- */

void wfs_table_tsv(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                   struct wfs_buf *out)
{
    static const char *const names[TABLE_COLUMNS] = {"name",  "shape",    "count",
                                                     "dtype", "sharding", "weight_decay"};
    struct lines all = sorted_lines(rows, options);
    unsigned n = n_columns(rows);
    for (unsigned c = 0; c < n; c++)
        wfs_buf_printf(out, "%s%c", names[c], c + 1 == n ? '\n' : '\t');
    for (size_t i = 0; i < all.n; i++) {
        for (unsigned c = 0; c < n; c++) {
            add_cell(out, &all.lines[i], c, false);
            wfs_buf_char(out, c + 1 == n ? '\n' : '\t');
        }
    }
    out->failed = out->failed || all.failed;
    free(all.lines);
}

static void add_json_shape(struct wfs_buf *out, const struct wfs_expr *expr)
{
    wfs_buf_char(out, '[');
    for (uint32_t i = 0; i < expr->ndim; i++)
        wfs_buf_printf(out, "%s%" PRIu64, i ? ", " : "", expr->shape[i]);
    wfs_buf_char(out, ']');
}

static void add_json_line(struct wfs_buf *out, const struct line *line)
{
    struct wfs_buf sharding wfs_cleanup(wfs_buf_free) = {0};
    if (!line->is_module)
        wfs_inspect_sharding(&sharding, line->row);
    wfs_buf_str(out, "{\"name\": ");
    wfs_buf_json(out, line->name);
    wfs_buf_str(out, ", \"shape\": ");
    if (line->is_module)
        wfs_buf_str(out, "null");
    else
        add_json_shape(out, line->row->expr);
    wfs_buf_printf(out,
                   ", \"count\": %" PRIu64 ", \"dtype\": \"%s\", \"sharding\": ", line->n_elems,
                   line->is_mixed ? "mixed" : wfs_dtype_info(line->row->expr->dtype)->name);
    if (sharding.len)
        wfs_buf_json(out, sharding.data);
    else
        wfs_buf_str(out, "null");
    if (!line->is_module && line->row->quantised) {
        wfs_buf_str(out, ", \"quantised\": ");
        wfs_buf_json(out, line->row->quantised->text);
    }
    wfs_buf_printf(out, ", \"weight_decay\": %s}",
                   line->is_module || line->row->weight_decay < 0 ? "null"
                   : line->row->weight_decay                      ? "true"
                                                                  : "false");
}

void wfs_table_json(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                    struct wfs_buf *out)
{
    struct lines all = sorted_lines(rows, options);
    wfs_buf_char(out, '[');
    for (size_t i = 0; i < all.n; i++) {
        wfs_buf_str(out, i ? ",\n " : "");
        add_json_line(out, &all.lines[i]);
    }
    wfs_buf_str(out, "]\n");
    out->failed = out->failed || all.failed;
    free(all.lines);
}

void wfs_table_keys(const struct wfs_inspect_rows *rows, struct wfs_buf *out)
{
    wfs_buf_char(out, '{');
    for (uint32_t i = 0; i < rows->n; i++) {
        wfs_buf_str(out, i ? ",\n " : "");
        wfs_buf_json(out, rows->rows[i].name);
        wfs_buf_str(out, ": ");
        add_json_shape(out, rows->rows[i].expr);
    }
    wfs_buf_str(out, "}\n");
}
