/*
 * readings.c - the sizes that layers, norms and convolutions make and work on.
 */
#include "mapping/roles/convs/readings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- sizes --------------------------------------------------------------------------------- */

static int add_dense(struct wfs_flattening *f, const struct wfs_item *item)
{
    bool is_io = item->role == WFS_ROLE_DENSE_IO;
    uint64_t out = item->expr->shape[is_io], in = item->expr->shape[!is_io];
    int r = wfs_sizes_add(&f->made, out);
    if (!r && out % 2 == 0) /* gated: half of it goes on */
        r = wfs_sizes_add(&f->made, out / 2);
    return r ? r : wfs_sizes_add(&f->used, in);
}

bool wfs_is_batch_norm(const struct wfs_flattening *f, const struct wfs_item *item)
{
    return wfs_evidence_sibling(f->ev, item->path, "running_mean") != NULL;
}

static int add_vector(struct wfs_flattening *f, const struct wfs_item *item)
{
    uint64_t n = item->expr->shape[0];
    if (n < 2 || !wfs_evidence_is(item->path, "weight"))
        return 0;
    if (wfs_is_batch_norm(f, item))
        return wfs_sizes_add(&f->stripes, n);
    f->has_layer_norms = true;
    int r = wfs_sizes_add(&f->made, n);
    return r ? r : wfs_sizes_add(&f->used, n);
}

static int gather_sizes(struct wfs_flattening *f)
{
    int r = 0;
    for (size_t i = 0; !r && i < f->ev->items->n; i++) {
        const struct wfs_item *item = &f->ev->items->items[i];
        if (wfs_is_dense(item) || item->role == WFS_ROLE_DENSE_IO)
            r = add_dense(f, item);
        else if (item->role == WFS_ROLE_EMBEDDING)
            r = wfs_sizes_add(&f->made, item->expr->shape[1]);
        else if (item->expr->ndim == 1)
            r = add_vector(f, item);
    }
    for (size_t i = 0; !r && i < f->convs.n; i++)
        r = wfs_sizes_add(&f->stripes, f->convs.v[i].out);
    wfs_sizes_sort(&f->made);
    wfs_sizes_sort(&f->used);
    wfs_sizes_sort(&f->stripes);
    return r;
}

/* ---- readings ------------------------------------------------------------------------------ */

static int add_reading(struct wfs_readings *readings, uint64_t channels,
                       const struct wfs_conv *conv)
{
    if (wfs_grow(&readings->v, &readings->cap, readings->n + 1, sizeof(*readings->v)))
        return -ENOMEM;
    bool is_transposed = conv->item->convolution == WFS_CONVOLUTION_TRANSPOSED ||
                         conv->item->convolution == WFS_CONVOLUTION_DOUBTFUL;
    readings->v[readings->n++] = (struct wfs_reading){channels, conv->n_sides, is_transposed};
    return 0;
}

static int compare_readings(const void *pa, const void *pb)
{
    const struct wfs_reading *a = pa, *b = pb;
    if (a->channels != b->channels)
        return a->channels < b->channels ? -1 : 1;
    if (a->n_sides != b->n_sides)
        return a->n_sides < b->n_sides ? -1 : 1;
    return (int)a->is_transposed - (int)b->is_transposed;
}

static void sort_readings(struct wfs_readings *readings)
{
    size_t n = 0;
    if (readings->n)
        qsort(readings->v, readings->n, sizeof(*readings->v), compare_readings);
    for (size_t i = 0; i < readings->n; i++)
        if (n == 0 || compare_readings(&readings->v[n - 1], &readings->v[i]) != 0)
            readings->v[n++] = readings->v[i];
    readings->n = n;
}

