/*
 * megatron.c - Megatron-LM's checkpoints: a folder for each rank of tensor and pipeline
 * parallelism.
 *
 *     latest_checkpointed_iteration.txt      "1000" or "release": the folder below that counts
 *     iter_0001000/mp_rank_TT[_PPP]/model_optim_rng.pt (or model_rng.pt)
 *         {'args': Namespace(...), 'checkpoint_version': 3.0, 'model': {...}, 'optimizer': ...}
 *
 * Along axis 0: query_key_value, dense_h_to_4h, linear_qkv, linear_fc1 (weight and bias), the word
 * embeddings and the output layer; along axis 1: the weights of the dense layers after attention
 * and of dense_4h_to_h, linear_proj, linear_fc2; vectors else are copies, where they begin alike.
 * With args.swiglu, h_to_4h and fc1 hold gate and up of each rank: gates come first, then ups;
 * without args nothing tells, and they are refused. args also counts the ranks. checkpoint_version
 * 0 has q, k and v of each rank one after the other: likewise. Layers of pipeline stage p count on
 * from those of the same list in the stages before; where there are several lists (an encoder and a
 * decoder, a vision model), args.swiglu may be of one of them only, and is not believed. Only the
 * model is put together; optimizers are noted.
 *
 * -o set=tp.GLOB=AXIS (or =same) declares what is not known, set=swiglu=0|1 and
 * set=checkpoint_version=N what the file does not say. Every other tensor is refused with a note.
 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/folder/listing.h"
#include "source/sharded/dcp.h"
#include "source/sharded/megatron_names.h"
#include "source/sharded/ranks.h"

#define MEGATRON_LATEST    "latest_checkpointed_iteration.txt"
#define MEGATRON_MAX_RANKS 4096u

static const char *const rank_files[] = {"model_optim_rng.pt", "model_rng.pt"};

struct megatron {
    struct wfs_catalog *catalog;
    const struct wfs_source_options *options;
    const struct wfs_listing *listing;
    uint32_t n_tp, n_pp;
    struct wfs_rank *ranks; /* [pp * n_tp + tp] */
    bool is_swiglu, knows_swiglu;
    double version;
    struct wfs_strmap by_list; /* path of a list of layers -> index */
    struct layers *lists;
    size_t n_lists, cap_lists;
};

/* One list of layers ("encoder.layers"): a model may have several. */
struct layers {
    uint64_t first; /* of the stage being added */
    uint64_t n;     /* of this stage */
};

/* ---- folders ------------------------------------------------------------------------------- */

static bool parse_rank(const struct wfs_entry *entry, uint32_t *ret_tp, uint32_t *ret_pp)
{
    int tp = -1, pp = 0, end = 0;
    if (entry->kind != WFS_ENTRY_DIR)
        return false;
    if ((sscanf(entry->name, "mp_rank_%3d_%3d%n", &tp, &pp, &end) != 2 || entry->name[end]) &&
        (pp = 0, sscanf(entry->name, "mp_rank_%3d%n", &tp, &end) != 1 || entry->name[end]))
        return false;
    *ret_tp = (uint32_t)tp;
    *ret_pp = (uint32_t)pp;
    return tp >= 0 && pp >= 0;
}

static bool is_rank(const struct wfs_entry *entry)
{
    return entry->kind == WFS_ENTRY_DIR && strncmp(entry->name, "mp_rank_", 8) == 0;
}

static bool megatron_probe(const struct wfs_listing *listing)
{
    const struct wfs_entry *latest = wfs_listing_find(listing, MEGATRON_LATEST);
    if (latest && latest->kind == WFS_ENTRY_FILE)
        return true;
    for (uint32_t i = 0; i < listing->n_entries; i++)
        if (is_rank(&listing->entries[i]))
            return true;
    return false;
}

