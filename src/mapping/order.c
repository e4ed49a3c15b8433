/*
 * order.c - the order in which a converter writes a plan's targets: llama.cpp's reads the source's
 * files in the order of their names and the tensors of each sorted by name, and writes each as soon
 * as it has what it is made of (facts of GGUF, 1.3).
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/mapping.h"

/* Where a target stands. */
struct place {
    uint32_t target;
    uint32_t class;     /* 0: needs no source, 1: blocks put together, 2: all others */
    uint32_t file;      /* that it waits for, and of it */
    const char *last;   /* the source name, bytewise the last; "": none */
    const char *module; /* of a target stacked from several tensors: len bytes that these share */
    size_t len;
    uint32_t made;
};

static const char *source_name(const struct wfs_catalog *catalog, const struct wfs_target *t,
                               uint32_t i)
{
    return catalog->tensors[t->sources[i]].name;
}

/* Blocks that a rule joins of codes and scales: no tensor of the source has such a type. */
static bool joins_blocks(const struct wfs_catalog *catalog, const struct wfs_target *t)
{
    return wfs_dtype_is_block(t->expr->dtype) && t->n_sources > 1 &&
           !wfs_dtype_is_block(catalog->tensors[t->sources[0]].expr->dtype);
}

/* What all source names begin with, up to and with a ".". */
static size_t shared_len(const struct wfs_catalog *catalog, const struct wfs_target *t)
{
    const char *first = source_name(catalog, t, 0);
    size_t len = strlen(first);
    for (uint32_t i = 1; i < t->n_sources; i++) {
        const char *name = source_name(catalog, t, i);
        size_t same = 0;
        while (same < len && name[same] == first[same])
            same++;
        len = same;
    }
    while (len && first[len - 1] != '.' && first[len - 1] != '/')
        len--;
    return len;
}

/* By where the converter comes to what they wait for. */
static int compare_last(const struct place *a, const struct place *b)
{
    return a->file != b->file ? (a->file < b->file ? -1 : 1) : strcmp(a->last, b->last);
}

static struct place place_of(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                             uint32_t target)
{
    const struct wfs_target *t = &plan->targets[target];
    struct place place = {target, t->n_sources ? 2 : 0, 0, "", NULL, 0, t->made};
    for (uint32_t i = 0; i < t->n_sources; i++) {
        struct place source = {.file = catalog->tensors[t->sources[i]].file,
                               .last = source_name(catalog, t, i)};
        if (i == 0 || compare_last(&source, &place) > 0) {
            place.file = source.file;
            place.last = source.last;
        }
    }
    if (t->status == WFS_FILLED)
        place.class = 0;
    else if (t->n_sources && joins_blocks(catalog, t))
        place.class = 1;
    if (t->n_sources > 1) {
        place.module = source_name(catalog, t, 0);
        place.len = shared_len(catalog, t);
    }
    return place;
}

/* Stacked targets of one module beside each other, the one that waits longest first. */
static int compare_modules(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (!a->len || !b->len)
        return a->len ? -1 : b->len ? 1 : 0;
    int c = memcmp(a->module, b->module, a->len < b->len ? a->len : b->len);
    if (c || a->len != b->len)
        return c ? c : a->len < b->len ? -1 : 1;
    return compare_last(b, a);
}

/* All stacked targets of a module stand where the last of them does. */
static void join_modules(struct place *places, uint32_t n)
{
    qsort(places, n, sizeof(*places), compare_modules);
    for (uint32_t i = 1; i < n && places[i].len; i++)
        if (places[i].len == places[i - 1].len &&
            memcmp(places[i].module, places[i - 1].module, places[i].len) == 0) {
            places[i].file = places[i - 1].file;
            places[i].last = places[i - 1].last;
        }
}

static int compare_places(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    int c = a->class ? compare_last(a, b) : 0;
    return c ? c : a->made < b->made ? -1 : a->made > b->made;
}

int wfs_plan_conversion_order(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                              struct wfs_arena *arena, const uint32_t **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) void *list = calloc((size_t)plan->n_targets + 1, sizeof(struct place));
    uint32_t *order = wfs_arena_array(arena, (size_t)plan->n_targets + 1, sizeof(*order));
    struct place *places = list;
    if (!places || !order)
        return wfs_error_nomem(err, "the order of tensors");
    for (uint32_t i = 0; i < plan->n_targets; i++)
        places[i] = place_of(plan, catalog, i);
    if (plan->n_targets) {
        join_modules(places, plan->n_targets);
        qsort(places, plan->n_targets, sizeof(*places), compare_places);
    }
    for (uint32_t i = 0; i < plan->n_targets; i++)
        order[i] = places[i].target;
    *ret = order;
    return 0;
}