static int gather_readings(struct wfs_flattening *f)
{
    int r = 0;
    for (size_t i = 0; !r && i < f->convs.n; i++) {
        const struct wfs_conv *conv = &f->convs.v[i];
        if (conv->item->role == WFS_ROLE_DEPTHWISE) /* its channels are another one's */
            continue;
        r = add_reading(&f->any, conv->out, conv);
        if (!r && conv->is_last)
            r = add_reading(&f->last, conv->out, conv);
        if (!r && conv->is_last_in_part)
            r = add_reading(&f->part_last, conv->out, conv);
        if (!r && conv->is_first)
            r = add_reading(&f->first, conv->in, conv);
        if (!r && conv->is_first_in_part)
            r = add_reading(&f->part_first, conv->in, conv);
    }
    sort_readings(&f->any);
    sort_readings(&f->last);
    sort_readings(&f->part_last);
    sort_readings(&f->first);
    sort_readings(&f->part_first);
    return r;
}

bool wfs_readings_have(const struct wfs_readings *readings, uint64_t channels)
{
    for (size_t i = 0; i < readings->n; i++)
        if (readings->v[i].channels == channels)
            return true;
    return false;
}

/* So many channels may lie several times in that size. */
bool wfs_reading_may_be(const struct wfs_flattening *f, uint64_t size,
                        const struct wfs_reading *reading)
{
    uint64_t c = reading->channels;
    return c > 1 && size > c && size % c == 0 && !wfs_sizes_have(&f->used, c);
}

bool wfs_reading_is_square(uint64_t size, const struct wfs_reading *reading)
{
    return wfs_is_square(size / reading->channels, reading->n_sides);
}