/* The path of the folder that latest_checkpointed_iteration.txt names. */
static int follow_latest(struct megatron *m, const char **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct wfs_arena *arena = m->catalog->arena;
    char text[32] = {0}, *end;
    const char *path = wfs_arena_printf(arena, "%s/" MEGATRON_LATEST, m->listing->path);
    int r = path ? wfs_bytes_open(path, &bytes, err) : wfs_error_nomem(err, "a path");
    if (!r)
        r = wfs_catalog_check_link(m->catalog, path, bytes, err);
    if (!r)
        r = wfs_bytes_read(bytes, text, (size_t)wfs_min_u64(bytes->size_bytes, sizeof(text) - 1), 0,
                           err);
    if (r)
        return r;
    unsigned long iteration = strtoul(text, &end, 10);
    bool is_release = strncmp(text, "release", 7) == 0;
    if (!is_release && (end == text || (*end && *end != '\n')))
        return wfs_error_set(err, EINVAL, "%s: neither a number nor \"release\"", path);
    *ret = is_release ? wfs_arena_printf(arena, "%s/release", m->listing->path)
                      : wfs_arena_printf(arena, "%s/iter_%07lu", m->listing->path, iteration);
    return *ret ? 0 : wfs_error_nomem(err, "a path");
}

/* Counts the ranks by their folders; every pair of a tensor rank and a pipeline rank must be
 * there. */
static int count_ranks(struct megatron *m, struct wfs_error *err)
{
    uint32_t n = 0, tp, pp;
    for (uint32_t i = 0; i < m->listing->n_entries; i++) {
        if (!is_rank(&m->listing->entries[i]))
            continue;
        if (!parse_rank(&m->listing->entries[i], &tp, &pp))
            return wfs_error_set(err, ENOTSUP,
                                 "%s: %s is no rank of tensor and pipeline parallelism alone: "
                                 "expert parallelism is not supported",
                                 m->listing->path, m->listing->entries[i].name);
        m->n_tp = tp >= m->n_tp ? tp + 1 : m->n_tp;
        m->n_pp = pp >= m->n_pp ? pp + 1 : m->n_pp;
        n++;
    }
    if (n == 0 || n != m->n_tp * m->n_pp)
        return wfs_error_set(
            err, ENOENT,
            "%s: %u folders for %u tensor and %u pipeline ranks: the checkpoint is "
            "not whole",
            m->listing->path, n, m->n_tp, m->n_pp);
    m->ranks = wfs_arena_array(m->catalog->arena, n, sizeof(*m->ranks));
    if (n > MEGATRON_MAX_RANKS || !m->ranks)
        return wfs_error_nomem(err, "the ranks");
    return 0;
}

static int open_rank(struct megatron *m, const char *folder, struct wfs_rank *ret,
                     struct wfs_error *err)
{
    struct wfs_listing listing;
    struct wfs_arena *arena = m->catalog->arena;
    const char *dir = wfs_arena_printf(arena, "%s/%s", m->listing->path, folder);
    int r = dir ? wfs_listing_read(arena, dir, &listing, err) : wfs_error_nomem(err, folder);
    if (r)
        return r;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rank_files); i++) {
        if (!wfs_listing_find(&listing, rank_files[i]))
            continue;
        const char *path = wfs_arena_printf(arena, "%s/%s", dir, rank_files[i]);
        const char *name = wfs_arena_printf(arena, "%s/%s", folder, rank_files[i]);
        return path && name ? wfs_rank_open(m->catalog, path, name, m->options, ret, err)
                            : wfs_error_nomem(err, folder);
    }
    return wfs_error_set(err, ENOENT, "%s: neither %s nor %s", dir, rank_files[0], rank_files[1]);
}

static int open_ranks(struct megatron *m, struct wfs_error *err)
{
    int r = count_ranks(m, err);
    for (uint32_t i = 0; !r && i < m->listing->n_entries; i++) {
        uint32_t tp, pp;
        if (parse_rank(&m->listing->entries[i], &tp, &pp))
            r = open_rank(m, m->listing->entries[i].name, &m->ranks[pp * m->n_tp + tp], err);
    }
    for (uint32_t i = 0; !r && i < m->n_tp * m->n_pp; i++)
        if (!m->ranks[i].catalog)
            r = wfs_error_set(err, EINVAL, "%s: a rank has two folders", m->listing->path);
    return r;
}

/* ---- what the file says of itself ---------------------------------------------------------- */

