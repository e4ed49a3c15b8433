/*
 * plan_tool.c - the planner without a mount, for tests in Python:
 *
 *   plan_tool SOURCE VIEW [key=value ...]           the report as JSON
 *   plan_tool SOURCE VIEW [key=value ...] -o DIR    also each target's bytes as DIR/<n>.bin
 *   plan_tool SOURCE VIEW [key=value ...] -e NAME   why a rule took NAME
 *
 * Keys: rules=, template=, dtype=, strict=1, set=NAME=VALUE; all others are the view's own.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/mapping.h"

#define MAX_OPTIONS 64
#define CHUNK       (1u << 20)

struct options {
    struct wfs_view_options view;
    const char *own[MAX_OPTIONS + 1];
    const char *set[MAX_OPTIONS + 1];
    const char *out, *explain;
    size_t n_own, n_set;
};

static const char *value_of(const char *arg, const char *key)
{
    size_t len = strlen(key);
    return strncmp(arg, key, len) == 0 && arg[len] == '=' ? arg + len + 1 : NULL;
}

static void parse_option(struct options *o, const char *arg)
{
    const char *v;
    if ((v = value_of(arg, "rules")))
        o->view.rules = v;
    else if ((v = value_of(arg, "template")))
        o->view.template_path = v;
    else if ((v = value_of(arg, "dtype")))
        o->view.dtype = v;
    else if (value_of(arg, "strict"))
        o->view.strict = true;
    else if ((v = value_of(arg, "set")))
        o->set[o->n_set++] = v;
    else
        o->own[o->n_own++] = arg;
}

static int write_target(const char *dir, uint32_t i, const struct wfs_expr *e,
                        struct wfs_error *err)
{
    char path[4096];
    wfs_cleanup(wfs_freep) char *buf = malloc(CHUNK);
    snprintf(path, sizeof(path), "%s/%u.bin", dir, i);
    wfs_cleanup(wfs_fclosep) FILE *f = fopen(path, "wb");
    if (!buf || !f)
        return wfs_error_set(err, EIO, "%s: cannot be written", path);
    for (uint64_t off = 0; off < e->size_bytes; off += CHUNK) {
        size_t n = (size_t)wfs_min_u64(CHUNK, e->size_bytes - off);
        int r = wfs_expr_read(e, buf, n, off, err);
        if (r)
            return r;
        if (fwrite(buf, 1, n, f) != n)
            return wfs_error_set(err, EIO, "%s: cannot be written", path);
    }
    return 0;
}

static int run(const char *source, struct options *o, struct wfs_buf *out, struct wfs_error *err)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = NULL;
    wfs_cleanup(wfs_plan_freep) struct wfs_plan *plan = NULL;
    struct wfs_source_options source_options = {0};
    int r = wfs_catalog_open(source, &source_options, &catalog, err);
    if (!r && o->explain)
        return wfs_plan_explain(catalog, &o->view, o->explain, out, err);
    if (!r)
        r = strcmp(o->view.name, "source") == 0 ? wfs_plan_source(catalog, &plan, err)
                                                : wfs_plan_view(catalog, &o->view, &plan, err);
    if (!r)
        wfs_plan_report_json(plan, catalog, out);
    for (uint32_t i = 0; !r && o->out && i < plan->n_targets; i++)
        r = write_target(o->out, i, plan->targets[i].expr, err);
    return r;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct wfs_error err = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    if (argc < 3 || argc > MAX_OPTIONS) {
        fprintf(stderr, "plan_tool SOURCE VIEW [key=value ...] [-o DIR | -e NAME]\n");
        return 2;
    }
    o.view.name = argv[2];
    o.view.options = o.own;
    o.view.set = o.set;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            o.out = argv[++i];
        else if (strcmp(argv[i], "-e") == 0 && i + 1 < argc)
            o.explain = argv[++i];
        else
            parse_option(&o, argv[i]);
    }
    if (run(argv[1], &o, &out, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    if (out.data)
        fwrite(out.data, 1, out.len, stdout);
    return 0;
}
