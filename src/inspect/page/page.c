/*
 * page.c - info/report.html: the page is report.html with the data put in as JSON. In it '<' is an
 * escape, so that no name of a tensor can end the script it stands in.
 */
#include "inspect/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/page/report_html.h"

static void add_shape(struct wfs_buf *out, const struct wfs_expr *expr)
{
    wfs_buf_char(out, '[');
    for (uint32_t i = 0; i < expr->ndim; i++)
        wfs_buf_printf(out, "%s%" PRIu64, i ? "," : "", expr->shape[i]);
    wfs_buf_char(out, ']');
}

/* JSON has neither NaN nor infinities: they are strings. */
static void add_number(struct wfs_buf *out, double value)
{
    if (isfinite(value))
        wfs_buf_printf(out, ",%.6g", value);
    else
        wfs_buf_str(out, isnan(value) ? ",\"NaN\"" : value > 0 ? ",\"inf\"" : ",\"-inf\"");
}

static void add_tensor(struct wfs_buf *out, const struct wfs_inspect_row *row,
                       const unsigned *dtype_at, const struct wfs_stats *stats)
{
    wfs_buf_char(out, '[');
    wfs_buf_json(out, row->name);
    wfs_buf_printf(out, ",%u,", dtype_at[row->expr->dtype]);
    add_shape(out, row->expr);
    wfs_buf_printf(out, ",%" PRIu64 ",%" PRIu64 ",", row->expr->n_elems, row->expr->size_bytes);
    struct wfs_buf sharding wfs_cleanup(wfs_buf_free) = {0};
    if (row->n_shards > 1 || row->axes)
        wfs_inspect_sharding(&sharding, row);
    wfs_buf_json(out, sharding.len ? sharding.data : "");
    if (stats) {
        add_number(out, wfs_stats_l2(stats));
        add_number(out, wfs_stats_mean(stats));
        add_number(out, wfs_stats_std(stats));
        add_number(out, stats->n > stats->n_nan ? stats->min : NAN);
        add_number(out, stats->n > stats->n_nan ? stats->max : NAN);
        wfs_buf_printf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, stats->n_zero, stats->n_nan,
                       stats->n_inf);
    }
    wfs_buf_char(out, ']');
}

/* The dtypes that occur, in the order of the enum; dtype_at[d] is d's place among them. */
static void add_dtypes(struct wfs_buf *out, const struct wfs_inspect_rows *rows, unsigned *dtype_at)
{
    bool occurs[WFS_N_DTYPES] = {false};
    unsigned n = 0;
    for (uint32_t i = 0; i < rows->n; i++)
        occurs[rows->rows[i].expr->dtype] = true;
    wfs_buf_str(out, ",\"dtypes\":[");
    for (int d = 0; d < WFS_N_DTYPES; d++) {
        if (!occurs[d])
            continue;
        wfs_buf_printf(out, "%s\"%s\"", n ? "," : "", wfs_dtype_info((enum wfs_dtype)d)->name);
        dtype_at[d] = n++;
    }
    wfs_buf_char(out, ']');
}

static void add_tensors(struct wfs_buf *out, const struct wfs_inspect_rows *rows,
                        const struct wfs_stats *stats, const bool *known)
{
    unsigned dtype_at[WFS_N_DTYPES] = {0};
    add_dtypes(out, rows, dtype_at);
    wfs_buf_str(out, ",\"tensors\":[");
    for (uint32_t i = 0; i < rows->n; i++) {
        wfs_buf_str(out, i ? ",\n" : "");
        add_tensor(out, &rows->rows[i], dtype_at, stats && known[i] ? &stats[i] : NULL);
    }
    wfs_buf_char(out, ']');
}

/* place[i] is the row of source tensor i; the page knows tensors by their rows. */
static void add_target(struct wfs_buf *out, const struct wfs_plan *plan,
                       const struct wfs_target *target, const uint32_t *place)
{
    struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&name, target->path, plan->sep);
    wfs_buf_char(out, '[');
    wfs_buf_json(out, name.data ? name.data : "");
    wfs_buf_str(out, ",[");
    for (uint32_t i = 0; i < target->n_sources; i++)
        wfs_buf_printf(out, "%s%" PRIu32, i ? "," : "", place[target->sources[i]]);
    wfs_buf_str(out, "],");
    wfs_buf_json(out, target->operations);
    wfs_buf_printf(out, ",\"%s\",", wfs_status_name(target->status));
    wfs_buf_json(out, target->rule ? target->rule : "");
    wfs_buf_char(out, ']');
}

