/*
 * report.c - what a plan says about itself: report.txt's section, JSON for `map --json`, the view's
 * table and its keys.
 */
#include "mapping/mapping.h"

/* ---- text ---------------------------------------------------------------------------------- */

static void add_name(const struct wfs_plan *plan, const struct wfs_target *t, struct wfs_buf *out)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    wfs_path_join(&name, t->path, plan->sep);
    wfs_buf_visible(out, wfs_buf_ok(&name) && name.data ? name.data : "?");
}

static void add_counts(const struct wfs_plan *plan, struct wfs_buf *out)
{
    const char *sep = "";
    for (int s = 0; s < WFS_NOTE; s++) {
        if (!plan->n_by_status[s])
            continue;
        wfs_buf_printf(out, "%s%u %s", sep, plan->n_by_status[s],
                       wfs_status_name((enum wfs_status)s));
        sep = ", ";
    }
    wfs_buf_char(out, '\n');
}

void wfs_plan_report_text(const struct wfs_plan *plan, struct wfs_buf *out)
{
    wfs_buf_printf(out, "view %s", plan->view);
    if (!plan->is_source)
        wfs_buf_printf(out, " (%s)", plan->chain);
    wfs_buf_str(out, ": ");
    add_counts(plan, out);
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        const struct wfs_report_entry *e = &plan->entries[i];
        wfs_buf_printf(out, "  %s: ", wfs_status_name(e->status));
        if (e->subject[0]) {
            wfs_buf_visible(out, e->subject);
            wfs_buf_str(out, ": ");
        }
        wfs_buf_visible(out, e->text);
        wfs_buf_char(out, '\n');
    }
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[i];
        if (t->status != WFS_FILLED && t->status != WFS_PACKED)
            continue;
        wfs_buf_printf(out, "  %s: ", wfs_status_name(t->status));
        add_name(plan, t, out);
        wfs_buf_printf(out, "%s%s\n", t->rule[0] ? " by " : "", t->rule);
    }
}

/* ---- tables -------------------------------------------------------------------------------- */

static void add_sources(const struct wfs_target *t, const struct wfs_catalog *catalog,
                        struct wfs_buf *out)
{
    for (uint32_t i = 0; i < t->n_sources; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_visible(out, catalog->tensors[t->sources[i]].name);
    }
}

void wfs_plan_table(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                    struct wfs_buf *out)
{
    wfs_buf_str(out, "target\tdtype\tshape\tsources\toperations\tstatus\trule\trole\n");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[i];
        add_name(plan, t, out);
        wfs_buf_printf(out, "\t%s\t", wfs_dtype_info(t->expr->dtype)->name);
        wfs_shape_format(out, t->expr->ndim, t->expr->shape);
        wfs_buf_char(out, '\t');
        add_sources(t, catalog, out);
        wfs_buf_printf(out, "\t%s\t%s\t%s\t%s", t->operations, wfs_status_name(t->status), t->rule,
                       t->role);
        if (t->role_reason[0])
            wfs_buf_printf(out, ": %s", t->role_reason);
        wfs_buf_char(out, '\n');
    }
}

static void add_json_name(const struct wfs_plan *plan, const struct wfs_target *t,
                          struct wfs_buf *out)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    wfs_path_join(&name, t->path, plan->sep);
    wfs_buf_json(out, wfs_buf_ok(&name) && name.data ? name.data : "?");
}

static void add_json_shape(const struct wfs_expr *e, struct wfs_buf *out)
{
    wfs_buf_char(out, '[');
    for (uint32_t i = 0; i < e->ndim; i++)
        wfs_buf_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)e->shape[i]);
    wfs_buf_char(out, ']');
}

void wfs_plan_keys_json(const struct wfs_plan *plan, struct wfs_buf *out)
{
    wfs_buf_str(out, "{");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        wfs_buf_str(out, i ? ",\n " : "\n ");
        add_json_name(plan, &plan->targets[i], out);
        wfs_buf_str(out, ": ");
        add_json_shape(plan->targets[i].expr, out);
    }
    wfs_buf_str(out, "\n}\n");
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void add_json_target(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                            const struct wfs_target *t, struct wfs_buf *out)
{
    wfs_buf_str(out, "{\"target\": ");
    add_json_name(plan, t, out);
    wfs_buf_printf(out, ", \"dtype\": \"%s\", \"shape\": ", wfs_dtype_info(t->expr->dtype)->name);
    add_json_shape(t->expr, out);
    wfs_buf_str(out, ", \"sources\": [");
    for (uint32_t i = 0; i < t->n_sources; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, catalog->tensors[t->sources[i]].name);
    }
    wfs_buf_str(out, "], \"operations\": ");
    wfs_buf_json(out, t->operations);
    wfs_buf_printf(out, ", \"status\": \"%s\", \"rule\": ", wfs_status_name(t->status));
    wfs_buf_json(out, t->rule);
    wfs_buf_str(out, ", \"role\": ");
    wfs_buf_json(out, t->role);
    wfs_buf_str(out, ", \"role_reason\": ");
    wfs_buf_json(out, t->role_reason);
    wfs_buf_char(out, '}');
}

static bool has_problem(const struct wfs_plan *plan)
{
    for (int s = 0; s < WFS_N_STATUSES; s++)
        if (plan->n_by_status[s] && wfs_status_is_problem((enum wfs_status)s))
            return true;
    return false;
}

void wfs_plan_report_json(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                          struct wfs_buf *out)
{
    wfs_buf_str(out, "{\"view\": ");
    wfs_buf_json(out, plan->view);
    wfs_buf_str(out, ", \"chain\": ");
    wfs_buf_json(out, plan->chain);
    wfs_buf_printf(out, ", \"clean\": %s, \"counts\": {", has_problem(plan) ? "false" : "true");
    const char *sep = "";
    for (int s = 0; s < WFS_N_STATUSES; s++) {
        wfs_buf_printf(out, "%s\"%s\": %u", sep, wfs_status_name((enum wfs_status)s),
                       plan->n_by_status[s]);
        sep = ", ";
    }
    wfs_buf_str(out, "},\n \"targets\": [");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        wfs_buf_str(out, i ? ",\n  " : "\n  ");
        add_json_target(plan, catalog, &plan->targets[i], out);
    }
    wfs_buf_str(out, "],\n \"report\": [");
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        const struct wfs_report_entry *e = &plan->entries[i];
        wfs_buf_printf(out, "%s{\"status\": \"%s\", \"subject\": ", i ? ",\n  " : "\n  ",
                       wfs_status_name(e->status));
        wfs_buf_json(out, e->subject);
        wfs_buf_str(out, ", \"text\": ");
        wfs_buf_json(out, e->text);
        wfs_buf_char(out, '}');
    }
    wfs_buf_str(out, "]}\n");
}
