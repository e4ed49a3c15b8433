/*
 * depthwise.c - (n, 1, *k): n outputs of one channel, or of n channels each by itself.
 *
 * Both have the same numbers, and targets with channels last store them otherwise: (*k, 1, n) and
 * (*k, n, 1). What proves the latter:
 *
 *   - a state space layer: A_log, dt_bias or D beside it;
 *   - the convolution that stands before it by number hands it n channels (block.0, block.1; conv1,
 *     conv2), and so it is for all that have its name but for the numbers: branches that begin alike with
 *     one channel each have none before the first;
 *   - it is in the layers of a transformer: numbered blocks with several dense layers and a norm as wide as
 *     the model's table of tokens;
 *   - its name, and another layer or convolution of the same numbered block that makes n channels, where
 *     there are several such blocks. (A name alone leaves open how many outputs a channel has.)
 *
 * One channel is proved where what stands before it makes one, and where the next one of its name takes
 * its outputs with a window (behind a depthwise one there is mostly none: conv_layers.0, conv_layers.1).
 */
#include "mapping/roles/convs/depthwise.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/roles/convs/convs.h"

/* Items of a block so many are looked at. */
#define BLOCK_MAX 4096

/* The next one of the same name is so near. */
#define NEXT_MAX 16

/* What is known of all that have one folded name. */
enum { IS_UNPROVED = 1, IS_SEVERAL = 2 };

struct depthwise {
    struct wfs_evidence *ev;
    struct wfs_convs convs;
    struct wfs_strmap families; /* a folded name -> bits */
    struct wfs_sizes tables;    /* columns of embeddings */
    struct wfs_buf scratch;
    const struct wfs_item **sorted; /* by name */
};

/* ---- names --------------------------------------------------------------------------------- */

/* In scratch; NULL when out of memory. */
static const char *folded(struct depthwise *d, const char *path)
{
    d->scratch.len = 0;
    for (const char *s = path; *s;) {
        size_t n = strspn(s, "0123456789");
        if (n)
            wfs_buf_char(&d->scratch, '#');
        else
            wfs_buf_char(&d->scratch, *s);
        s += n ? n : 1;
    }
    wfs_buf_char(&d->scratch, 0);
    return wfs_buf_ok(&d->scratch) ? d->scratch.data : NULL;
}

static bool says_depthwise(const char *path)
{
    static const char *const words[] = {"depthwise", "dwconv", "dw_conv", "conv_dw", "depth_conv"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++)
        if (strcasestr(path, words[i]))
            return true;
    return false;
}

/* Beside the module, or the one that holds it. */
static bool is_in_state_space(struct wfs_evidence *ev, const char *path)
{
    static const char *const beside[] = {"A_log", "dt_bias", "D"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(beside); i++)
        if (wfs_evidence_relative(ev, path, 2, beside[i]))
            return true;
    return false;
}

/* ---- what stands before -------------------------------------------------------------------- */

/* The outputs of the convolution before it, where their names tell by number that it is; 0: none. */
static uint64_t handed(const struct wfs_convs *convs, size_t i)
{
    if (i == 0 || !wfs_conv_precedes(&convs->v[i - 1], &convs->v[i]))
        return 0;
    return convs->v[i - 1].out;
}

static bool is_open(const struct wfs_conv *conv)
{
    return conv->item->role == WFS_ROLE_CONVOLUTION_OR_DEPTHWISE;
}

/* Which names have one that is not handed as many channels as it has outputs. */
static int find_families(struct depthwise *d)
{
    for (size_t i = 0; i < d->convs.n; i++) {
        const struct wfs_conv *conv = &d->convs.v[i];
        uint64_t bits = 0;
        const char *name = is_open(conv) ? folded(d, conv->item->path) : "";
        if (!name)
            return -ENOMEM;
        if (!is_open(conv))
            continue;
        bits = wfs_strmap_get(&d->families, name, &bits) ? bits | IS_SEVERAL : 0;
        bits |= handed(&d->convs, i) != conv->out ? IS_UNPROVED : 0;
        name = wfs_arena_strdup(d->ev->mapper->arena, name);
        if (!name || wfs_strmap_set(&d->families, name, bits))
            return -ENOMEM;
    }
    return 0;
}

