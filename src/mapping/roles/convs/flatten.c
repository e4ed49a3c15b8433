/*
 * flatten.c - dense layers behind the flattened output of convolutions.
 *
 * torch flattens (C, H, W), targets with channels last (H, W, C). The columns of the layer behind are
 * reordered by C alone, whatever H and W: column c * HW + hw becomes hw * C + c.
 *
 * Such a layer has k * C inputs, C being the channels of a convolution that hands them to no other one
 * (convs.h), k > 1. Where such a convolution makes exactly as many as the layer has inputs, they were
 * pooled: k is 1. Where C is the only one that divides them, k is square, no other layer, norm or table
 * makes so many, one such layer is there and no layer norm (frames and tokens are put together
 * otherwise), that is settled; else it is a doubt. So it is where k is so small that pooled results may
 * stand side by side instead: those of branches (TextCNN: three convolutions of C channels, k = 3) or
 * several of one (mean and deviation, k = 2). Inputs that a layer or norm of the same numbered
 * block makes are those. -o set=flatten.NAME=CxHxW says it (or =C, =false).
 */
#include "mapping/roles/convs/flatten.h"

#include <errno.h>

/* So many blocks of channels may be what every convolution of so many gives, pooled in two ways. */
static bool may_be_pooled(const struct wfs_flattening *f, uint64_t k, uint64_t channels)
{
    uint64_t n = 0;
    for (size_t i = 0; i < f->convs.n; i++)
        n += f->convs.v[i].out == channels;
    return k <= 2 * n;
}

/* The only channels that may be; 0: there are several, none, no square is left, or it may be no
 * flattening. */
static uint64_t only_reading(const struct wfs_flattening *f, const struct wfs_readings *readings,
                             uint64_t size)
{
    uint64_t found = 0;
    for (size_t i = 0; i < readings->n; i++) {
        const struct wfs_reading *reading = &readings->v[i];
        if (!wfs_reading_may_be(f, size, reading) || reading->channels == found)
            continue;
        if (found || !wfs_reading_is_square(size, reading) ||
            may_be_pooled(f, size / reading->channels, reading->channels))
            return 0;
        found = reading->channels;
    }
    return found;
}

/* ---- one layer ----------------------------------------------------------------------------- */

static bool is_root(const struct wfs_flattening *f, const struct wfs_item *item)
{
    return item->role == WFS_ROLE_DENSE && !wfs_sizes_have(&f->made, item->expr->shape[1]);
}

static void doubt(struct wfs_item *item, const char *reason)
{
    item->role = WFS_ROLE_DENSE_OR_FLATTENED;
    item->role_reason = reason;
}

/* No layer makes its inputs. */
static void mark_root(struct wfs_flattening *f, struct wfs_item *item)
{
    uint64_t in = item->expr->shape[1];
    bool is_pooled =
        wfs_readings_have(&f->last, in) && !wfs_readings_may_be(f, &f->last, in, false);
    if (is_pooled || !wfs_readings_may_be(f, &f->any, in, false))
        return;
    bool may_settle = f->roots.n == 1 && !f->has_layer_norms && !wfs_sizes_have(&f->stripes, in);
    item->channels = may_settle ? only_reading(f, &f->last, in) : 0;
    if (!item->channels) {
        doubt(item,
              "its inputs are a multiple of a convolution's channels, and which is not settled");
        return;
    }
    item->role = WFS_ROLE_FLATTENED;
    item->role_reason = "dense behind the last convolution, whose channels it has several times";
}

/* A layer elsewhere makes as many as its inputs are, as in an autoencoder: convolutions may have made
 * them all the same. */
static void mark_fed(struct wfs_flattening *f, struct wfs_item *item)
{
    uint64_t in = item->expr->shape[1];
    if (wfs_readings_may_be(f, &f->part_last, in, true) &&
        (wfs_readings_may_be(f, &f->last, in, false) || !wfs_readings_have(&f->last, in)))
        doubt(item, "its inputs may be those of another layer, or a convolution's channels several "
                    "times");
}

/* ---- all ----------------------------------------------------------------------------------- */

static int find_roots(struct wfs_flattening *f)
{
    struct wfs_table *items = f->ev->items;
    for (size_t i = 0; i < items->n; i++)
        if (is_root(f, &items->items[i]) &&
            wfs_sizes_add(&f->roots, items->items[i].expr->shape[1]))
            return -ENOMEM;
    wfs_sizes_sort(&f->roots);
    return 0;
}

/* Those that nothing feeds, or the others. */
static int mark(struct wfs_flattening *f, struct wfs_item *item, bool roots)
{
    struct wfs_block block;
    if (item->role != WFS_ROLE_DENSE || item->role_known || is_root(f, item) != roots ||
        !wfs_readings_may_be(f, &f->any, item->expr->shape[1], false))
        return 0;
    int r = wfs_block_look(f, item, item->expr->shape[1], &block);
    if (!r && !block.makes && roots)
        mark_root(f, item);
    else if (!r && !block.makes)
        mark_fed(f, item);
    return r;
}

static int ask_user(struct wfs_flattening *f, struct wfs_item *item)
{
    uint64_t channels = 0;
    bool found;
    int r = wfs_flattening_by_user(f, item, "flatten", item->expr->shape[1], &found, &channels);
    if (r || !found)
        return r;
    item->channels = channels;
    item->role = channels ? WFS_ROLE_FLATTENED : WFS_ROLE_DENSE;
    item->role_reason = "set=flatten. says so";
    item->role_known = true;
    return 0;
}

static int find_behind(struct wfs_flattening *f)
{
    struct wfs_table *items = f->ev->items;
    f->behind.n = 0;
    for (size_t i = 0; i < items->n; i++) {
        const struct wfs_item *item = &items->items[i];
        bool is_behind =
            item->role == WFS_ROLE_FLATTENED || item->role == WFS_ROLE_DENSE_OR_FLATTENED;
        if (is_behind && wfs_sizes_add(&f->behind, item->expr->shape[1]))
            return -ENOMEM;
    }
    wfs_sizes_sort(&f->behind);
    return 0;
}

/* What other layers feed is asked where nothing else is behind the convolutions. */
int wfs_mark_flattened(struct wfs_flattening *f)
{
    struct wfs_table *items = f->ev->items;
    int r = find_roots(f);
    for (size_t i = 0; !r && i < items->n; i++)
        if (wfs_is_dense(&items->items[i]))
            r = ask_user(f, &items->items[i]);
    for (size_t i = 0; !r && i < items->n; i++)
        r = mark(f, &items->items[i], true);
    if (!r)
        r = find_behind(f);
    bool none = f->behind.n == 0;
    for (size_t i = 0; !r && none && i < items->n; i++)
        r = mark(f, &items->items[i], false);
    return r ? r : find_behind(f);
}
