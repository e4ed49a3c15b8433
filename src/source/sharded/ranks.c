/*
 * ranks.c - checkpoints of which every rank wrote a file of its own: each file is a catalog of its
 * own, and same-named tensors are joined.
 */
#include "source/sharded/ranks.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "source/formats.h"

/* Of a copy, compared. */
#define COPY_MAX_BYTES  (UINT64_C(64) << 10)
#define COPY_STEP_BYTES 4096u

/* ---- ranks --------------------------------------------------------------------------------- */

static void free_catalog(void *catalog)
{
    wfs_catalog_free(catalog);
}

/* Copies what a reader noted about a rank's file. Every rank's reader notes which state dict it
 * chose: that is kept of the first alone. */
static void copy_notes(struct wfs_catalog *catalog, const struct wfs_catalog *from,
                       const char *name, bool is_first)
{
    for (uint32_t i = 0; i < from->n_notes; i++) {
        const struct wfs_note *note = &from->notes[i];
        if (is_first || note->kind != WFS_NOTE_INFO)
            wfs_catalog_note(catalog, note->kind, *note->subject ? note->subject : name, "%s",
                             note->text);
    }
}

int wfs_rank_open(struct wfs_catalog *catalog, const char *path, const char *name,
                  const struct wfs_source_options *options, struct wfs_rank *ret,
                  struct wfs_error *err)
{
    const struct wfs_source_options own = {.strict = options && options->strict};
    struct wfs_rank rank = {0};
    int r = wfs_source_open_part(catalog, path, &own, &rank.catalog, err);
    if (r)
        return r;
    if (wfs_arena_on_free(catalog->arena, free_catalog, rank.catalog))
        return wfs_error_nomem(err, name);
    bool is_first = catalog->n_files == 0;
    r = wfs_catalog_add_file(catalog, path, name, rank.catalog->files[0].bytes, &rank.file, err);
    if (r)
        return r;
    copy_notes(catalog, rank.catalog, name, is_first);
    if (is_first) {
        catalog->convention = rank.catalog->convention;
        catalog->objects_json = rank.catalog->objects_json; /* its arena lives as long */
    }
    *ret = rank;
    return 0;
}

/* ---- joining ------------------------------------------------------------------------------- */

static int find_parts(const struct wfs_rank *ranks, uint32_t n, const char *path,
                      const struct wfs_expr **parts, struct wfs_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct wfs_tensor *t = wfs_catalog_find(ranks[i].catalog, path);
        if (!t || strcmp(t->path, path) != 0)
            return wfs_error_set(err, EINVAL, "rank %u has no such tensor", i);
        parts[i] = t->expr;
        if (t->expr->dtype != parts[0]->dtype || t->expr->ndim != parts[0]->ndim)
            return wfs_error_set(err, EINVAL,
                                 "rank %u has it with another element type or other axes", i);
    }
    return 0;
}

/* Ranks whose parts differ have no copies of one tensor but parts of it, under a name that is not
 * known. Only a prefix is compared. */
static int compare_copies(const struct wfs_expr *first, const struct wfs_expr *other, uint32_t rank,
                          const char *name, struct wfs_error *err)
{
    uint8_t a[COPY_STEP_BYTES], b[COPY_STEP_BYTES];
    uint64_t end = wfs_min_u64(first->size_bytes, COPY_MAX_BYTES);
    for (uint64_t off = 0; off < end; off += sizeof(a)) {
        size_t len = (size_t)wfs_min_u64(sizeof(a), end - off);
        int r = wfs_expr_read(first, a, len, off, err);
        if (!r)
            r = wfs_expr_read(other, b, len, off, err);
        if (r)
            return r;
        if (memcmp(a, b, len) != 0)
            return wfs_error_set(err, EINVAL,
                                 "rank %u has other values of what should be a copy: declare how "
                                 "it is cut with -o set=tp.%s=AXIS, or =same where rank 0 counts",
                                 rank, name);
    }
    return 0;
}

int wfs_ranks_same(const struct wfs_expr *a, const struct wfs_expr *b, bool *ret,
                   struct wfs_error *err)
{
    struct wfs_error why = {0};
    *ret = a->dtype == b->dtype && wfs_shape_equal(a->ndim, a->shape, b->ndim, b->shape);
    int r = *ret ? compare_copies(a, b, 0, "", &why) : 0;
    if (r == -EINVAL)
        *ret = false;
    return r && r != -EINVAL ? wfs_error_set(err, -r, "%s", why.message) : 0;
}

static int check_copies(const struct wfs_expr *const *parts, uint32_t n, const char *name,
                        bool is_declared, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t i = 1; !r && i < n; i++) {
        if (!wfs_shape_equal(parts[i]->ndim, parts[i]->shape, parts[0]->ndim, parts[0]->shape))
            return wfs_error_set(err, EINVAL, "rank %u has another shape of what should be a copy",
                                 i);
        if (!is_declared)
            r = compare_copies(parts[0], parts[i], i, name, err);
    }
    return r;
}

