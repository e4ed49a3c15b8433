/*
 * meta_consolidated.c - Meta's Llama checkpoints: consolidated.00.pth, consolidated.01.pth, ...,
 * one state dict for each rank of tensor parallelism.
 *
 *     wq wk wv w1 w3 output        cut along axis 0
 *     wo w2                        cut along axis 1
 *     tok_embeddings               axis 1 (Llama 1 and 2) or 0 (Llama 3): the one that makes the
 *                                  model as wide as norm.weight says
 *     norms, rope                  copies: rank 0's, where the others begin alike
 *
 * Every other name of more than one axis is refused unless -o set=tp.GLOB=AXIS declares it: a guess
 * would be a wrong matrix.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/folder/listing.h"
#include "source/sharded/ranks.h"

#define META_MAX_RANKS 1024u

struct meta {
    struct wfs_catalog *catalog;
    const struct wfs_listing *listing;
    const struct wfs_source_options *options;
    struct wfs_rank *ranks; /* META_MAX_RANKS of them */
    uint32_t n;
};

/* The rank of "consolidated.NN.pth", or -1. */
static int rank_of(const char *name)
{
    int rank = -1, end = 0;
    if (sscanf(name, "consolidated.%4d.pth%n", &rank, &end) != 1 || end == 0 || name[end] ||
        rank < 0)
        return -1;
    return rank;
}

static bool meta_probe(const struct wfs_listing *listing)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < listing->n_entries; i++)
        n += listing->entries[i].kind == WFS_ENTRY_FILE && rank_of(listing->entries[i].name) >= 0;
    return n > 1;
}

static int open_ranks(struct meta *m, struct wfs_error *err)
{
    for (uint32_t i = 0; i < m->listing->n_entries; i++) { /* in natural order: rank by rank */
        const char *name = m->listing->entries[i].name;
        int rank = m->listing->entries[i].kind == WFS_ENTRY_FILE ? rank_of(name) : -1;
        if (rank < 0)
            continue;
        if (m->n == META_MAX_RANKS || rank != (int)m->n)
            return wfs_error_set(err, ENOENT,
                                 "%s: %s stands where rank %u should: the checkpoint "
                                 "is not whole",
                                 m->listing->path, name, m->n);
        const char *path = wfs_arena_printf(m->catalog->arena, "%s/%s", m->listing->path, name);
        if (!path)
            return wfs_error_nomem(err, name);
        int r = wfs_rank_open(m->catalog, path, name, m->options, &m->ranks[m->n++], err);
        if (r)
            return r;
    }
    return 0;
}

/* The component before the last: "wq" of layers.0.attention.wq.weight; else the last. */
static bool is_called(const char *path, const char *what)
{
    size_t n = wfs_path_n_components(path), len;
    for (size_t i = n > 2 ? n - 2 : 0; i < n; i++) {
        const char *part = wfs_path_component(path, i, &len);
        if (strlen(what) == len && memcmp(part, what, len) == 0)
            return true;
    }
    return false;
}

static bool is_one_of(const char *path, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_called(path, names[i]))
            return true;
    return false;
}

/* The model's width, 0 where no norm.weight tells it. */
static uint64_t model_width(const struct wfs_rank *rank)
{
    const struct wfs_tensor *norm = wfs_catalog_find(rank->catalog, "norm.weight");
    return norm && norm->expr->ndim == 1 ? norm->expr->shape[0] : 0;
}

/* The axis that makes the embeddings as wide as the model; false where nothing tells. */
static bool embedding_axis(const struct meta *m, const struct wfs_expr *e, int32_t *ret)
{
    uint64_t width = model_width(&m->ranks[0]);
    if (!width || e->ndim != 2)
        return false;
    *ret = e->shape[1] == width ? 0 : 1;
    return *ret == 0 || (width % m->n == 0 && e->shape[1] == width / m->n);
}

/* The axis along which a tensor is cut, -1 where the ranks have copies; false where its name does not
 * tell. */
static bool known_axis(const struct meta *m, const struct wfs_tensor *t, int32_t *ret)
{
    static const char *const rows[] = {"wq", "wk", "wv", "w1", "w3", "output"};
    static const char *const columns[] = {"wo", "w2"};
    bool is_vector = t->expr->ndim < 2;
    if (is_called(t->path, "tok_embeddings"))
        return embedding_axis(m, t->expr, ret);
    if (is_one_of(t->path, rows, WFS_ARRAY_SIZE(rows)))
        *ret = 0;
    else if (is_one_of(t->path, columns, WFS_ARRAY_SIZE(columns)) && !is_vector)
        *ret = 1;
    else if (is_vector)
        *ret = -1;
    else
        return false;
    return true;
}

static int add_tensor(const struct meta *m, const struct wfs_tensor *t, struct wfs_error *err)
{
    struct wfs_join join = {.axis = -1, .n_groups = 1};
    int r = wfs_declared_axis(m->options, t->name, &join.is_declared, &join.axis, err);
    if (r)
        return r;
    if (!join.is_declared && !known_axis(m, t, &join.axis)) {
        wfs_catalog_note(m->catalog, WFS_NOTE_REFUSED, t->name,
                         "how it is cut over %u files is not known: declare it with "
                         "-o set=tp.%s=AXIS, or =same",
                         m->n, t->name);
        return 0;
    }
    return wfs_ranks_add(m->catalog, m->ranks, m->n, t, t->path, join, err);
}

/* Files may be missing at the end. Two matrices tell, whose second axis is the model's width once
 * their parts are joined: the embeddings, where they are cut along it, and wo (Meta's heads are
 * dim / n_heads wide). What the user declares is not doubted. */
static int check_whole(const struct meta *m, struct wfs_error *err)
{
    static const char *const names[] = {"tok_embeddings.weight", "layers.0.attention.wo.weight"};
    uint64_t width = model_width(&m->ranks[0]);
    for (size_t i = 0; width && i < WFS_ARRAY_SIZE(names); i++) {
        const struct wfs_tensor *t = wfs_catalog_find(m->ranks[0].catalog, names[i]);
        int32_t axis;
        bool is_declared = false;
        int r = t ? wfs_declared_axis(m->options, t->name, &is_declared, &axis, err) : 0;
        if (r)
            return r;
        if (is_declared || !t || t->expr->ndim != 2)
            continue;
        uint64_t part = t->expr->shape[1];
        if ((i == 0 && part == width) || (width % m->n == 0 && part == width / m->n))
            continue;
        return wfs_error_set(err, ENOENT,
                             "%s: %u files with parts of %s that are %llu wide, for a model %llu "
                             "wide: the checkpoint is not whole",
                             m->listing->path, m->n, t->name, (unsigned long long)part,
                             (unsigned long long)width);
    }
    return 0;
}

static int meta_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) struct wfs_rank *ranks = calloc(META_MAX_RANKS, sizeof(*ranks));
    struct meta m = {.catalog = catalog, .listing = listing, .options = options, .ranks = ranks};
    if (!ranks)
        return wfs_error_nomem(err, listing->path);
    int r = open_ranks(&m, err);
    if (!r)
        r = check_whole(&m, err);
    for (uint32_t i = 0; !r && i < ranks[0].catalog->n_tensors; i++)
        r = add_tensor(&m, &ranks[0].catalog->tensors[i], err);
    if (!r)
        wfs_ranks_note_others(catalog, ranks, m.n);
    return r;
}

const struct wfs_folder_format wfs_folder_meta_consolidated = {
    .name = "meta-consolidated", .probe = meta_probe, .open = meta_open};
