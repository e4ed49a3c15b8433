/*
 * scan_tool.c - opens each path of the command line (or, without one, each line of standard
 * input) and prints what the catalog says, one JSON object a line: for tests that compare it with
 * other readers.
 *
 *     scan_tool [weights=GLOB] [root=PATH]... [PATH]...
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/source.h"

#define MAX_ROOTS 8

static void add_tensor(struct wfs_buf *out, const struct wfs_tensor *t)
{
    wfs_buf_str(out, "{\"name\": ");
    wfs_buf_json(out, t->name);
    const struct wfs_dtype_info *info = wfs_dtype_info(t->expr->dtype);
    wfs_buf_printf(out, ", \"dtype\": \"%s\"", info->name);
    if (info->safetensors)
        wfs_buf_printf(out, ", \"safetensors\": \"%s\"", info->safetensors);
    wfs_buf_str(out, ", \"shape\": [");
    for (uint32_t i = 0; i < t->expr->ndim; i++)
        wfs_buf_printf(out, "%s%" PRIu64, i ? ", " : "", t->expr->shape[i]);
    wfs_buf_printf(out, "], \"size\": %" PRIu64, t->expr->size_bytes);
    if (t->file != WFS_NO_INDEX)
        wfs_buf_printf(out, ", \"file\": %u", t->file);
    if (t->file_off != UINT64_MAX)
        wfs_buf_printf(out, ", \"offset\": %" PRIu64, t->file_off);
    if (t->alias_of != WFS_NO_INDEX)
        wfs_buf_printf(out, ", \"alias_of\": %u", t->alias_of);
    wfs_buf_printf(out, ", \"root\": %u}", t->root);
}

static void add_notes(struct wfs_buf *out, const struct wfs_catalog *c)
{
    static const char *const kinds[] = {"info", "warning", "danger", "refused", "left out"};
    for (uint32_t i = 0; i < c->n_notes; i++) {
        wfs_buf_printf(out, "%s[\"%s\", ", i ? ", " : "", kinds[c->notes[i].kind]);
        wfs_buf_json(out, c->notes[i].subject);
        wfs_buf_str(out, ", ");
        wfs_buf_json(out, c->notes[i].text);
        wfs_buf_char(out, ']');
    }
}

static void add_catalog(struct wfs_buf *out, const struct wfs_catalog *c)
{
    char hex[33];
    wfs_hash_hex(&c->id, hex);
    wfs_buf_printf(out,
                   "\"format\": \"%s\", \"convention\": \"%s\", \"id\": \"%s\", \"tensors\": [",
                   c->format, c->convention ? c->convention : "", hex);
    for (uint32_t i = 0; i < c->n_tensors; i++) {
        wfs_buf_str(out, i ? ", " : "");
        add_tensor(out, &c->tensors[i]);
    }
    wfs_buf_str(out, "], \"files\": [");
    for (uint32_t i = 0; i < c->n_files; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, c->files[i].name);
    }
    wfs_buf_str(out, "], \"side_files\": [");
    for (uint32_t i = 0; i < c->n_side_files; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, c->side_files[i].name);
    }
    wfs_buf_str(out, "], \"metadata\": {");
    for (uint32_t i = 0; i < c->n_metadata; i++) {
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, c->metadata[i][0]);
        wfs_buf_str(out, ": ");
        wfs_buf_json(out, c->metadata[i][1]);
    }
    wfs_buf_str(out, "}, \"notes\": [");
    add_notes(out, c);
    wfs_buf_char(out, ']');
}

static int show(const char *path, const struct wfs_source_options *options)
{
    struct wfs_error err = {0};
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = NULL;
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    int r = wfs_catalog_open(path, options, &catalog, &err);
    wfs_buf_str(&out, "{\"path\": ");
    wfs_buf_json(&out, path);
    wfs_buf_str(&out, ", ");
    if (r) {
        wfs_buf_str(&out, "\"error\": ");
        wfs_buf_json(&out, err.message);
    } else {
        add_catalog(&out, catalog);
    }
    wfs_buf_char(&out, '}');
    if (!wfs_buf_ok(&out))
        return 3;
    puts(out.data);
    return r ? 1 : 0;
}

static int show_lines(const struct wfs_source_options *options)
{
    wfs_cleanup(wfs_freep) char *line = NULL;
    size_t cap = 0;
    int status = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        status |= show(line, options);
        fflush(stdout);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *roots[MAX_ROOTS + 1] = {0};
    struct wfs_source_options options = {0};
    int i = 1, n_roots = 0, status = 0;
    for (; i < argc; i++) {
        if (strncmp(argv[i], "weights=", 8) == 0)
            options.weights = argv[i] + 8;
        else if (strncmp(argv[i], "root=", 5) == 0 && n_roots < MAX_ROOTS)
            roots[n_roots++] = argv[i] + 5;
        else
            break;
    }
    if (n_roots)
        options.roots = roots;
    if (i == argc)
        return show_lines(&options);
    for (; i < argc; i++)
        status |= show(argv[i], &options);
    return status;
}