static const char *declared(const struct megatron *m, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; m->options && m->options->set && m->options->set[i]; i++)
        if (strncmp(m->options->set[i], name, n) == 0 && m->options->set[i][n] == '=')
            return m->options->set[i] + n + 1;
    return NULL;
}

/* Folders that are missing at the end leave no gap, but args says how many ranks wrote the
 * checkpoint. */
static int check_count(const struct megatron *m, json_t *args, const char *name, uint32_t n,
                       struct wfs_error *err)
{
    json_t *said = json_object_get(args, name);
    if (!json_is_number(said) || json_number_value(said) == n)
        return 0;
    return wfs_error_set(err, ENOENT,
                         "%s: args.%s is %.0f, there are %u: the checkpoint is not whole",
                         m->listing->path, name, json_number_value(said), n);
}

static int read_facts(struct megatron *m, struct wfs_error *err)
{
    const char *objects = m->ranks[0].catalog->objects_json;
    const char *swiglu = declared(m, "swiglu"), *version = declared(m, "checkpoint_version");
    json_error_t e;
    /* As reals, since an integer may have more than 64 bits. */
    json_t *root = objects ? json_loads(objects, JSON_DECODE_INT_AS_REAL, &e) : NULL;
    if (objects && !root)
        return wfs_error_set(err, EINVAL, "%s: its plain values: %s", m->listing->path, e.text);
    json_t *said = json_object_get(root, "checkpoint_version"),
           *args = json_object_get(root, "args");
    m->is_swiglu = json_is_true(json_object_get(args, "swiglu")) ||
                   json_is_true(json_object_get(args, "gated_linear_unit")) ||
                   json_is_string(json_object_get(args, "glu_activation"));
    m->knows_swiglu = swiglu || json_is_object(args);
    m->version = json_is_number(said) ? json_number_value(said) : 0;
    if (swiglu)
        m->is_swiglu = strcmp(swiglu, "1") == 0 || strcmp(swiglu, "true") == 0;
    if (version)
        m->version = strtod(version, NULL);
    int r = check_count(m, args, "tensor_model_parallel_size", m->n_tp, err);
    if (!r)
        r = check_count(m, args, "pipeline_model_parallel_size", m->n_pp, err);
    json_decref(root);
    return r;
}

/* ---- names --------------------------------------------------------------------------------- */

static uint32_t groups_of(const struct megatron *m, const char *name)
{
    bool is_qkv = fnmatch("*query_key_value.*", name, 0) == 0;
    return wfs_megatron_may_be_gated(name) && m->is_swiglu ? 2 : is_qkv && m->version < 1 ? 3 : 1;
}

/* The list of layers that path[0, len) names, made where it is new; NULL when out of memory. */
static struct layers *list_of(struct megatron *m, const char *path, size_t len)
{
    uint64_t at;
    const char *name = wfs_arena_strndup(m->catalog->arena, path, len);
    if (!name)
        return NULL;
    if (wfs_strmap_get(&m->by_list, name, &at))
        return &m->lists[at];
    if (wfs_grow(&m->lists, &m->cap_lists, m->n_lists + 1, sizeof(*m->lists)) ||
        wfs_strmap_set(&m->by_list, name, m->n_lists))
        return NULL;
    m->lists[m->n_lists] = (struct layers){0};
    return &m->lists[m->n_lists++];
}

/* The path in the whole model: its layer counts on from those of the stages before. NULL when out
 * of memory. */
