/*
 * catalog.c - building a catalog while files are scanned, and looking tensors up in it.
 *
 * Invariants: a tensor's path is unique (a hash map of paths decides, so a file of a million
 * tensors costs a million lookups); everything a catalog points to lives in its arena or is freed
 * with it; after wfs_catalog_finish nothing changes, so that all threads may read it.
 */
#include "source/catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source/access/links.h"
#include "source/roots.h"

/* A source may give rise to any number of notes; beyond this many they are only counted. */
#define WFS_CATALOG_MAX_NOTES 4096
/* Indices are uint32_t and UINT32_MAX means none. */
#define WFS_CATALOG_MAX_TENSORS (UINT32_MAX - 1)
/* Longer names are looked up in the map of names, since a look-up joins a path on the stack. */
#define MAX_QUICK_NAME 2048
/* Plain values of all files. */
#define MAX_OBJECTS_BYTES (UINT64_C(64) << 20)

struct catalog {
    struct wfs_catalog pub; /* first: the two pointers convert into one another */
    size_t cap_tensors, cap_files, cap_metadata, cap_notes;
    struct wfs_strmap by_path;
    struct wfs_strmap by_name; /* only long names, and those that are not their path joined */
    struct wfs_strmap metadata_keys;
    struct wfs_buf ids;       /* of all files, in order */
    struct wfs_buf objects;   /* objects_json, where wfs_catalog_add_objects made it */
    const char *objects_file; /* whose values are in it; NULL: of several */
    size_t n_notes_left_out;
    bool has_owner;
    bool out_of_memory; /* a note was lost */
};

static struct catalog *catalog_of(const struct wfs_catalog *catalog)
{
    return (struct catalog *)(uintptr_t)catalog;
}

static void catalog_release(void *ptr)
{
    struct catalog *c = ptr;
    free(c->pub.tensors);
    free(c->pub.files);
    free(c->pub.metadata);
    free(c->pub.notes);
    wfs_strmap_free(&c->by_path);
    wfs_strmap_free(&c->by_name);
    wfs_strmap_free(&c->metadata_keys);
    wfs_buf_free(&c->ids);
    wfs_buf_free(&c->objects);
}

struct wfs_catalog *wfs_catalog_new(const char *source)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct catalog *c = arena ? wfs_arena_alloc(arena, sizeof(*c)) : NULL;
    if (!c)
        return NULL;
    c->pub.sep = '.';
    c->pub.mode = 0444;
    c->pub.mtime_ns = INT64_MIN;
    c->pub.whole_safetensors_file = WFS_NO_INDEX;
    c->pub.source = wfs_arena_strdup(arena, source);
    c->pub.memo = wfs_arena_alloc(arena, sizeof(*c->pub.memo));
    if (!c->pub.source || !c->pub.memo || wfs_arena_on_free(arena, catalog_release, c))
        return NULL;
    c->pub.arena = wfs_steal(&arena);
    return &c->pub;
}

void wfs_catalog_free(struct wfs_catalog *catalog)
{
    if (catalog)
        wfs_arena_free(catalog->arena);
}

void wfs_sharding_format(struct wfs_buf *out, int32_t shard_axis, uint32_t n_shards)
{
    if (n_shards <= 1)
        wfs_buf_str(out, "Replicated");
    else if (shard_axis < 0)
        wfs_buf_printf(out, "several axes, %u parts", n_shards);
    else
        wfs_buf_printf(out, "axis %d, %u parts", shard_axis, n_shards);
}

void wfs_catalog_freep(struct wfs_catalog **catalog)
{
    wfs_catalog_free(*catalog);
    *catalog = NULL;
}

/* ---- files --------------------------------------------------------------------------------- */

static bool is_file(const struct wfs_identity *identity, const struct stat *st)
{
    return identity->dev == st->st_dev && identity->ino == st->st_ino;
}

