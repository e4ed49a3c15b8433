/*
 * info.c - info/: what was found, how each view maps it, and what the mount has done so far. A file
 * is a function and a row of one of three tables. The first two are of files that depend on the
 * metadata alone and never change in a mount, the third is of live files.
 */
#include "tree/contents/info.h"

#include <inttypes.h>
#include <stdlib.h>

#include "inspect/inspect.h"
#include "tree/nodes/live.h"

#define STATS_BYTES 65536 /* stats.json is padded to this */

/* ---- frozen -------------------------------------------------------------------------------- */

static void add_tensor_row(const struct wfs_catalog *catalog, const struct wfs_tensor *t,
                           struct wfs_buf *out)
{
    wfs_buf_visible(out, t->name);
    wfs_buf_printf(out, "\t%s\t", wfs_dtype_info(t->expr->dtype)->name);
    wfs_shape_format(out, t->expr->ndim, t->expr->shape);
    wfs_buf_printf(out, "\t%" PRIu64 "\t%" PRIu64 "\t", t->expr->n_elems, t->expr->size_bytes);
    if (t->file != WFS_NO_INDEX)
        wfs_buf_visible(out, catalog->files[t->file].name);
    wfs_buf_char(out, '\t');
    if (t->file_off != UINT64_MAX)
        wfs_buf_printf(out, "%" PRIu64, t->file_off);
    wfs_buf_char(out, '\t');
    wfs_sharding_format(out, t->shard_axis, t->n_shards);
    wfs_buf_char(out, '\t');
    if (t->alias_of != WFS_NO_INDEX)
        wfs_buf_visible(out, catalog->tensors[t->alias_of].name);
    wfs_buf_char(out, '\t');
    if (t->quantised)
        wfs_buf_str(out, t->quantised->text);
    wfs_buf_char(out, '\n');
}

static void make_tensors_tsv(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    (void)plan;
    wfs_buf_str(
        out, "name\tdtype\tshape\telements\tbytes\tfile\toffset\tsharding\talias_of\tquantised\n");
    for (uint32_t i = 0; i < session->catalog->n_tensors; i++)
        add_tensor_row(session->catalog, &session->catalog->tensors[i], out);
}

static void make_view_tsv(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    wfs_plan_table(session->plans[plan], session->catalog, out);
}

static void make_view_keys(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    wfs_plan_keys_json(session->plans[plan], out);
}

static void make_objects(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    (void)plan;
    wfs_buf_str(out, session->catalog->objects_json);
    wfs_buf_char(out, '\n');
}

static void make_report(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    (void)plan;
    const struct wfs_catalog *catalog = session->catalog;
    wfs_buf_str(out, "source: ");
    wfs_buf_visible(out, catalog->source);
    wfs_buf_printf(out, "\nformat: %s, %u tensors in %u files\n", catalog->format,
                   catalog->n_tensors, catalog->n_files);
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        const struct wfs_note *note = &catalog->notes[i];
        wfs_buf_printf(out, "%s: ", wfs_note_kind_name(note->kind));
        wfs_buf_visible(out, note->subject);
        wfs_buf_str(out, *note->subject ? ": " : "");
        wfs_buf_visible(out, note->text);
        wfs_buf_char(out, '\n');
    }
    if (session->tree_report && *session->tree_report)
        wfs_buf_printf(out, "\nnames and files:\n%s", session->tree_report);
    for (uint32_t i = 1; i < session->n_plans; i++) {
        wfs_buf_char(out, '\n');
        wfs_plan_report_text(session->plans[i], out);
    }
}

/* The same as `weightfs table`. */
static void make_table(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    (void)plan;
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_inspect_options options = {0};
    struct wfs_table_options how = {0};
    struct wfs_error err = {0};
    if (wfs_inspect_rows(session->catalog, session->plans[0], &options, &rows, &err))
        out->failed = true;
    else
        wfs_table_text(rows, &how, out);
}

/* Every tensor of the source, and the statistics that the index has of it. */
struct known_stats {
    struct wfs_inspect_rows *rows;
    struct wfs_stats *stats;
    bool *known;
};

static void known_stats_free(struct known_stats *k)
{
    wfs_inspect_rows_free(k->rows);
    free(k->stats);
    free(k->known);
}

static int look_up_stats(const struct wfs_session *session, struct known_stats *ret)
{
    struct wfs_inspect_options options = {.root = "."};
    struct wfs_inspect_run how = {.cache = session->cache};
    struct wfs_error err = {0};
    if (wfs_inspect_rows(session->catalog, session->plans[0], &options, &ret->rows, &err))
        return -ENOMEM;
    ret->stats = calloc((size_t)ret->rows->n + 1, sizeof(*ret->stats));
    ret->known = calloc((size_t)ret->rows->n + 1, sizeof(*ret->known));
    return ret->stats && ret->known
               ? wfs_inspect_stats(ret->rows, &how, true, ret->stats, ret->known, &err)
               : -ENOMEM;
}

static void make_page(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out)
{
    (void)plan;
    struct known_stats k wfs_cleanup(known_stats_free) = {0};
    if (look_up_stats(session, &k))
        out->failed = true;
    else
        wfs_report_page(session->catalog, session->plans, session->n_plans, k.rows, k.stats,
                        k.known, out);
}

typedef void (*info_fn)(const struct wfs_session *session, uint32_t plan, struct wfs_buf *out);

struct info_file {
    const char *name;
    info_fn make;
    bool (*is_shown)(const struct wfs_session *session); /* NULL: always */
};