static void add_view(struct wfs_buf *out, const struct wfs_plan *plan, const uint32_t *place)
{
    wfs_buf_str(out, "{\"name\":");
    wfs_buf_json(out, plan->view);
    wfs_buf_str(out, ",\"targets\":[");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        wfs_buf_str(out, i ? ",\n" : "");
        add_target(out, plan, &plan->targets[i], place);
    }
    wfs_buf_str(out, "],\"entries\":[");
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        wfs_buf_printf(out, "%s[\"%s\",", i ? "," : "", wfs_status_name(plan->entries[i].status));
        wfs_buf_json(out, plan->entries[i].subject);
        wfs_buf_char(out, ',');
        wfs_buf_json(out, plan->entries[i].text);
        wfs_buf_char(out, ']');
    }
    wfs_buf_str(out, "]}");
}

/* The source's notes, but for those that only inform. */
static void add_notes(struct wfs_buf *out, const struct wfs_catalog *catalog)
{
    const char *comma = "";
    wfs_buf_str(out, ",\"notes\":[");
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        const struct wfs_note *note = &catalog->notes[i];
        if (note->kind == WFS_NOTE_INFO)
            continue;
        wfs_buf_printf(out, "%s[\"%s\",", comma, wfs_note_kind_name(note->kind));
        wfs_buf_json(out, note->subject);
        wfs_buf_char(out, ',');
        wfs_buf_json(out, note->text);
        wfs_buf_char(out, ']');
        comma = ",";
    }
    wfs_buf_char(out, ']');
}

static void add_problem_names(struct wfs_buf *out)
{
    const char *comma = "";
    wfs_buf_str(out, ",\"problems\":[");
    for (int s = 0; s < WFS_N_STATUSES; s++) {
        if (!wfs_status_is_problem((enum wfs_status)s))
            continue;
        wfs_buf_printf(out, "%s\"%s\"", comma, wfs_status_name((enum wfs_status)s));
        comma = ",";
    }
    wfs_buf_char(out, ']');
}

/* Rows point at targets of the source's plan, whose single source is the tensor. */
static uint32_t *places_of(const struct wfs_catalog *catalog, const struct wfs_inspect_rows *rows)
{
    uint32_t *place = calloc((size_t)catalog->n_tensors + 1, sizeof(*place));
    for (uint32_t i = 0; place && i < rows->n; i++)
        if (rows->rows[i].target->n_sources == 1)
            place[rows->rows[i].target->sources[0]] = i;
    return place;
}

static void add_escaped(struct wfs_buf *out, const char *json)
{
    for (size_t n; *json; json += n) {
        n = strcspn(json, "<");
        wfs_buf_add(out, json, n);
        if (json[n] == '<') {
            wfs_buf_str(out, "\\u003c");
            n++;
        }
    }
}

void wfs_report_page(const struct wfs_catalog *catalog, struct wfs_plan *const *plans,
                     uint32_t n_plans, const struct wfs_inspect_rows *rows,
                     const struct wfs_stats *stats, const bool *known, struct wfs_buf *out)
{
    struct wfs_buf json wfs_cleanup(wfs_buf_free) = {0};
    uint32_t *place wfs_cleanup(wfs_freep) = places_of(catalog, rows);
    wfs_buf_str(&json, "{\"source\":");
    wfs_buf_json(&json, catalog->source);
    wfs_buf_str(&json, ",\"format\":");
    wfs_buf_json(&json, catalog->format);
    wfs_buf_printf(&json, ",\"separator\":\"%c\"", plans[0]->sep);
    add_tensors(&json, rows, stats, known);
    add_notes(&json, catalog);
    add_problem_names(&json);
    wfs_buf_str(&json, ",\"views\":[");
    for (uint32_t i = 1; place && i < n_plans; i++) {
        wfs_buf_str(&json, i > 1 ? "," : "");
        add_view(&json, plans[i], place);
    }
    wfs_buf_str(&json, "]}");
    const char *mark = strstr(wfs_report_html, "@DATA@");
    wfs_buf_add(out, wfs_report_html, (size_t)(mark - wfs_report_html));
    if (wfs_buf_ok(&json) && place)
        add_escaped(out, json.data);
    else
        out->failed = true;
    wfs_buf_str(out, mark + strlen("@DATA@"));
}
