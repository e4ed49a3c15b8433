/*
 * text.c - statistics for people (a table with modules), as TSV (info/norms.tsv) and as JSON.
 */
#include "inspect/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/layout/grid.h"
#include "inspect/norms/numbers.h"

/* ---- modules: what their leaves have together ---------------------------------------------- */

struct module {
    const char *name; /* joined by '.' */
    struct wfs_stats stats;
};
struct modules {
    struct wfs_strmap by_prefix;
    struct module *modules;
    size_t n, cap;
    struct wfs_stats global;
    bool failed;
};

/* Finds or makes the module of a prefix, which is in the arena. */
static struct module *module_of(struct modules *m, struct wfs_arena *arena, const char *prefix)
{
    uint64_t at = m->n;
    if (wfs_strmap_get(&m->by_prefix, prefix, &at))
        return &m->modules[at];
    const char *name = wfs_path_join_dup(arena, prefix, '.');
    if (!name || wfs_grow(&m->modules, &m->cap, m->n + 1, sizeof(*m->modules)) ||
        wfs_strmap_set(&m->by_prefix, prefix, m->n))
        return NULL;
    m->modules[m->n] = (struct module){.name = name};
    return &m->modules[m->n++];
}

/* Adds a tensor's statistics to those of every module that it is in. */
static void add_leaf(struct modules *m, struct wfs_arena *arena, const char *path,
                     const struct wfs_stats *stats)
{
    wfs_stats_merge(&m->global, stats);
    for (const char *sep = strchr(path, WFS_SEP); sep && !m->failed;
         sep = strchr(sep + 1, WFS_SEP)) {
        char *prefix = wfs_arena_strndup(arena, path, (size_t)(sep - path));
        struct module *module = prefix ? module_of(m, arena, prefix) : NULL;
        m->failed = !module;
        if (module)
            wfs_stats_merge(&module->stats, stats);
    }
}

static struct modules make_modules(struct wfs_arena *arena, const struct wfs_inspect_rows *rows,
                                   const struct wfs_stats *stats, const bool *known)
{
    struct modules m = {.failed = arena == NULL};
    for (uint32_t i = 0; i < rows->n && !m.failed; i++)
        if (known[i])
            add_leaf(&m, arena, rows->rows[i].path, &stats[i]);
    return m;
}

static void modules_free(struct modules *m)
{
    wfs_strmap_free(&m->by_prefix);
    free(m->modules);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void add_cells(struct wfs_grid *grid, const char *name, const struct wfs_stats *s)
{
    struct wfs_stats_numbers numbers = {0};
    wfs_buf_visible(&grid->cell, name);
    wfs_grid_end_cell(grid);
    if (s)
        numbers = wfs_stats_numbers(s);
    for (size_t i = 0; i < WFS_STATS_N_NUMBERS; i++) {
        if (!s)
            wfs_buf_char(&grid->cell, '-');
        else if (i < WFS_STATS_N_REALS)
            wfs_buf_printf(&grid->cell, "%.5g", numbers.reals[i]);
        else
            wfs_buf_printf(&grid->cell, "%" PRIu64, numbers.counts[i - WFS_STATS_N_REALS]);
        wfs_grid_end_cell(grid);
    }
}

void wfs_norms_text(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, const struct wfs_norms_options *options, struct wfs_buf *out)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct modules m = make_modules(arena, rows, stats, known);
    /* On a narrow terminal, columns that hold nothing but zeros are left out first. */
    const struct wfs_grid_column columns[] = {{"Name", false, 0},
                                              {"L2", true, 0},
                                              {"Mean", true, 4},
                                              {"Std", true, 7},
                                              {"Min", true, 5},
                                              {"Max", true, 6},
                                              {"Zeros", true, 3},
                                              {"NaN", true, m.global.n_nan ? 0 : 2},
                                              {"Inf", true, m.global.n_inf ? 0 : 1}};
    struct wfs_grid tensors = {.columns = columns, .n_columns = WFS_ARRAY_SIZE(columns)};
    struct wfs_grid modules = tensors;
    for (uint32_t i = 0; i < rows->n; i++)
        add_cells(&tensors, rows->rows[i].name, known[i] ? &stats[i] : NULL);
    for (size_t i = 0; i < m.n; i++)
        add_cells(&modules, m.modules[i].name, &m.modules[i].stats);
    wfs_grid_write(&tensors, options->width, options->color, out);
    if (m.n) {
        wfs_buf_str(out, "\nModules:\n");
        wfs_grid_write(&modules, options->width, options->color, out);
    }
    wfs_buf_printf(out, "\nGlobal L2 norm: %.9g\n", wfs_stats_numbers(&m.global).reals[0]);
    out->failed = out->failed || m.failed;
    wfs_grid_free(&tensors);
    wfs_grid_free(&modules);
    modules_free(&m);
}

