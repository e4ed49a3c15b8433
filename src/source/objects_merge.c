/*
 * objects_merge.c - the plain values of the shards of one tree: objects are merged name by name.
 * Of two values of one name that differ the earlier file's counts, with a warning.
 *
 * Works on the texts, which a reader wrote a moment ago (well-formed, strings spelled one way):
 * JSON libraries have no 64-bit unsigned integers.
 */
#include "source/objects_merge.h"

#include <string.h>

#define SHOWN_BYTES 100

struct span {
    const char *at;
    size_t len;
};

struct merge {
    struct wfs_catalog *catalog;
    const char *file;
    struct wfs_arena *scratch;
    struct wfs_buf out;
    struct wfs_buf path; /* of the object being merged, for messages */
};

/* ---- reading ------------------------------------------------------------------------------- */

static const char *after_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

static const char *after_value(const char *p)
{
    size_t depth = 0;
    do {
        if (*p == '"') {
            p = after_string(p);
        } else if (*p == '{') {
            depth++;
            p++;
        } else if (*p == '}') {
            depth--;
            p++;
        } else {
            p += depth ? 1 : strcspn(p, ",}");
        }
    } while (depth);
    return p;
}

/* The next member of an object, from `*at` on; false at its end. */
static bool next_member(const char **at, struct span *ret_key, struct span *ret_value)
{
    const char *p = *at + strspn(*at, "{, ");
    if (*p == '}')
        return false;
    *ret_key = (struct span){p, (size_t)(after_string(p) - p)};
    p += ret_key->len + strlen(": ");
    *ret_value = (struct span){p, (size_t)(after_value(p) - p)};
    *at = p + ret_value->len;
    return true;
}

static const char *copy_key(struct merge *m, struct span key)
{
    return wfs_arena_strndup(m->scratch, key.at, key.len);
}

/* ---- merging ------------------------------------------------------------------------------- */

static void add_member(struct merge *m, struct span key, bool *inout_any)
{
    wfs_buf_str(&m->out, *inout_any ? ", " : "");
    wfs_buf_add(&m->out, key.at, key.len);
    wfs_buf_str(&m->out, ": ");
    *inout_any = true;
}

static int shown(struct span text)
{
    return text.len < SHOWN_BYTES ? (int)text.len : SHOWN_BYTES;
}

static int merge_objects(struct merge *m, const char *old, const char *new);

static int merge_values(struct merge *m, const char *key, struct span old, struct span new)
{
    size_t path_len = m->path.len;
    int r = 0;
    wfs_buf_str(&m->path, path_len ? "." : "");
    wfs_buf_add(&m->path, key + 1, strlen(key) - 2);
    if (!wfs_buf_ok(&m->path))
        return -ENOMEM;
    if (*old.at == '{' && *new.at == '{') {
        r = merge_objects(m, old.at, new.at);
    } else {
        wfs_buf_add(&m->out, old.at, old.len);
        if (old.len != new.len || memcmp(old.at, new.at, old.len) != 0)
            wfs_catalog_note(m->catalog, WFS_NOTE_WARNING, m->file,
                             "the value %.200s is %.*s here and %.*s in an earlier file, which is "
                             "kept",
                             m->path.data, shown(new), new.at, shown(old), old.at);
    }
    m->path.len = path_len;
    m->path.data[path_len] = '\0';
    return r;
}

/* Maps each key of the new object to where its value begins. */
static int map_members(struct merge *m, const char *object, struct wfs_strmap *ret)
{
    struct span key, value;
    while (next_member(&object, &key, &value)) {
        const char *own = copy_key(m, key);
        if (!own || wfs_strmap_set(ret, own, (uint64_t)(uintptr_t)value.at))
            return -ENOMEM;
    }
    return 0;
}

static int add_old(struct merge *m, const char *old, const struct wfs_strmap *new,
                   struct wfs_strmap *done, bool *inout_any)
{
    struct span key, value;
    int r = 0;
    while (!r && next_member(&old, &key, &value)) {
        uint64_t other;
        const char *own = copy_key(m, key);
        if (!own || wfs_strmap_set(done, own, 0))
            return -ENOMEM;
        add_member(m, key, inout_any);
        if (wfs_strmap_get(new, own, &other)) {
            const char *at = (const char *)(uintptr_t)other;
            r = merge_values(m, own, value, (struct span){at, (size_t)(after_value(at) - at)});
        } else {
            wfs_buf_add(&m->out, value.at, value.len);
        }
    }
    return r;
}

static int add_new(struct merge *m, const char *new, const struct wfs_strmap *done, bool *inout_any)
{
    struct span key, value;
    while (next_member(&new, &key, &value)) {
        const char *own = copy_key(m, key);
        if (!own)
            return -ENOMEM;
        if (wfs_strmap_get(done, own, NULL))
            continue;
        add_member(m, key, inout_any);
        wfs_buf_add(&m->out, value.at, value.len);
    }
    return 0;
}

static int merge_objects(struct merge *m, const char *old, const char *new)
{
    wfs_cleanup(wfs_strmap_free) struct wfs_strmap members = {0}, done = {0};
    bool any = false;
    wfs_buf_char(&m->out, '{');
    int r = map_members(m, new, &members);
    if (!r)
        r = add_old(m, old, &members, &done, &any);
    if (!r)
        r = add_new(m, new, &done, &any);
    wfs_buf_char(&m->out, '}');
    return r;
}

int wfs_objects_merge(struct wfs_catalog *catalog, const char *json, const char *file,
                      struct wfs_error *err)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *scratch = NULL;
    struct merge m = {.catalog = catalog, .file = file};
    const char *kept = json;
    int r = 0;
    if (catalog->objects_json) {
        m.scratch = scratch = wfs_arena_new();
        r = scratch ? merge_objects(&m, catalog->objects_json, json) : -ENOMEM;
        kept = wfs_buf_ok(&m.out) ? m.out.data : NULL;
    }
    kept = !r && kept ? wfs_arena_strdup(catalog->arena, kept) : NULL;
    wfs_buf_free(&m.out);
    wfs_buf_free(&m.path);
    if (!kept)
        return wfs_error_nomem(err, "the plain values");
    catalog->objects_json = kept;
    return 0;
}