bool wfs_readings_may_be(const struct wfs_flattening *f, const struct wfs_readings *readings,
                         uint64_t size, bool square)
{
    for (size_t i = 0; i < readings->n; i++)
        if (wfs_reading_may_be(f, size, &readings->v[i]) &&
            (!square || wfs_reading_is_square(size, &readings->v[i])))
            return true;
    return false;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* Items of a block so many are looked at. */
#define BLOCK_MAX 4096

static int compare_names(const void *pa, const void *pb)
{
    return strcmp((*(const struct wfs_item *const *)pa)->path,
                  (*(const struct wfs_item *const *)pb)->path);
}

static int sort_items(struct wfs_flattening *f)
{
    const struct wfs_table *items = f->ev->items;
    if (f->sorted)
        return 0;
    f->sorted = malloc((items->n + !items->n) * sizeof(*f->sorted));
    if (!f->sorted)
        return -ENOMEM;
    for (size_t i = 0; i < items->n; i++)
        f->sorted[i] = &items->items[i];
    qsort(f->sorted, items->n, sizeof(*f->sorted), compare_names);
    return 0;
}

static size_t first_below(const struct wfs_flattening *f, const char *prefix, size_t len)
{
    size_t low = 0, high = f->ev->items->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strncmp(f->sorted[mid]->path, prefix, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool makes(const struct wfs_flattening *f, const struct wfs_item *maker, uint64_t size)
{
    const struct wfs_expr *e = maker->expr;
    if (wfs_is_dense(maker))
        return e->shape[0] == size || e->shape[0] == 2 * size;
    if (maker->role == WFS_ROLE_DENSE_IO)
        return e->shape[1] == size || e->shape[1] == 2 * size;
    return e->ndim == 1 && e->shape[0] == size && wfs_evidence_is(maker->path, "weight") &&
           !wfs_is_batch_norm(f, maker);
}

static bool may_be_of(const struct wfs_flattening *f, const struct wfs_item *conv, uint64_t size)
{
    const struct wfs_reading both[] = {{conv->expr->shape[0], 2, false},
                                       {conv->expr->shape[1], 2, false}};
    return wfs_reading_may_be(f, size, &both[0]) || wfs_reading_may_be(f, size, &both[1]);
}

/* Below the path's first `len` bytes. */
static struct wfs_block look(const struct wfs_flattening *f, const struct wfs_item *item,
                             size_t len, uint64_t size)
{
    struct wfs_block block = {false, false};
    size_t from = first_below(f, item->path, len), i;
    bool has_conv = false;
    for (i = from; i < f->ev->items->n && i < from + BLOCK_MAX; i++) {
        const struct wfs_item *other = f->sorted[i];
        if (strncmp(other->path, item->path, len) != 0)
            break;
        has_conv |= wfs_role_is_convolution(other->role) && may_be_of(f, other, size);
        block.has_others |= other != item && wfs_is_dense(other);
        block.makes |= other != item && makes(f, other, size);
    }
    return has_conv ? (struct wfs_block){false, false} : block;
}

int wfs_block_look(struct wfs_flattening *f, const struct wfs_item *item, uint64_t size,
                   struct wfs_block *ret)
{
    const char *last = strrchr(item->path, WFS_SEP);
    const char *module = last ? memrchr(item->path, WFS_SEP, (size_t)(last - item->path)) : NULL;
    bool in_block = false;
    *ret = (struct wfs_block){false, false};
    if (sort_items(f))
        return -ENOMEM;
    for (const char *at = item->path; module && at < module;) {
        const char *end = strchr(at, WFS_SEP), *digit = at;
        while (digit < end && isdigit((unsigned char)*digit))
            digit++;
        in_block |= digit == end;
        if (digit == end || (in_block && end == module)) {
            struct wfs_block block = look(f, item, (size_t)(end + 1 - item->path), size);
            ret->makes |= block.makes;
            ret->has_others |= block.has_others;
        }
        at = end + 1;
    }
    return 0;
}

int wfs_readings_gather(struct wfs_flattening *f)
{
    int r = wfs_convs_gather(&f->convs, f->ev->items);
    if (!r)
        r = gather_sizes(f);
    return r ? r : gather_readings(f);
}

void wfs_readings_free(struct wfs_flattening *f)
{
    struct wfs_readings *readings[] = {&f->any, &f->last, &f->part_last, &f->first, &f->part_first};
    struct wfs_sizes *sizes[] = {&f->made, &f->used, &f->stripes, &f->roots, &f->sinks, &f->behind};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(readings); i++)
        free(readings[i]->v);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(sizes); i++)
        wfs_sizes_free(sizes[i]);
    wfs_convs_free(&f->convs);
    free(f->sorted);
}

/* ---- the user ------------------------------------------------------------------------------ */

static int read_channels(const struct wfs_flattening *f, const char *key, uint64_t size,
                         const struct wfs_value *v, uint64_t *ret_channels)
{
    const char *text =
        v->kind == WFS_VALUE_STR ? wfs_arena_strndup(f->ev->mapper->arena, v->s, v->len) : "";
    if (!text)
        return -ENOMEM;
    uint64_t c = v->kind == WFS_VALUE_INT ? (uint64_t)v->i : strtoull(text, NULL, 10);
    bool is_none = v->kind == WFS_VALUE_BOOL && !v->i;
    if (!is_none && (c == 0 || size % c))
        return wfs_error_set(f->sink->err, EINVAL,
                             "set=%s: give CxHxW, where C divides the layer's %llu, or false", key,
                             (unsigned long long)size);
    *ret_channels = is_none ? 0 : c;
    return 0;
}

int wfs_flattening_by_user(const struct wfs_flattening *f, const struct wfs_item *item,
                           const char *key, uint64_t size, bool *ret_found, uint64_t *ret_channels)
{
    struct wfs_value v;
    const char *dotted = wfs_dotted(f->ev->mapper->arena, item->path);
    const char *dot = strrchr(dotted, '.');
    const char *whole = wfs_arena_printf(f->ev->mapper->arena, "%s.%s", key, dotted);
    const char *module = wfs_arena_printf(f->ev->mapper->arena, "%s.%.*s", key,
                                          dot ? (int)(dot - dotted) : 0, dotted);
    if (!whole || !module)
        return -ENOMEM;
    *ret_found = wfs_config_get_set(f->ev->mapper->config, whole, &v) ||
                 wfs_config_get_set(f->ev->mapper->config, module, &v);
    return *ret_found ? read_channels(f, whole, size, &v, ret_channels) : 0;
}