bool wfs_catalog_has_file(const struct wfs_catalog *catalog, const struct stat *st)
{
    for (uint32_t i = 0; i < catalog->n_files; i++) {
        const struct wfs_file_info *info = wfs_bytes_file_info(catalog->files[i].bytes);
        if (info && is_file(&info->identity, st))
            return true;
    }
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        if (is_file(&catalog->side_files[i].identity, st))
            return true;
    return false;
}

/* Where owners differ, the bits of "owner" apply to one of them only: the others had at most what
 * everybody has. So nobody sees more through the mount than in the source. */
static void merge_owner(struct catalog *c, const struct wfs_file_info *info)
{
    mode_t mode = info->mode & 0444;
    if (!c->has_owner) {
        c->has_owner = true;
        c->pub.uid = info->uid;
        c->pub.gid = info->gid;
    }
    if (c->pub.uid != info->uid)
        mode &= 0044 | (mode & 0004) << 6;
    if (c->pub.gid != info->gid)
        mode &= 0404 | (mode & 0004) << 3;
    c->pub.mode &= mode;
}

int wfs_catalog_merge_file(struct wfs_catalog *catalog, const struct wfs_bytes *bytes,
                           struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    const struct wfs_file_info *info = wfs_bytes_file_info(bytes);
    if (info) {
        merge_owner(c, info);
        catalog->is_network |= info->is_network;
        if (info->identity.mtime_ns > catalog->mtime_ns)
            catalog->mtime_ns = info->identity.mtime_ns;
    }
    wfs_buf_add(&c->ids, bytes->id.bytes, sizeof(bytes->id.bytes));
    return wfs_buf_ok(&c->ids) ? 0 : wfs_error_nomem(err, "the source's identity");
}

int wfs_catalog_check_link(const struct wfs_catalog *catalog, const char *path,
                           const struct wfs_bytes *bytes, struct wfs_error *err)
{
    const struct wfs_file_info *info = wfs_bytes_file_info(bytes);
    struct wfs_link link;
    if (!catalog->home || !info)
        return 0;
    int r = wfs_link_look(catalog->arena, catalog->home, path, info->identity.dev,
                          info->identity.ino, &link, err);
    if (!r && link.is_refused)
        r = wfs_error_set(err, EACCES, "%s: %s: it is not served to others", path, link.why);
    return r;
}

int wfs_catalog_hold(struct wfs_catalog *catalog, struct wfs_bytes *bytes)
{
    return wfs_arena_on_free(catalog->arena, wfs_bytes_unref_void, wfs_bytes_ref(bytes));
}