static const char *global_path(struct megatron *m, const char *path)
{
    size_t len;
    const char *number = wfs_megatron_layer(path, &len);
    if (!number)
        return path;
    size_t before = (size_t)(number - path);
    struct layers *layers = list_of(m, path, before);
    if (!layers)
        return NULL;
    uint64_t layer = strtoull(number, NULL, 10);
    layers->n = wfs_max_u64(layers->n, layer + 1);
    return wfs_arena_printf(m->catalog->arena, "%.*s%llu%s", (int)before, path,
                            (unsigned long long)(layers->first + layer), number + len);
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* Whether it is known how the ranks' parts go together; false with a note where nothing tells. */
static bool knows_cut(struct megatron *m, const struct wfs_tensor *t, struct wfs_join *inout_join)
{
    if (!inout_join->is_declared && !wfs_megatron_axis(t, &inout_join->axis)) {
        wfs_catalog_note(m->catalog, WFS_NOTE_REFUSED, t->name,
                         "how it is cut over %u ranks is not known: declare it with "
                         "-o set=tp.%s=AXIS, or =same",
                         m->n_tp, t->name);
        return false;
    }
    if (inout_join->axis >= 0 && wfs_megatron_may_be_gated(t->name) && !m->knows_swiglu) {
        wfs_catalog_note(m->catalog, WFS_NOTE_REFUSED, t->name,
                         "the file's args do not tell whether it is gate and up: declare it with "
                         "-o set=swiglu=0 or =1");
        return false;
    }
    return true;
}

/* A later stage has a tensor of the same name. Stages keep copies of what they share, and the first
 * counts; where the two are not alike one of them is lost, which is a warning. */
static int note_twice(struct megatron *m, const struct wfs_tensor *earlier,
                      const struct wfs_tensor *t, struct wfs_error *err)
{
    bool same = false;
    int r = earlier->shard_axis < 0 ? wfs_ranks_same(earlier->expr, t->expr, &same, err) : 0;
    if (same)
        wfs_catalog_note(m->catalog, WFS_NOTE_INFO, t->name,
                         "a later pipeline stage has it, too; the first counts");
    else if (!r)
        wfs_catalog_note(m->catalog, WFS_NOTE_WARNING, t->name,
                         "a later pipeline stage has another one of this name, which is not shown: "
                         "its layers are not counted, since they are not called layers.N");
    return r;
}

static int add_tensor(struct megatron *m, const struct wfs_rank *stage, const struct wfs_tensor *t,
                      struct wfs_error *err)
{
    struct wfs_join join = {.axis = -1, .n_groups = groups_of(m, t->name)};
    int r = wfs_declared_axis(m->options, t->name, &join.is_declared, &join.axis, err);
    if (r)
        return r;
    if (m->n_tp == 1)
        join = (struct wfs_join){.axis = -1, .n_groups = 1}; /* whole */
    else if (!knows_cut(m, t, &join))
        return 0;
    const char *path = global_path(m, t->path);
    if (!path)
        return wfs_error_nomem(err, t->name);
    const struct wfs_tensor *earlier = wfs_catalog_find(m->catalog, path);
    if (earlier)
        return note_twice(m, earlier, t, err);
    return wfs_ranks_add(m->catalog, stage, m->n_tp, t, path, join, err);
}

/* The state dict of the stage: its chosen root; trees beside it are not put together. */
static int add_stage(struct megatron *m, uint32_t pp, struct wfs_error *err)
{
    const struct wfs_rank *stage = &m->ranks[pp * m->n_tp];
    const struct wfs_catalog *first = stage->catalog;
    int r = 0;
    for (uint32_t i = 0; !r && i < first->n_tensors; i++)
        if (first->roots[first->tensors[i].root].is_chosen)
            r = add_tensor(m, stage, &first->tensors[i], err);
    if (!r)
        wfs_ranks_note_others(m->catalog, stage, m->n_tp);
    for (size_t i = 0; i < m->n_lists; i++) {
        m->lists[i].first += m->lists[i].n;
        m->lists[i].n = 0;
    }
    return r;
}

static int note_others(struct megatron *m, struct wfs_error *err)
{
    const struct wfs_catalog *first = m->ranks[0].catalog;
    for (uint32_t i = 0; i < first->n_roots; i++) {
        if (first->roots[i].is_chosen || first->roots[i].is_whole)
            continue;
        const char *name = wfs_path_join_dup(m->catalog->arena, first->roots[i].path, '.');
        if (!name)
            return wfs_error_nomem(err, "a note");
        wfs_catalog_note(m->catalog, WFS_NOTE_INFO, name,
                         "every rank's own part of it is not put together");
    }
    return 0;
}

/* The state dict of rank 0 becomes the root that views map, unless the user named others. */
static int add_root(struct megatron *m, struct wfs_error *err)
{
    const struct wfs_catalog *first = m->ranks[0].catalog;
    bool has_own = m->options && m->options->roots && m->options->roots[0];
    for (uint32_t i = 0; !has_own && i < first->n_roots; i++) {
        if (!first->roots[i].is_chosen || first->roots[i].is_whole)
            continue;
        struct wfs_root *roots = wfs_arena_array(m->catalog->arena, 2, sizeof(*roots));
        if (!roots)
            return wfs_error_nomem(err, "the roots");
        roots[0] = (struct wfs_root){.path = "", .is_whole = true};
        roots[1] = first->roots[i];
        m->catalog->roots = roots;
        m->catalog->n_roots = 2;
        for (uint32_t k = 0; k < m->catalog->n_tensors; k++)
            m->catalog->tensors[k].root = 1;
        return 0;
    }
    return 0;
}

/* A rank of an interleaved pipeline holds several stages, and no tree of it is the model. */
static int check_chosen(const struct megatron *m, struct wfs_error *err)
{
    for (uint32_t k = 0; k < m->n_tp * m->n_pp; k++) {
        const struct wfs_catalog *rank = m->ranks[k].catalog;
        bool is_chosen = rank->n_roots == 0;
        for (uint32_t i = 0; i < rank->n_roots; i++)
            is_chosen |= rank->roots[i].is_chosen;
        for (uint32_t i = 0; i < rank->n_tensors; i++)
            is_chosen &= strncmp(rank->tensors[i].path, "model1" WFS_SEP_STR, 7) != 0;
        if (!is_chosen)
            return wfs_error_set(err, ENOTSUP,
                                 "%s: %s holds several models of the same names (interleaved "
                                 "pipeline stages): not supported",
                                 m->listing->path, m->catalog->files[m->ranks[k].file].name);
    }
    return 0;
}

/* args.swiglu is the language model's: a vision model beside it may have no gates. */
static int check_lists(struct megatron *m, struct wfs_error *err)
{
    for (uint32_t pp = 0; pp < m->n_pp; pp++) {
        const struct wfs_catalog *stage = m->ranks[pp * m->n_tp].catalog;
        for (uint32_t i = 0; i < stage->n_tensors; i++) {
            size_t len;
            const char *path = stage->tensors[i].path, *number = wfs_megatron_layer(path, &len);
            if (stage->roots[stage->tensors[i].root].is_chosen && number &&
                !list_of(m, path, (size_t)(number - path)))
                return wfs_error_nomem(err, "the layers");
        }
    }
    m->knows_swiglu = m->knows_swiglu && (!m->is_swiglu || m->n_lists < 2 || declared(m, "swiglu"));
    return 0;
}

static int add_stages(struct megatron *m, struct wfs_error *err)
{
    int r = read_facts(m, err);
    if (!r)
        r = check_chosen(m, err);
    if (!r)
        r = check_lists(m, err);
    for (uint32_t pp = 0; !r && pp < m->n_pp; pp++)
        r = add_stage(m, pp, err);
    if (!r)
        r = note_others(m, err);
    return r ? r : add_root(m, err);
}

static int megatron_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                         const struct wfs_source_options *options, struct wfs_error *err)
{
    struct megatron m = {.catalog = catalog, .options = options, .listing = listing};
    struct wfs_listing inner;
    const char *path = NULL;
    int r = 0;
    if (wfs_listing_find(listing, MEGATRON_LATEST)) {
        r = follow_latest(&m, &path, err);
        if (!r)
            r = wfs_listing_read(catalog->arena, path, &inner, err);
        m.listing = &inner;
        if (!r && wfs_folder_dcp.probe(&inner)) { /* --ckpt-format torch_dist */
            catalog->format = wfs_folder_dcp.name;
            return wfs_folder_dcp.open(catalog, &inner, options, err);
        }
    }
    if (!r)
        r = open_ranks(&m, err);
    if (!r)
        r = add_stages(&m, err);
    wfs_strmap_free(&m.by_list);
    free(m.lists);
    return r;
}

const struct wfs_folder_format wfs_folder_megatron = {
    .name = "megatron", .probe = megatron_probe, .open = megatron_open};
