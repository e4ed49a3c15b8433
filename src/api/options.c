/*
 * options.c - the options of wfs_checkpoint_open: one row a key. What a key means is decided where
 * the program's `-o KEY=VALUE` is used too, in the stages below.
 */
#include "api/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXT,
    KIND_BYTES,
    KIND_LIST,
    KIND_FORMAT,
    KIND_FILES,
    KIND_FLAG,
};

enum list { LIST_ROOTS, LIST_SET, LIST_OWN };

struct row {
    const char *key;
    enum kind kind;
    size_t at;         /* of the field in struct wfs_api_options, or the list */
    bool is_of_a_view; /* says nothing without view=NAME */
};

#define FIELD(name) offsetof(struct wfs_api_options, name)

static const struct row rows[] = {
    {"view", KIND_TEXT, FIELD(view.name), false},
    {"rules", KIND_TEXT, FIELD(view.rules), true},
    {"template", KIND_TEXT, FIELD(view.template_path), true},
    {"dtype", KIND_TEXT, FIELD(view.dtype), true},
    {"outtype", KIND_TEXT, FIELD(view.outtype), true},
    {"weights", KIND_TEXT, FIELD(session.source_options.weights), false},
    {"files", KIND_FILES, FIELD(session.files), false},
    {"shards", KIND_BYTES, FIELD(session.shard_bytes), false},
    {"memory", KIND_BYTES, FIELD(cache.memory_bytes), false},
    {"format", KIND_FORMAT, FIELD(session.format), false},
    {"narrow", KIND_FLAG, FIELD(view.narrow), true},
    {"packed", KIND_FLAG, FIELD(view.packed), true},
    {"partial", KIND_FLAG, FIELD(session.partial), false},
    {"root", KIND_LIST, LIST_ROOTS, false},
    {"set", KIND_LIST, LIST_SET, false},
};

static const struct row *find_row(const char *item)
{
    size_t len = strcspn(item, "=");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++)
        if (strlen(rows[i].key) == len && memcmp(rows[i].key, item, len) == 0)
            return &rows[i];
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------- */

static void add_to_list(struct wfs_api_options *o, size_t list, const char *text)
{
    const char **end = o->lists[list];
    while (*end)
        end++;
    *end = text; /* every list has room for all options and a NULL */
}

static int parse_bytes(const char *item, const char *value, uint64_t *ret, struct wfs_error *err)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (errno || end == value || *end || *value == '-' || n == 0)
        return wfs_error_set(err, EINVAL, "%s: a number of bytes is expected", item);
    *ret = n;
    return 0;
}

static int check_files(const char *value, struct wfs_error *err)
{
    if (strcmp(value, "all") == 0 || strcmp(value, "none") == 0)
        return 0;
    for (const char *p = value; *p; p += *p == ',') {
        size_t len = strcspn(p, ",");
        char *name wfs_cleanup(wfs_freep) = strndup(p, len);
        if (!name)
            return wfs_error_nomem(err, "options");
        if (!wfs_writer_by_name(name))
            return wfs_error_set(err, EINVAL, "files=%s: there is no such loader file", name);
        p += len;
    }
    return 0;
}

static int apply(struct wfs_api_options *o, const struct row *row, const char *item,
                 struct wfs_error *err)
{
    const char *value = strchr(item, '=');
    char *field = (char *)o + row->at;
    if (row->kind == KIND_FLAG && value)
        return wfs_error_set(err, EINVAL, "%s: it takes no value", item);
    if (row->kind != KIND_FLAG && (!value || !value[1]))
        return wfs_error_set(err, EINVAL, "%s: a value is expected, as in %s=...", item, row->key);
    value += row->kind != KIND_FLAG;
    switch (row->kind) {
    case KIND_BYTES:
        return parse_bytes(item, value, (uint64_t *)(void *)field, err);
    case KIND_LIST:
        add_to_list(o, row->at, value);
        return 0;
    case KIND_FORMAT:
        if (strcmp(value, "npy") && strcmp(value, "raw"))
            return wfs_error_set(err, EINVAL, "%s: npy or raw is expected", item);
        o->session.format = strcmp(value, "raw") ? WFS_FORMAT_NPY : WFS_FORMAT_RAW;
        return 0;
    case KIND_FILES:
        o->session.files = value;
        return check_files(value, err);
    case KIND_FLAG:
        *(bool *)(void *)field = true;
        return 0;
    case KIND_TEXT:
        *(const char **)(void *)field = value;
        return 0;
    }
    return 0;
}

/* ---- the whole list ------------------------------------------------------------------------ */

/* An option that is none of ours may be the view's own (match=, keys=). */
static bool is_own(const struct wfs_api_options *o, const char *item)
{
    size_t len = strcspn(item, "=");
    if (!o->view.name || !item[len])
        return false;
    for (const char *const *key = wfs_view_option_keys(o->view.name); *key; key++)
        if (strlen(*key) == len && memcmp(*key, item, len) == 0)
            return true;
    return false;
}

static int apply_all(struct wfs_api_options *o, const char *const *list, struct wfs_error *err)
{
    int r = 0;
    for (const char *const *item = list; *item && !r; item++) {
        const struct row *row = find_row(*item);
        if (row)
            r = apply(o, row, *item, err);
    }
    if (!r && o->view.name && strcmp(o->view.name, "source") == 0)
        o->view.name = NULL;
    for (const char *const *item = list; *item && !r; item++) {
        const struct row *row = find_row(*item);
        if (!row && !is_own(o, *item))
            r = wfs_error_set(err, EINVAL, "%s: no such option", *item);
        else if (!row)
            add_to_list(o, LIST_OWN, *item);
        else if (row->is_of_a_view && !o->view.name)
            r = wfs_error_set(err, EINVAL, "%s: it is of a view, and none is named (view=NAME)",
                              *item);
    }
    return r;
}

/* The session's options refer to the view's and to the lists. */
static void connect(struct wfs_api_options *o, const char *path)
{
    o->session.source = path;
    o->session.uid = (uid_t)-1;
    o->session.gid = (gid_t)-1;
    o->session.source_only = true;
    o->session.views = &o->view;
    o->session.n_views = o->view.name ? 1 : 0;
    o->session.source_options.roots = o->lists[LIST_ROOTS];
    o->session.source_options.set = o->lists[LIST_SET];
    o->view.set = o->lists[LIST_SET];
    o->view.options = o->lists[LIST_OWN];
    o->cache.index_path = "none"; /* a library writes no files unasked */
}

int wfs_api_options_parse(const char *path, const char *const *list, struct wfs_api_options *ret,
                          struct wfs_error *err)
{
    static const char *const nothing[] = {NULL};
    struct wfs_api_options *o = ret;
    size_t n = 0;
    *o = (struct wfs_api_options){.session.source = path};
    list = list ? list : nothing;
    while (list[n])
        n++;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(o->lists); i++) {
        o->lists[i] = calloc(n + 1, sizeof(*o->lists[i]));
        if (!o->lists[i])
            return wfs_error_nomem(err, "options");
    }
    int r = apply_all(o, list, err);
    if (r == 0)
        connect(o, path);
    return r;
}

void wfs_api_options_free(struct wfs_api_options *options)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(options->lists); i++)
        free(options->lists[i]);
}
