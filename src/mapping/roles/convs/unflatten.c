/*
 * unflatten.c - dense layers whose outputs become the channels and sides of a convolution's input.
 *
 * The mirror of flatten.c: a decoder's layer makes C * H * W outputs, torch reads them as (C, H, W),
 * targets with channels last as (H, W, C). Its rows are reordered, and its bias. C is what a
 * convolution takes that no other one feeds. Where the outputs go to no layer or norm, one such layer
 * is there, C is the only reading, k is square and there is no layer norm, that is settled; else it is a
 * doubt. -o set=unflatten.NAME=CxHxW says it (or =C, =false).
 */
#include "mapping/roles/convs/unflatten.h"

#include <errno.h>

/* What a convolution in front of which a dense layer stands has; fewer are an image's colours. */
#define COLOURS_MAX 4
#define PICTURE_MIN 64

static bool may_front(const struct wfs_flattening *f, uint64_t out,
                      const struct wfs_reading *reading)
{
    if (!wfs_reading_may_be(f, out, reading))
        return false;
    bool is_picture = reading->channels <= COLOURS_MAX && !reading->is_transposed;
    return (reading->is_transposed || wfs_reading_is_square(out, reading)) &&
           (!is_picture || out / reading->channels >= PICTURE_MIN);
}

/* Its outputs go to no layer and no norm, so that a convolution may take them. */
static bool is_sink(const struct wfs_flattening *f, const struct wfs_item *item)
{
    if (!wfs_is_dense(item) && item->role != WFS_ROLE_DENSE_OR_FLATTENED)
        return false; /* a scalar has no outputs */
    uint64_t out = item->expr->shape[0];
    return !wfs_sizes_have(&f->used, out) || wfs_sizes_have(&f->behind, out);
}

static uint64_t only_front(const struct wfs_flattening *f, uint64_t out)
{
    uint64_t found = 0;
    for (size_t i = 0; i < f->first.n; i++) {
        if (!may_front(f, out, &f->first.v[i]) || f->first.v[i].channels == found)
            continue;
        if (found || !wfs_reading_is_square(out, &f->first.v[i]))
            return 0;
        found = f->first.v[i].channels;
    }
    return found;
}

/* Behind pooled channels there are mostly classes: then of transposed convolutions alone. */
static bool any_front(const struct wfs_flattening *f, uint64_t out, bool is_pooled)
{
    for (size_t i = 0; i < f->first.n; i++)
        if ((f->first.v[i].is_transposed || !is_pooled) && may_front(f, out, &f->first.v[i]))
            return true;
    for (size_t i = 0; i < f->part_first.n; i++)
        if (f->part_first.v[i].is_transposed && may_front(f, out, &f->part_first.v[i]))
            return true;
    return false;
}

/* The bias of the layer is reordered as its rows are. */
static void give(struct wfs_flattening *f, struct wfs_item *item, uint64_t channels,
                 bool is_certain, const char *reason)
{
    struct wfs_item *both[] = {item, wfs_evidence_item(f->ev, item->path, "bias")};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(both); i++)
        if (both[i]) {
            both[i]->role = is_certain ? WFS_ROLE_UNFLATTENED : WFS_ROLE_DENSE_OR_UNFLATTENED;
            both[i]->role_reason = reason;
            both[i]->channels = channels;
        }
}

/* One of the layers of a numbered block is in front of none. */
static int mark_front(struct wfs_flattening *f, struct wfs_item *item)
{
    uint64_t out = item->expr->shape[0];
    bool is_pooled = wfs_readings_have(&f->last, item->expr->shape[1]);
    struct wfs_block block;
    if (wfs_readings_have(&f->first, out) || !any_front(f, out, is_pooled))
        return 0;
    int r = wfs_block_look(f, item, out, &block);
    if (r || block.has_others)
        return r;
    bool may_settle = f->sinks.n == 1 && !f->has_layer_norms && item->role == WFS_ROLE_DENSE &&
                      !is_pooled && !wfs_sizes_have(&f->used, out) &&
                      !wfs_sizes_have(&f->stripes, out);
    uint64_t channels = may_settle ? only_front(f, out) : 0;
    give(f, item, channels, channels != 0,
         channels
             ? "dense in front of the first convolution, whose inputs it makes several times"
             : "its outputs are a multiple of a convolution's inputs, and which is not settled");
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int find_sinks(struct wfs_flattening *f)
{
    struct wfs_table *items = f->ev->items;
    for (size_t i = 0; i < items->n; i++) {
        const struct wfs_item *item = &items->items[i];
        if (is_sink(f, item) && any_front(f, item->expr->shape[0], false) &&
            wfs_sizes_add(&f->sinks, item->expr->shape[0]))
            return -ENOMEM;
    }
    wfs_sizes_sort(&f->sinks);
    return 0;
}

static int mark(struct wfs_flattening *f, struct wfs_item *item)
{
    uint64_t channels = 0;
    bool found;
    int r = wfs_flattening_by_user(f, item, "unflatten", item->expr->shape[0], &found, &channels);
    if (!r && found && channels)
        give(f, item, channels, true, "set=unflatten. says so");
    else if (!r && !found && !item->role_known && is_sink(f, item))
        r = mark_front(f, item);
    return r;
}

int wfs_mark_unflattened(struct wfs_flattening *f)
{
    struct wfs_table *items = f->ev->items;
    int r = find_sinks(f);
    for (size_t i = 0; !r && i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        if (wfs_is_dense(item) || item->role == WFS_ROLE_DENSE_OR_FLATTENED)
            r = mark(f, item);
    }
    return r;
}
