/*
 * norms_text.c - statistics for people (a table with modules), as TSV (info/norms.tsv) and as JSON.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weightfs/inspect.h"

/* ---- modules: the squares of their leaves
 * -------------------------------------------------------- */

struct module {
    const char *name; /* joined by '.' */
    double squares;
};
struct modules {
    struct wfs_strmap by_prefix;
    struct module *modules;
    size_t n, cap;
    bool failed;
};

/* Every proper prefix of the path is a module. */
static void add_leaf(struct modules *m, struct wfs_arena *arena, const char *path, double squares)
{
    for (const char *sep = strchr(path, WFS_SEP); sep && !m->failed;
         sep = strchr(sep + 1, WFS_SEP)) {
        char *prefix = wfs_arena_strndup(arena, path, (size_t)(sep - path));
        uint64_t at = m->n;
        if (prefix && !wfs_strmap_get(&m->by_prefix, prefix, &at)) {
            m->failed = wfs_grow(&m->modules, &m->cap, m->n + 1, sizeof(*m->modules)) ||
                        wfs_strmap_set(&m->by_prefix, prefix, m->n);
            if (!m->failed)
                m->modules[m->n++] = (struct module){.name = wfs_path_join_dup(arena, prefix, '.')};
        }
        m->failed = m->failed || !prefix || !m->modules[at].name;
        if (!m->failed)
            m->modules[at].squares += squares;
    }
}

static struct modules make_modules(struct wfs_arena *arena, const struct wfs_inspect_rows *rows,
                                   const struct wfs_stats *stats, const bool *known,
                                   double *ret_global)
{
    struct modules m = {.failed = arena == NULL};
    *ret_global = 0;
    for (uint32_t i = 0; i < rows->n && !m.failed; i++) {
        if (!known[i])
            continue;
        double l2 = wfs_stats_l2(&stats[i]);
        *ret_global += l2 * l2;
        add_leaf(&m, arena, rows->rows[i].path, l2 * l2);
    }
    *ret_global = sqrt(*ret_global);
    return m;
}

static void modules_free(struct modules *m)
{
    wfs_strmap_free(&m->by_prefix);
    free(m->modules);
}

/* ---- text
 * ------------------------------------------------------------------------------------------ */

static const char *const headings[] = {"l2", "mean", "std", "min", "max", "zeros", "nan", "inf"};

static void add_numbers(struct wfs_buf *out, const struct wfs_stats *s, bool tsv)
{
    const double reals[] = {wfs_stats_l2(s), wfs_stats_mean(s), wfs_stats_std(s), s->min, s->max};
    const uint64_t counts[] = {s->n_zero, s->n_nan, s->n_inf};
    char text[64];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(reals); i++) {
        snprintf(text, sizeof(text), "%.17g", reals[i]);
        if (tsv)
            wfs_buf_printf(out, "\t%s", text);
        else
            wfs_buf_printf(out, "  %11.5g", reals[i]);
    }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(counts); i++) {
        if (tsv)
            wfs_buf_printf(out, "\t%" PRIu64, counts[i]);
        else
            wfs_buf_printf(out, "  %9" PRIu64, counts[i]);
    }
}

void wfs_norms_text(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, struct wfs_buf *out)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    double global;
    struct modules m = make_modules(arena, rows, stats, known, &global);
    size_t width = 4;
    for (uint32_t i = 0; i < rows->n; i++)
        width = strlen(rows->rows[i].name) > width ? strlen(rows->rows[i].name) : width;
    width = width < 60 ? width : 60;
    wfs_buf_printf(out, "%-*s", (int)width, "name");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(headings); i++)
        wfs_buf_printf(out, i < 5 ? "  %11s" : "  %9s", headings[i]);
    wfs_buf_char(out, '\n');
    for (uint32_t i = 0; i < rows->n; i++) {
        struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
        wfs_buf_visible(&name, rows->rows[i].name);
        wfs_buf_printf(out, "%-*s", (int)width, name.data ? name.data : "");
        if (known[i])
            add_numbers(out, &stats[i], false);
        else
            wfs_buf_str(out, "  (no numbers)");
        wfs_buf_char(out, '\n');
    }
    wfs_buf_str(out, m.n ? "\nmodules:\n" : "");
    for (size_t i = 0; i < m.n; i++) {
        wfs_buf_printf(out, "  %11.5g  ", sqrt(m.modules[i].squares));
        wfs_buf_visible(out, m.modules[i].name);
        wfs_buf_char(out, '\n');
    }
    wfs_buf_printf(out, "\nglobal l2 norm: %.9g\n", global);
    out->failed = out->failed || m.failed;
    modules_free(&m);
}

/* ---- for programs
 * ------------------------------------------------------------------------------------ */

void wfs_norms_tsv(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                   const bool *known, struct wfs_buf *out)
{
    wfs_buf_str(out, "name");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(headings); i++)
        wfs_buf_printf(out, "\t%s", headings[i]);
    wfs_buf_char(out, '\n');
    for (uint32_t i = 0; i < rows->n; i++) {
        if (!known[i])
            continue;
        wfs_buf_visible(out, rows->rows[i].name);
        add_numbers(out, &stats[i], true);
        wfs_buf_char(out, '\n');
    }
}

/* JSON has neither NaN nor infinity: null, and a string. */
static void add_json_number(struct wfs_buf *out, const char *key, double value)
{
    wfs_buf_printf(out, "\"%s\": ", key);
    if (isfinite(value))
        wfs_buf_printf(out, "%.17g", value);
    else
        wfs_buf_str(out, isnan(value) ? "null" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void add_json_stats(struct wfs_buf *out, const struct wfs_stats *s)
{
    const double reals[] = {wfs_stats_l2(s), wfs_stats_mean(s), wfs_stats_std(s), s->min, s->max};
    wfs_buf_char(out, '{');
    for (size_t i = 0; i < WFS_ARRAY_SIZE(reals); i++) {
        add_json_number(out, headings[i], reals[i]);
        wfs_buf_str(out, ", ");
    }
    wfs_buf_printf(out, "\"zeros\": %" PRIu64 ", \"nan\": %" PRIu64 ", \"inf\": %" PRIu64 "}",
                   s->n_zero, s->n_nan, s->n_inf);
}

void wfs_norms_json(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, struct wfs_buf *out)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    double global;
    struct modules m = make_modules(arena, rows, stats, known, &global);
    wfs_buf_char(out, '{');
    add_json_number(out, "global", global);
    wfs_buf_str(out, ",\n \"params\": {");
    const char *comma = "";
    for (uint32_t i = 0; i < rows->n; i++) {
        if (!known[i])
            continue;
        wfs_buf_str(out, comma);
        wfs_buf_json(out, rows->rows[i].name);
        wfs_buf_str(out, ": ");
        add_json_stats(out, &stats[i]);
        comma = ",\n  ";
    }
    wfs_buf_str(out, "},\n \"modules\": {");
    for (size_t i = 0; i < m.n; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, m.modules[i].name);
        wfs_buf_printf(out, ": %.17g", sqrt(m.modules[i].squares));
    }
    wfs_buf_str(out, "}}\n");
    out->failed = out->failed || m.failed;
    modules_free(&m);
}