int wfs_catalog_add_file(struct wfs_catalog *catalog, const char *path, const char *name,
                         struct wfs_bytes *bytes, uint32_t *ret_file, struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    int r = wfs_catalog_check_link(catalog, path, bytes, err);
    if (r)
        return r;
    struct wfs_source_file file = {
        .path = wfs_arena_strdup(catalog->arena, path),
        .name = wfs_arena_strdup(catalog->arena, name),
        .bytes = bytes,
    };
    if (!file.path || !file.name ||
        wfs_grow(&catalog->files, &c->cap_files, (size_t)catalog->n_files + 1,
                 sizeof(*catalog->files)))
        return wfs_error_nomem(err, "the list of files");
    if (wfs_catalog_hold(catalog, bytes))
        return wfs_error_nomem(err, "the list of files");
    catalog->files[catalog->n_files] = file;
    *ret_file = catalog->n_files++;
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* True where splitting the name at every separator gives the path. */
static bool name_is_joined_path(const char *name, const char *path, char sep)
{
    for (; *name && *path; name++, path++)
        if (*path != (*name == sep ? WFS_SEP : *name))
            return false;
    return !*name && !*path;
}

static const char *file_name(const struct wfs_catalog *catalog, uint32_t file)
{
    return file < catalog->n_files ? catalog->files[file].name : catalog->source;
}

static int duplicate_tensor(const struct wfs_catalog *catalog, const struct wfs_tensor *tensor,
                            struct wfs_error *err)
{
    uint64_t first = 0;
    wfs_strmap_get(&catalog_of(catalog)->by_path, tensor->path, &first);
    uint32_t first_file = catalog->tensors[first].file;
    if (first_file == tensor->file)
        return wfs_error_set(err, EEXIST, "%s: tensor \"%s\" is there twice",
                             file_name(catalog, tensor->file), tensor->name);
    return wfs_error_set(err, EEXIST, "tensor \"%s\" is in %s and in %s", tensor->name,
                         file_name(catalog, first_file), file_name(catalog, tensor->file));
}

struct wfs_tensor wfs_tensor_init(const char *name, const char *path)
{
    return (struct wfs_tensor){.name = name,
                               .path = path,
                               .file = WFS_NO_INDEX,
                               .file_off = UINT64_MAX,
                               .alias_of = WFS_NO_INDEX,
                               .shard_axis = -1,
                               .n_shards = 1};
}

int wfs_catalog_add_tensor(struct wfs_catalog *catalog, const struct wfs_tensor *tensor,
                           uint32_t *ret_index, struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    assert(tensor->n_shards > 0); /* wfs_tensor_init was called */
    if (catalog->n_tensors >= WFS_CATALOG_MAX_TENSORS)
        return wfs_error_set(err, EINVAL, "%s: more than %u tensors", catalog->source,
                             WFS_CATALOG_MAX_TENSORS);
    if (wfs_grow(&catalog->tensors, &c->cap_tensors, (size_t)catalog->n_tensors + 1,
                 sizeof(*catalog->tensors)))
        return wfs_error_nomem(err, "the list of tensors");
    int r = wfs_strmap_add(&c->by_path, tensor->path, catalog->n_tensors);
    if (r == -EEXIST)
        return duplicate_tensor(catalog, tensor, err);
    /* Two paths may have one joined name ("a/b" . "c" and "a" . "b/c"): the first is found by it.
     */
    if (!r && (strlen(tensor->name) > MAX_QUICK_NAME ||
               !name_is_joined_path(tensor->name, tensor->path, catalog->sep))) {
        r = wfs_strmap_add(&c->by_name, tensor->name, catalog->n_tensors);
        r = r == -EEXIST ? 0 : r;
    }
    if (r)
        return wfs_error_nomem(err, "the map of tensors");
    catalog->tensors[catalog->n_tensors] = *tensor;
    if (ret_index)
        *ret_index = catalog->n_tensors;
    catalog->n_tensors++;
    return 0;
}

/* Finds a tensor by its joined name. It uses the stack alone, so that a look-up cannot fail for
 * want of memory. */
static const struct wfs_tensor *find_joined(const struct catalog *c, const char *name)
{
    char path[MAX_QUICK_NAME + 1];
    uint64_t index = 0;
    size_t len = strlen(name);
    if (len > MAX_QUICK_NAME)
        return NULL;
    for (size_t i = 0; i <= len; i++)
        path[i] = name[i] == c->pub.sep ? WFS_SEP : name[i];
    return wfs_strmap_get(&c->by_path, path, &index) ? &c->pub.tensors[index] : NULL;
}

const struct wfs_tensor *wfs_catalog_find(const struct wfs_catalog *catalog, const char *name)
{
    const struct catalog *c = catalog_of(catalog);
    uint64_t index = 0;
    if (wfs_strmap_get(&c->by_path, name, &index) || wfs_strmap_get(&c->by_name, name, &index))
        return &catalog->tensors[index];
    return find_joined(c, name);
}

/* ---- metadata and notes -------------------------------------------------------------------- */

static int append_metadata(struct catalog *c, const char *key, const char *value)
{
    struct wfs_catalog *catalog = &c->pub;
    char *own_key = wfs_arena_strdup(catalog->arena, key);
    char *own_value = wfs_arena_strdup(catalog->arena, value);
    if (!own_key || !own_value ||
        wfs_grow(&catalog->metadata, &c->cap_metadata, (size_t)catalog->n_metadata + 1,
                 sizeof(*catalog->metadata)) ||
        wfs_strmap_add(&c->metadata_keys, own_key, catalog->n_metadata))
        return -ENOMEM;
    catalog->metadata[catalog->n_metadata][0] = own_key;
    catalog->metadata[catalog->n_metadata][1] = own_value;
    catalog->n_metadata++;
    return 0;
}

int wfs_catalog_add_metadata(struct wfs_catalog *catalog, const char *key, const char *value,
                             struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    uint64_t at = 0;
    if (!wfs_strmap_get(&c->metadata_keys, key, &at))
        return append_metadata(c, key, value) ? wfs_error_nomem(err, "the metadata") : 0;
    if (strcmp(catalog->metadata[at][1], value) != 0)
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, file_name(catalog, catalog->n_files - 1),
                         "metadata \"%s\" is \"%.100s\" here and \"%.100s\" in an earlier file, "
                         "which is kept",
                         key, value, catalog->metadata[at][1]);
    return 0;
}

