/*
 * flatten.c - dense layers behind the flattened output of convolutions.
 *
 * torch flattens (C, H, W), targets with channels last (H, W, C). The columns of the layer behind are
 * reordered by C alone, whatever H and W: column c * HW + hw becomes hw * C + c.
 *
 * Such a layer has k * C inputs, C being the channels of a convolution, k > 1, and nothing else in
 * the network makes so many: no other layer, norm or table. C itself is not what layers and layer
 * norms work on, as behind a patch embedding, whose channels are the features of tokens. Where the last
 * convolutions of all parts of the network leave one C, with a square k, one such layer is there, and no
 * layer norm (frames and tokens are put together otherwise), that is settled; else it is a doubt. -o set=flatten.NAME=CxHxW says it (or =C, =false).
 */
#include "mapping/roles/flatten.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flattening {
    struct wfs_evidence *ev;
    struct wfs_sink *sink;
    struct wfs_sizes made;         /* sizes that layers, norms and tables make */
    struct wfs_sizes used;         /* sizes that layers and layer norms work on */
    const struct wfs_item **convs; /* in natural order; malloc'd */
    size_t n_convs, cap_convs;
    bool has_layer_norms;   /* then channels may be put along frames or tokens as well */
    struct wfs_sizes roots; /* inputs of layers that nothing feeds */
};

static uint64_t channels_of(const struct wfs_item *conv)
{
    return conv->expr->shape[conv->convolution == WFS_CONVOLUTION_TRANSPOSED];
}

static int add_dense(struct flattening *f, const struct wfs_item *item)
{
    bool is_io = item->role == WFS_ROLE_DENSE_IO;
    uint64_t out = item->expr->shape[is_io], in = item->expr->shape[!is_io];
    int r = wfs_sizes_add(&f->made, out);
    if (!r && out % 2 == 0) /* gated: half of it goes on */
        r = wfs_sizes_add(&f->made, out / 2);
    return r ? r : wfs_sizes_add(&f->used, in);
}

static int add_conv(struct flattening *f, const struct wfs_item *item)
{
    if (wfs_grow(&f->convs, &f->cap_convs, f->n_convs + 1, sizeof(*f->convs)))
        return -ENOMEM;
    f->convs[f->n_convs++] = item;
    return 0;
}

static int add_vector(struct flattening *f, const struct wfs_item *item)
{
    bool is_batch_norm = wfs_evidence_sibling(f->ev, item->path, "running_mean");
    if (item->expr->shape[0] < 2 || !wfs_evidence_is(item->path, "weight") || is_batch_norm)
        return 0;
    f->has_layer_norms = true;
    int r = wfs_sizes_add(&f->made, item->expr->shape[0]);
    return r ? r : wfs_sizes_add(&f->used, item->expr->shape[0]);
}

static int compare_paths(const void *pa, const void *pb)
{
    return wfs_natural_cmp((*(const struct wfs_item *const *)pa)->path,
                           (*(const struct wfs_item *const *)pb)->path);
}

static int gather(struct flattening *f)
{
    int r = 0;
    for (size_t i = 0; !r && i < f->ev->items->n; i++) {
        const struct wfs_item *item = &f->ev->items->items[i];
        if (item->role == WFS_ROLE_DENSE || item->role == WFS_ROLE_DENSE_IO)
            r = add_dense(f, item);
        else if (item->role == WFS_ROLE_EMBEDDING)
            r = wfs_sizes_add(&f->made, item->expr->shape[1]);
        else if (item->role == WFS_ROLE_CONVOLUTION)
            r = add_conv(f, item);
        else if (item->expr->ndim == 1)
            r = add_vector(f, item);
    }
    wfs_sizes_sort(&f->made);
    wfs_sizes_sort(&f->used);
    if (!r && f->n_convs)
        qsort(f->convs, f->n_convs, sizeof(*f->convs), compare_paths);
    return r;
}

/* ---- one layer ----------------------------------------------------------------------------- */

static bool is_root(const struct flattening *f, const struct wfs_item *item)
{
    return item->role == WFS_ROLE_DENSE && !wfs_sizes_have(&f->made, item->expr->shape[1]);
}

/* The layer's inputs may be so many channels, several times each. */
static bool may_be(const struct flattening *f, const struct wfs_item *item, uint64_t channels)
{
    uint64_t in = item->expr->shape[1];
    return channels > 1 && in > channels && in % channels == 0 &&
           !wfs_sizes_have(&f->used, channels);
}

/* A square of the sides that the convolution has; any line, where it has one side. */
static bool is_square(uint64_t k, uint32_t n_sides)
{
    uint64_t side = 1;
    if (n_sides == 1)
        return true;
    while ((n_sides == 2 ? side * side : side * side * side) < k)
        side++;
    return (n_sides == 2 ? side * side : side * side * side) == k;
}

/* The same first component but for digits: conv1 and conv2, features.0 and features.3. */
static bool same_part(const struct wfs_item *a, const struct wfs_item *b)
{
    const char *x = a->path, *y = b->path;
    while (*x && *x == *y && *x != WFS_SEP && !isdigit((unsigned char)*x))
        x++, y++;
    bool x_ends = !*x || *x == WFS_SEP || isdigit((unsigned char)*x);
    bool y_ends = !*y || *y == WFS_SEP || isdigit((unsigned char)*y);
    return x_ends && y_ends;
}