/* ---- for programs -------------------------------------------------------------------------- */

#define REAL_BYTES_MAX  24 /* "-1.7976931348623157e+308" */
#define COUNT_BYTES_MAX 20

static void add_tsv_line(struct wfs_buf *out, const char *name, const struct wfs_stats *s)
{
    struct wfs_stats_numbers numbers = wfs_stats_numbers(s);
    wfs_buf_visible(out, name);
    for (size_t i = 0; i < WFS_STATS_N_REALS; i++)
        wfs_buf_printf(out, "\t%.17g", numbers.reals[i]);
    for (size_t i = 0; i < WFS_STATS_N_COUNTS; i++)
        wfs_buf_printf(out, "\t%" PRIu64, numbers.counts[i]);
    wfs_buf_char(out, '\n');
}

static void add_tsv_heading(struct wfs_buf *out)
{
    wfs_buf_str(out, "name");
    for (size_t i = 0; i < WFS_STATS_N_NUMBERS; i++)
        wfs_buf_printf(out, "\t%s", wfs_stats_names[i]);
    wfs_buf_char(out, '\n');
}

void wfs_norms_tsv(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                   const bool *known, struct wfs_buf *out)
{
    add_tsv_heading(out);
    for (uint32_t i = 0; i < rows->n; i++)
        if (known[i])
            add_tsv_line(out, rows->rows[i].name, &stats[i]);
}

uint64_t wfs_norms_tsv_bytes_max(const struct wfs_inspect_rows *rows)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    add_tsv_heading(&text);
    uint64_t total = text.len;
    for (uint32_t i = 0; i < rows->n; i++) {
        text.len = 0;
        wfs_buf_visible(&text, rows->rows[i].name);
        total += text.len + WFS_STATS_N_REALS * (1 + REAL_BYTES_MAX) +
                 WFS_STATS_N_COUNTS * (1 + COUNT_BYTES_MAX) + 1;
    }
    return wfs_buf_ok(&text) ? total : 0;
}

static void add_json_entry(struct wfs_buf *out, bool *any, const char *name,
                           const struct wfs_stats *s)
{
    wfs_buf_str(out, *any ? ",\n  " : "\n  ");
    wfs_buf_json(out, name);
    wfs_buf_str(out, ": ");
    wfs_stats_add_json(out, s);
    *any = true;
}

void wfs_norms_json(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, struct wfs_buf *out)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct modules m = make_modules(arena, rows, stats, known);
    bool any = false;
    wfs_buf_char(out, '{');
    wfs_stats_add_json_real(out, "global", wfs_stats_l2(&m.global));
    wfs_buf_str(out, ",\n \"params\": {");
    for (uint32_t i = 0; i < rows->n; i++)
        if (known[i])
            add_json_entry(out, &any, rows->rows[i].name, &stats[i]);
    wfs_buf_str(out, "},\n \"modules\": {");
    any = false;
    for (size_t i = 0; i < m.n; i++)
        add_json_entry(out, &any, m.modules[i].name, &m.modules[i].stats);
    wfs_buf_str(out, "}}\n");
    out->failed = out->failed || m.failed;
    modules_free(&m);
}