/* The next one of its name, which no other open one has, takes all its outputs with a window. */
static bool begins_a_stack(struct depthwise *d, size_t i)
{
    const struct wfs_convs *convs = &d->convs;
    const struct wfs_item *item = convs->v[i].item;
    wfs_cleanup(wfs_buf_free) struct wfs_buf own = {0};
    const char *name = folded(d, item->path);
    if (!name)
        return false;
    wfs_buf_str(&own, name);
    for (size_t at = i + 1; wfs_buf_ok(&own) && at < convs->n && at <= i + NEXT_MAX; at++) {
        const struct wfs_conv *next = &convs->v[at];
        const struct wfs_expr *e = next->item->expr;
        name = folded(d, next->item->path);
        if (!name || strcmp(name, own.data) != 0)
            continue;
        return e->shape[1] == convs->v[i].out && e->shape[2] > 1 &&
               wfs_conv_precedes(&convs->v[i], next);
    }
    return false;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static int compare_names(const void *pa, const void *pb)
{
    return strcmp((*(const struct wfs_item *const *)pa)->path,
                  (*(const struct wfs_item *const *)pb)->path);
}

static int sort_items(struct depthwise *d)
{
    const struct wfs_table *items = d->ev->items;
    if (d->sorted)
        return 0;
    d->sorted = malloc((items->n + !items->n) * sizeof(*d->sorted));
    if (!d->sorted)
        return -ENOMEM;
    for (size_t i = 0; i < items->n; i++)
        d->sorted[i] = &items->items[i];
    qsort(d->sorted, items->n, sizeof(*d->sorted), compare_names);
    return 0;
}

static bool makes(const struct wfs_item *item, uint64_t n)
{
    const struct wfs_expr *e = item->expr;
    bool is_maker = item->role == WFS_ROLE_DENSE || wfs_role_is_convolution(item->role);
    return is_maker && e->shape[1] > 1 && (e->shape[0] == n || e->shape[0] == 2 * n);
}

/* What is below the path's first `len` bytes. */
struct block {
    bool makes;    /* another layer or convolution makes as many channels */
    bool has_norm; /* a norm as wide as an embedding */
    size_t n_dense;
};

static void add_to_block(const struct depthwise *d, const struct wfs_item *item,
                         const struct wfs_item *other, struct block *block)
{
    const struct wfs_expr *e = other->expr;
    block->makes |= other != item && makes(other, item->expr->shape[0]);
    block->n_dense += other->role == WFS_ROLE_DENSE;
    block->has_norm |= e->ndim == 1 && wfs_evidence_is(other->path, "weight") &&
                       wfs_sizes_have(&d->tables, e->shape[0]) &&
                       !wfs_evidence_sibling(d->ev, other->path, "running_mean");
}

static struct block look_at(const struct depthwise *d, const struct wfs_item *item, size_t len)
{
    struct block block = {false, false, 0};
    size_t low = 0, high = d->ev->items->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strncmp(d->sorted[mid]->path, item->path, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (size_t i = low; i < d->ev->items->n && i < low + BLOCK_MAX; i++) {
        if (strncmp(d->sorted[i]->path, item->path, len) != 0)
            break;
        add_to_block(d, item, d->sorted[i], &block);
    }
    return block;
}

/* Of a transformer's layer so many dense layers are seen at least. */
#define TRANSFORMER_MIN_DENSE 3

/* What a numbered block says that the item is in; NULL: nothing. */
static const char *by_block(const struct depthwise *d, const struct wfs_item *item)
{
    const char *last = strrchr(item->path, WFS_SEP), *module = NULL;
    bool named = says_depthwise(item->path);
    if (last)
        module = memrchr(item->path, WFS_SEP, (size_t)(last - item->path));
    for (const char *end = module; end;) {
        const char *sep = memrchr(item->path, WFS_SEP, (size_t)(end - item->path));
        const char *s = sep ? sep + 1 : item->path;
        if (end > s && strspn(s, "0123456789") == (size_t)(end - s)) {
            struct block block = look_at(d, item, (size_t)(end + 1 - item->path));
            if (named && block.makes)
                return "its name, and its block makes as many channels as it has outputs";
            if (block.has_norm && block.n_dense >= TRANSFORMER_MIN_DENSE)
                return "it is in the layers of a transformer";
        }
        end = sep;
    }
    return NULL;
}

/* ---- one ----------------------------------------------------------------------------------- */

static int mark(struct depthwise *d, size_t i, struct wfs_item *item)
{
    uint64_t bits = 0, before = handed(&d->convs, i);
    const char *name = folded(d, item->path);
    if (!name || sort_items(d))
        return -ENOMEM;
    (void)wfs_strmap_get(&d->families, name, &bits);
    const char *proof = NULL;
    if (is_in_state_space(d->ev, item->path))
        proof = "a state space layer's";
    else if (before == item->expr->shape[0] && !(bits & IS_UNPROVED))
        proof = "what stands before it hands it as many channels as it has outputs";
    else if (bits & IS_SEVERAL)
        proof = by_block(d, item);
    if (!proof && before != 1 && ((bits & IS_SEVERAL) || !begins_a_stack(d, i)))
        return wfs_buf_ok(&d->scratch) ? 0 : -ENOMEM;
    item->role = proof ? WFS_ROLE_DEPTHWISE : WFS_ROLE_CONVOLUTION;
    item->role_reason = proof         ? proof
                        : before == 1 ? "what stands before it hands it one channel"
                                      : "the next one of its name takes its outputs with a window";
    return 0;
}

int wfs_mark_depthwise(struct wfs_evidence *ev)
{
    struct depthwise d = {.ev = ev};
    int r = wfs_convs_gather(&d.convs, ev->items);
    for (size_t i = 0; !r && d.convs.n && i < ev->items->n; i++)
        if (ev->items->items[i].role == WFS_ROLE_EMBEDDING)
            r = wfs_sizes_add(&d.tables, ev->items->items[i].expr->shape[1]);
    wfs_sizes_sort(&d.tables);
    if (!r)
        r = find_families(&d);
    for (size_t i = 0; !r && i < d.convs.n; i++)
        if (is_open(&d.convs.v[i]))
            r = mark(&d, i, (struct wfs_item *)d.convs.v[i].item);
    wfs_convs_free(&d.convs);
    wfs_strmap_free(&d.families);
    wfs_sizes_free(&d.tables);
    wfs_buf_free(&d.scratch);
    free(d.sorted);
    return r;
}