/* The channels of the parts' last convolutions that may be; 0: they leave several, or none. */
static uint64_t only_reading(const struct flattening *f, const struct wfs_item *item)
{
    uint64_t found = 0;
    for (size_t i = 0; i < f->n_convs; i++) {
        const struct wfs_item *conv = f->convs[i];
        uint64_t c = channels_of(conv);
        if (i + 1 < f->n_convs && same_part(conv, f->convs[i + 1]))
            continue;
        if (!may_be(f, item, c) || c == found)
            continue;
        if (found || !is_square(item->expr->shape[1] / c, conv->expr->ndim - 2))
            return 0;
        found = c;
    }
    return found;
}

static void mark_root(struct flattening *f, struct wfs_item *item)
{
    bool any = false;
    for (size_t i = 0; !any && i < f->n_convs; i++)
        any = may_be(f, item, channels_of(f->convs[i]));
    if (!any)
        return;
    item->channels = f->roots.n == 1 && !f->has_layer_norms ? only_reading(f, item) : 0;
    item->role = item->channels ? WFS_ROLE_FLATTENED : WFS_ROLE_DENSE_OR_FLATTENED;
    item->role_reason = item->channels
                            ? "dense behind the last convolution, whose channels it has several "
                              "times"
                            : "its inputs are a multiple of a convolution's channels, and which "
                              "is not settled";
}

/* Where every layer's inputs are made by another one, as in an autoencoder: convolutions may have
 * made them all the same. */
static void mark_fed(struct flattening *f, struct wfs_item *item)
{
    if (!only_reading(f, item))
        return;
    item->role = WFS_ROLE_DENSE_OR_FLATTENED;
    item->role_reason = "its inputs may be those of another layer, or a convolution's channels "
                        "several times";
}

/* ---- the user ------------------------------------------------------------------------------ */

static int set_channels(struct flattening *f, struct wfs_item *item, const struct wfs_value *v)
{
    const char *text =
        v->kind == WFS_VALUE_STR ? wfs_arena_strndup(f->ev->mapper->arena, v->s, v->len) : "";
    if (!text)
        return -ENOMEM;
    uint64_t in = item->expr->shape[1];
    uint64_t c = v->kind == WFS_VALUE_INT ? (uint64_t)v->i : strtoull(text, NULL, 10);
    bool is_none = v->kind == WFS_VALUE_BOOL && !v->i;
    if (!is_none && (c == 0 || in % c))
        return wfs_error_set(f->sink->err, EINVAL,
                             "set=flatten.%s: give CxHxW, where C divides the layer's %llu inputs, "
                             "or false",
                             wfs_dotted(f->ev->mapper->arena, item->path), (unsigned long long)in);
    item->channels = is_none ? 0 : c;
    item->role = is_none ? WFS_ROLE_DENSE : WFS_ROLE_FLATTENED;
    item->role_reason = "set=flatten. says so";
    return 0;
}

static int by_user(struct flattening *f, struct wfs_item *item, bool *ret_found)
{
    struct wfs_value v;
    const char *dotted = wfs_dotted(f->ev->mapper->arena, item->path);
    const char *dot = strrchr(dotted, '.');
    const char *whole = wfs_arena_printf(f->ev->mapper->arena, "flatten.%s", dotted);
    const char *module = wfs_arena_printf(f->ev->mapper->arena, "flatten.%.*s",
                                          dot ? (int)(dot - dotted) : 0, dotted);
    if (!whole || !module)
        return -ENOMEM;
    *ret_found = wfs_config_get_set(f->ev->mapper->config, whole, &v) ||
                 wfs_config_get_set(f->ev->mapper->config, module, &v);
    return *ret_found ? set_channels(f, item, &v) : 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

static int mark_all(struct flattening *f)
{
    struct wfs_table *items = f->ev->items;
    for (size_t i = 0; i < items->n; i++)
        if (is_root(f, &items->items[i]) &&
            wfs_sizes_add(&f->roots, items->items[i].expr->shape[1]))
            return -ENOMEM;
    wfs_sizes_sort(&f->roots);
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        bool found = false;
        int r = item->role == WFS_ROLE_DENSE ? by_user(f, item, &found) : 0;
        if (r)
            return r;
        if (!found && is_root(f, item))
            mark_root(f, item);
        else if (!found && f->roots.n == 0 && item->role == WFS_ROLE_DENSE)
            mark_fed(f, item);
    }
    return 0;
}

int wfs_mark_flattened(struct wfs_evidence *ev, struct wfs_sink *sink)
{
    struct flattening f = {.ev = ev, .sink = sink};
    int r = gather(&f);
    if (!r && f.n_convs)
        r = mark_all(&f);
    wfs_sizes_free(&f.made);
    wfs_sizes_free(&f.used);
    wfs_sizes_free(&f.roots);
    free(f.convs);
    return r == -ENOMEM ? wfs_error_nomem(sink->err, "names") : r;
}