const char *wfs_note_kind_name(enum wfs_note_kind kind)
{
    static const char *const names[] = {[WFS_NOTE_INFO] = "note",
                                        [WFS_NOTE_WARNING] = "warning",
                                        [WFS_NOTE_DANGER] = "DANGER",
                                        [WFS_NOTE_REFUSED] = "refused",
                                        [WFS_NOTE_LEFT_OUT] = "left out"};
    return names[kind];
}

void wfs_catalog_note(struct wfs_catalog *catalog, enum wfs_note_kind kind, const char *subject,
                      const char *fmt, ...)
{
    struct catalog *c = catalog_of(catalog);
    if (catalog->n_notes >= WFS_CATALOG_MAX_NOTES) {
        c->n_notes_left_out++;
        return;
    }
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    wfs_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct wfs_note note = {.kind = kind, .subject = wfs_arena_strdup(catalog->arena, subject)};
    note.text =
        wfs_buf_ok(&text) ? wfs_arena_strdup(catalog->arena, text.len ? text.data : "") : NULL;
    if (!note.subject || !note.text ||
        wfs_grow(&catalog->notes, &c->cap_notes, (size_t)catalog->n_notes + 2,
                 sizeof(*catalog->notes))) {
        c->out_of_memory = true;
        return;
    }
    catalog->notes[catalog->n_notes++] = note;
}

/* ---- plain values -------------------------------------------------------------------------- */

/* Turns the values of one file into {"$files": {FILE: values}}, to which other files' are added. */
static void begin_list(struct catalog *c)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf first = c->objects;
    c->objects = (struct wfs_buf){0};
    wfs_buf_str(&c->objects, "{\"$files\": {");
    wfs_buf_json(&c->objects, c->objects_file);
    wfs_buf_printf(&c->objects, ": %s}}", first.data);
    c->objects_file = NULL;
}

int wfs_catalog_add_objects(struct wfs_catalog *catalog, const char *file, const char *json,
                            struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    size_t len = strlen(json);
    if (len > MAX_OBJECTS_BYTES - wfs_min_u64(c->objects.len, MAX_OBJECTS_BYTES)) {
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, file,
                         "more plain values than weightfs shows: those of this file are left out");
        return 0;
    }
    if (c->objects.len == 0) {
        c->objects_file = file;
        wfs_buf_add(&c->objects, json, len);
    } else {
        if (c->objects_file)
            begin_list(c);
        c->objects.len -= 2; /* "}}" */
        wfs_buf_str(&c->objects, ", ");
        wfs_buf_json(&c->objects, file);
        wfs_buf_str(&c->objects, ": ");
        wfs_buf_add(&c->objects, json, len);
        wfs_buf_str(&c->objects, "}}");
    }
    catalog->objects_json = c->objects.data;
    return wfs_buf_ok(&c->objects) ? 0 : wfs_error_nomem(err, "the plain values");
}

