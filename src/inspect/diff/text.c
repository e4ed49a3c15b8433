/*
 * text.c - a difference as lines for people and as JSON.
 */
#include "inspect/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void add_shape_dtype(struct wfs_buf *out, const struct wfs_inspect_row *row)
{
    wfs_shape_format(out, row->expr->ndim, row->expr->shape);
    wfs_buf_printf(out, " %s", wfs_dtype_info(row->expr->dtype)->name);
}

static bool is_quantised(const struct wfs_diff_entry *e)
{
    return e->a && e->b && (e->a->quantised || e->b->quantised);
}

static void add_quantisation(struct wfs_buf *out, const struct wfs_diff_entry *e)
{
    const char *a = e->a->quantised ? e->a->quantised->text : "not quantised";
    const char *b = e->b->quantised ? e->b->quantised->text : "not quantised";
    if (strcmp(a, b) != 0)
        wfs_buf_printf(out, ": %s against %s", a, b);
    else if (e->kind == WFS_DIFF_CHANGED && !e->has_values)
        wfs_buf_printf(out, ": %s", a);
}

static void add_details(struct wfs_buf *out, const struct wfs_diff_entry *e)
{
    if (e->kind == WFS_DIFF_RENAMED) {
        wfs_buf_str(out, " -> ");
        wfs_buf_visible(out, e->b->name);
    } else if (e->kind == WFS_DIFF_SHAPE || e->kind == WFS_DIFF_DTYPE) {
        wfs_buf_str(out, ": ");
        add_shape_dtype(out, e->a);
        wfs_buf_str(out, " against ");
        add_shape_dtype(out, e->b);
    }
    if (is_quantised(e) && e->kind != WFS_DIFF_SHAPE && e->kind != WFS_DIFF_RENAMED)
        add_quantisation(out, e);
    if (e->has_values && e->n_different == 0)
        wfs_buf_str(out, e->kind == WFS_DIFF_DTYPE || is_quantised(e)
                             ? ": the values are equal"
                             : ": the bits differ, the values do not (signed zeros, NaN)");
    else if (e->has_values)
        wfs_buf_printf(out,
                       ": %" PRIu64 " of %" PRIu64 " differ, max abs %.6g, max rel %.6g, "
                       "cosine %.9g",
                       e->n_different, e->a->expr->n_elems, e->max_abs, e->max_rel,
                       isnan(e->cosine) ? NAN : e->cosine); /* without its sign */
}

void wfs_diff_text(const struct wfs_diff *diff, bool all, struct wfs_buf *out)
{
    for (uint32_t i = 0; i < diff->n; i++) {
        const struct wfs_diff_entry *e = &diff->entries[i];
        if (e->kind == WFS_DIFF_SAME && !all)
            continue;
        wfs_buf_printf(out, "%-10s ", wfs_diff_kind_name(e->kind));
        wfs_buf_visible(out, (e->a ? e->a : e->b)->name);
        add_details(out, e);
        wfs_buf_char(out, '\n');
    }
    const char *comma = "";
    for (int k = 0; k < WFS_N_DIFF_KINDS; k++) {
        if (!diff->n_by_kind[k])
            continue;
        wfs_buf_printf(out, "%s%" PRIu32 " %s", comma, diff->n_by_kind[k],
                       wfs_diff_kind_name((enum wfs_diff_kind)k));
        comma = ", ";
    }
    wfs_buf_str(out, diff->n ? "\n" : "no tensors\n");
}

static void add_number(struct wfs_buf *out, const char *key, double value)
{
    if (isfinite(value))
        wfs_buf_printf(out, ", \"%s\": %.17g", key, value);
    else
        wfs_buf_printf(out, ", \"%s\": %s", key, isnan(value) ? "null" : "\"Infinity\"");
}

static void add_json_row(struct wfs_buf *out, const char *key, const struct wfs_inspect_row *row)
{
    wfs_buf_printf(out, ", \"%s\": ", key);
    if (!row) {
        wfs_buf_str(out, "null");
        return;
    }
    wfs_buf_str(out, "{\"name\": ");
    wfs_buf_json(out, row->name);
    wfs_buf_printf(out, ", \"dtype\": \"%s\", \"shape\": [",
                   wfs_dtype_info(row->expr->dtype)->name);
    for (uint32_t i = 0; i < row->expr->ndim; i++)
        wfs_buf_printf(out, "%s%" PRIu64, i ? ", " : "", row->expr->shape[i]);
    wfs_buf_str(out, "]}");
}

void wfs_diff_json(const struct wfs_diff *diff, struct wfs_buf *out)
{
    wfs_buf_char(out, '[');
    for (uint32_t i = 0; i < diff->n; i++) {
        const struct wfs_diff_entry *e = &diff->entries[i];
        wfs_buf_printf(out, "%s{\"status\": \"%s\"", i ? ",\n " : "", wfs_diff_kind_name(e->kind));
        add_json_row(out, "a", e->a);
        add_json_row(out, "b", e->b);
        if (e->has_values) {
            wfs_buf_printf(out, ", \"n_different\": %" PRIu64, e->n_different);
            add_number(out, "max_abs", e->max_abs);
            add_number(out, "max_rel", e->max_rel);
            add_number(out, "cosine", e->cosine);
        }
        wfs_buf_char(out, '}');
    }
    wfs_buf_str(out, "]\n");
}