/* Joins group 0 of every rank's part, then group 1 of every rank's, and so on. */
static int join_groups(struct wfs_arena *arena, const struct wfs_expr *const *parts, uint32_t n,
                       struct wfs_join join, const struct wfs_expr **ret, struct wfs_error *err)
{
    size_t n_pieces = (size_t)n * join.n_groups;
    wfs_cleanup(wfs_freep) const struct wfs_expr **pieces = calloc(n_pieces, sizeof(*pieces));
    if (!pieces)
        return wfs_error_nomem(err, "a sharded tensor");
    for (uint32_t g = 0; g < join.n_groups; g++) {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t size = parts[i]->shape[join.axis], step = size / join.n_groups;
            if (size % join.n_groups)
                return wfs_error_set(err, EINVAL, "its axis %d of rank %u is no %u equal groups",
                                     join.axis, i, join.n_groups);
            int r = wfs_expr_slice(arena, parts[i], (uint32_t)join.axis, g * step, (g + 1) * step,
                                   1, &pieces[g * n + i], err);
            if (r)
                return r;
        }
    }
    return wfs_expr_concat(arena, (uint32_t)n_pieces, pieces, (uint32_t)join.axis, ret, err);
}

static int join_parts(struct wfs_arena *arena, const struct wfs_expr *const *parts, uint32_t n,
                      const char *name, struct wfs_join join, const struct wfs_expr **ret,
                      struct wfs_error *err)
{
    if (join.axis < 0) {
        int r = check_copies(parts, n, name, join.is_declared, err);
        if (!r)
            *ret = parts[0];
        return r;
    }
    if ((uint32_t)join.axis >= parts[0]->ndim)
        return wfs_error_set(err, EINVAL, "it has no axis %d", join.axis);
    if (join.n_groups > 1)
        return join_groups(arena, parts, n, join, ret, err);
    return wfs_expr_concat(arena, n, parts, (uint32_t)join.axis, ret, err);
}

int wfs_ranks_add(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n,
                  const struct wfs_tensor *first, const char *path, struct wfs_join join,
                  struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) const struct wfs_expr **parts = calloc(n, sizeof(*parts));
    struct wfs_error why = {0};
    struct wfs_tensor tensor = *first;
    if (!parts)
        return wfs_error_nomem(err, "a sharded tensor");
    tensor.path = wfs_arena_strdup(catalog->arena, path);
    tensor.name = wfs_path_join_dup(catalog->arena, path, catalog->sep);
    if (!tensor.path || !tensor.name)
        return wfs_error_nomem(err, "a sharded tensor");
    bool is_cut = join.axis >= 0 && n > 1;
    int r = find_parts(ranks, n, first->path, parts, &why);
    if (!r)
        r = join_parts(catalog->arena, parts, n, first->name, join, &tensor.expr, &why);
    if (r == -ENOMEM || r == -EIO)
        return wfs_error_set(err, -r, "%s", why.message);
    if (r) {
        wfs_catalog_note(catalog, WFS_NOTE_REFUSED, tensor.name, "%s", why.message);
        return 0;
    }
    tensor.file = ranks[0].file;
    tensor.alias_of = WFS_NO_INDEX;
    tensor.root = 0;
    tensor.shard_axis = is_cut ? join.axis : -1;
    tensor.n_shards = is_cut ? n : 1;
    if (is_cut)
        tensor.file_off = UINT64_MAX;
    return wfs_catalog_add_tensor(catalog, &tensor, NULL, err);
}

void wfs_ranks_note_others(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        for (uint32_t k = 0; k < ranks[i].catalog->n_tensors; k++) {
            const struct wfs_tensor *t = &ranks[i].catalog->tensors[k];
            bool is_known = !ranks[i].catalog->roots[t->root].is_chosen;
            for (uint32_t before = 0; !is_known && before < i; before++)
                is_known = wfs_catalog_find(ranks[before].catalog, t->path) != NULL;
            if (!is_known)
                wfs_catalog_note(catalog, WFS_NOTE_REFUSED, t->name,
                                 "rank %u has it, rank 0 has not", i);
        }
    }
}

/* ---- declared axes ------------------------------------------------------------------------- */

int wfs_declared_axis(const struct wfs_source_options *options, const char *name, bool *ret_found,
                      int32_t *ret_axis, struct wfs_error *err)
{
    *ret_found = false;
    for (size_t i = 0; options && options->set && options->set[i]; i++) {
        const char *set = options->set[i], *value = strrchr(set, '=');
        char pattern[256], *end;
        if (strncmp(set, "tp.", 3) != 0 || !value)
            continue;
        if ((size_t)(value - set) - 3 >= sizeof(pattern))
            return wfs_error_set(err, EINVAL, "set=%s: its pattern is too long", set);
        memcpy(pattern, set + 3, (size_t)(value - set) - 3);
        pattern[value - set - 3] = 0;
        if (fnmatch(pattern, name, 0) != 0)
            continue;
        long axis = strcmp(value + 1, "same") == 0 ? -1 : strtol(value + 1, &end, 10);
        if (axis != -1 && (end == value + 1 || *end || axis < 0 || axis >= WFS_MAX_NDIM))
            return wfs_error_set(err, EINVAL, "set=%s: neither an axis nor \"same\"", set);
        *ret_found = true;
        *ret_axis = (int32_t)axis;
        return 0;
    }
    return 0;
}