/* ---- the end ------------------------------------------------------------------------------- */

/* wfs_catalog_note always keeps room for this one note. */
static void note_left_out(struct catalog *c)
{
    struct wfs_catalog *catalog = &c->pub;
    if (!c->n_notes_left_out)
        return;
    const char *text =
        wfs_arena_printf(catalog->arena, "%zu more notes are left out", c->n_notes_left_out);
    if (!text)
        c->out_of_memory = true;
    else
        catalog->notes[catalog->n_notes++] =
            (struct wfs_note){.kind = WFS_NOTE_WARNING, .subject = "", .text = text};
}

/* Under --strict any danger refuses the source, whichever reader found it and in whichever file. */
static int refuse_dangers(const struct wfs_catalog *catalog, struct wfs_error *err)
{
    for (uint32_t i = 0; i < catalog->n_notes; i++)
        if (catalog->notes[i].kind == WFS_NOTE_DANGER)
            return wfs_error_set(err, EINVAL, "%s: %s", catalog->notes[i].subject,
                                 catalog->notes[i].text);
    return 0;
}

/* Splits every name anew: readers split by the format's usual separator while they scan. */
static int split_names(struct catalog *c, char sep, struct wfs_error *err)
{
    struct wfs_catalog *catalog = &c->pub;
    int r = 0;
    catalog->sep = sep;
    wfs_strmap_free(&c->by_path);
    c->by_path = (struct wfs_strmap){0};
    for (uint32_t i = 0; !r && i < catalog->n_tensors; i++) {
        struct wfs_tensor *tensor = &catalog->tensors[i];
        tensor->path = wfs_path_from_name(catalog->arena, tensor->name, sep);
        r = tensor->path ? wfs_strmap_add(&c->by_path, tensor->path, i) : -ENOMEM;
        if (r == -EEXIST)
            return duplicate_tensor(catalog, tensor, err);
    }
    return r ? wfs_error_nomem(err, "the map of tensors") : 0;
}

/* Flat names are split by the separator that all of them together tell. */
static int settle_sep(struct catalog *c, struct wfs_error *err)
{
    struct wfs_catalog *catalog = &c->pub;
    struct wfs_sep_votes votes = {0};
    bool is_doubtful;
    for (uint32_t i = 0; catalog->is_flat && i < catalog->n_tensors; i++)
        wfs_sep_vote(&votes, catalog->tensors[i].name);
    char sep = wfs_sep_choose(&votes, catalog->sep, &is_doubtful);
    if (is_doubtful)
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, "",
                         "names have both '.' and '/', and nothing tells which of them joins their "
                         "components: '%c' is taken, as is usual for %s",
                         sep, catalog->format ? catalog->format : "names");
    return sep == catalog->sep ? 0 : split_names(c, sep, err);
}

int wfs_catalog_finish(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                       struct wfs_error *err)
{
    struct catalog *c = catalog_of(catalog);
    int r = options && options->strict ? refuse_dangers(catalog, err) : 0;
    if (!r)
        r = settle_sep(c, err);
    if (!r)
        r = wfs_catalog_settle_roots(catalog, options, err);
    for (uint32_t i = 0; !r && i < catalog->n_files; i++)
        r = wfs_catalog_merge_file(catalog, catalog->files[i].bytes, err);
    if (r)
        return r;
    catalog->id = wfs_hash_bytes(c->ids.data ? c->ids.data : "", c->ids.len);
    if (catalog->mtime_ns == INT64_MIN)
        catalog->mtime_ns = 0;
    if (catalog->n_files == 1 && catalog->format && strcmp(catalog->format, "safetensors") == 0)
        catalog->whole_safetensors_file = 0;
    note_left_out(c);
    return c->out_of_memory ? wfs_error_nomem(err, "the notes") : 0;
}