static bool has_objects(const struct wfs_session *session)
{
    return session->catalog->objects_json != NULL;
}

static const struct info_file info_files[] = {
    {"tensors.tsv", make_tensors_tsv, NULL},     {"table.txt", make_table, NULL},
    {"report.txt", make_report, NULL},           {"report.html", make_page, NULL},
    {"objects.json", make_objects, has_objects},
};

/* For each mapped view: views/<view><suffix>. */
static const struct info_file view_info_files[] = {
    {".tsv", make_view_tsv, NULL},
    {".keys.json", make_view_keys, NULL},
};

static int plan_info(const struct wfs_session *session, const struct wfs_tree_file *file,
                     struct wfs_arena *arena, const struct wfs_vfile **ret, struct wfs_error *err)
{
    const struct info_file *info = file->ctx;
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    info->make(session, file->plan, &text);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, info->name);
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, text.data, text.len);
    return wfs_vfile_finish(&b, ret, err);
}

/* ---- live ---------------------------------------------------------------------------------- */

/* Of the errors only the newest are shown, as many as there is room for behind the counters. */
static void make_stats(const struct wfs_session *session, struct wfs_buf *out, size_t size_bytes)
{
    struct wfs_cache_stats s = {0};
    if (session->cache)
        wfs_cache_stats(session->cache, &s);
    wfs_buf_printf(
        out,
        "{\"blocks\": {\"computed\": %" PRIu64 ", \"memory\": %" PRIu64 ", \"index\": %" PRIu64
        ", \"dropped\": %" PRIu64 "},\n \"bytes\": {\"source\": %" PRIu64 ", \"served\": %" PRIu64
        ", \"crc\": %" PRIu64 "},\n \"elements\": {\"overflowed\": %" PRIu64 "},\n \"errors\": ",
        s.blocks_computed, s.blocks_memory, s.blocks_index, s.blocks_dropped, s.source_bytes,
        s.served_bytes, wfs_crc32_computed_bytes(), s.elems_overflowed);
    wfs_log_recent_json(out, size_bytes - out->len - 2);
    wfs_buf_str(out, "}\n");
}

static void make_norms(const struct wfs_session *session, struct wfs_buf *out, size_t size_bytes)
{
    (void)size_bytes; /* size_norms has room for the longest numbers */
    struct known_stats k wfs_cleanup(known_stats_free) = {0};
    if (look_up_stats(session, &k))
        out->failed = true;
    else
        wfs_norms_tsv(k.rows, k.stats, k.known, out);
}

static int size_stats(const struct wfs_session *session, uint64_t *ret, struct wfs_error *err)
{
    (void)session, (void)err;
    *ret = STATS_BYTES;
    return 0;
}

/* The names are known and the numbers are not: the size is that of the longest numbers. */
static int size_norms(const struct wfs_session *session, uint64_t *ret, struct wfs_error *err)
{
    struct wfs_inspect_rows *rows wfs_cleanup(wfs_inspect_rows_freep) = NULL;
    struct wfs_inspect_options options = {.root = "."};
    int r = wfs_inspect_rows(session->catalog, session->plans[0], &options, &rows, err);
    if (r)
        return r;
    *ret = wfs_norms_tsv_bytes_max(rows);
    return *ret ? 0 : wfs_error_nomem(err, "the tree");
}

static const struct wfs_tree_live live_files[] = {
    {"stats.json", size_stats, make_stats},
    {"norms.tsv", size_norms, make_norms},
};

/* ---- all of it ----------------------------------------------------------------------------- */

static int add_views(struct wfs_tree_builder *b, uint32_t views)
{
    const struct wfs_session *session = b->session;
    for (uint32_t plan = 1; plan < session->n_plans; plan++) {
        for (size_t i = 0; i < WFS_ARRAY_SIZE(view_info_files); i++) {
            char *name = wfs_arena_printf(session->arena, "%s%s", session->plans[plan]->view,
                                          view_info_files[i].name);
            if (!name || !wfs_tree_add_file(b, views, name, plan_info, &view_info_files[i], plan))
                return -ENOMEM;
        }
    }
    return 0;
}

static int add_live(struct wfs_tree_builder *b, uint32_t dir, const struct wfs_tree_live *live,
                    struct wfs_error *err)
{
    uint64_t size_bytes;
    int r = live->size(b->session, &size_bytes, err);
    if (r)
        return r;
    uint32_t node = wfs_tree_add(b, dir, live->name, WFS_NODE_LIVE);
    if (node == WFS_NO_INDEX)
        return wfs_error_nomem(err, "the tree");
    b->nodes[node].payload = (void *)live;
    b->nodes[node].size_bytes = size_bytes;
    return 0;
}

int wfs_tree_add_info(struct wfs_tree_builder *b, uint32_t dir, struct wfs_error *err)
{
    uint32_t views = wfs_tree_add_dir(b, dir, "views");
    if (views == WFS_NO_INDEX || add_views(b, views))
        return wfs_error_nomem(err, "the tree");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(live_files); i++) {
        int r = add_live(b, dir, &live_files[i], err);
        if (r)
            return r;
    }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(info_files); i++) {
        const struct info_file *info = &info_files[i];
        if (info->is_shown && !info->is_shown(b->session))
            continue;
        if (!wfs_tree_add_file(b, dir, info->name, plan_info, info, WFS_NO_INDEX))
            return wfs_error_nomem(err, "the tree");
    }
    return 0;
}
