/*
 * convs.c - who hands channels to whom, by sizes and the order of names.
 */
#include "mapping/roles/convs/convs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of many of one size so many are looked at, on either side. */
#define LOOK_MAX 32
/* More points than this are no window of one channel. */
#define POINTS_MAX (UINT64_C(1) << 32)

static struct wfs_conv conv_of(const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr;
    bool is_transposed =
        item->convolution == WFS_CONVOLUTION_TRANSPOSED || item->role == WFS_ROLE_TRANSPOSED;
    uint64_t a = e->shape[0], b = e->shape[1];
    return (struct wfs_conv){.item = item,
                             .in = is_transposed ? a : b,
                             .out = is_transposed ? b : a,
                             .n_sides = e->ndim - 2,
                             .in_groups = !is_transposed && b && b < a && a % b == 0};
}

static int compare_paths(const void *pa, const void *pb)
{
    const struct wfs_conv *a = pa, *b = pb;
    return wfs_natural_cmp(a->item->path, b->item->path);
}

/* Below 0: a stands before b; above: behind; 0: their names do not tell. */
static int order(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    while (i && isdigit((unsigned char)a[i - 1]))
        i--;
    if (!isdigit((unsigned char)a[i]) || !isdigit((unsigned char)b[i]))
        return 0;
    unsigned long x = strtoul(a + i, NULL, 10), y = strtoul(b + i, NULL, 10);
    return x < y ? -1 : x > y;
}

bool wfs_conv_precedes(const struct wfs_conv *a, const struct wfs_conv *b)
{
    return order(a->item->path, b->item->path) < 0;
}

/* The same first component but for digits: conv1 and conv2, features.0 and features.3. */
static bool same_part(const char *x, const char *y)
{
    while (*x && *x == *y && *x != WFS_SEP && !isdigit((unsigned char)*x))
        x++, y++;
    bool x_ends = !*x || *x == WFS_SEP || isdigit((unsigned char)*x);
    bool y_ends = !*y || *y == WFS_SEP || isdigit((unsigned char)*y);
    return x_ends && y_ends;
}

/* ---- those of one size --------------------------------------------------------------------- */

static uint64_t size_of(const struct wfs_convs *convs, const size_t *index, size_t i)
{
    const struct wfs_conv *conv = &convs->v[index[i]];
    return index == convs->by_in ? conv->in : conv->out;
}

/* The first that has the size and is not before conv i, or behind all of it. */
static size_t lower_bound(const struct wfs_convs *convs, const size_t *index, uint64_t size,
                          size_t i)
{
    size_t low = 0, high = convs->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint64_t there = size_of(convs, index, mid);
        if (there < size || (there == size && index[mid] < i))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct size_at {
    uint64_t size;
    size_t at;
};

static int compare_sizes(const void *pa, const void *pb)
{
    const struct size_at *a = pa, *b = pb;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static size_t *sorted(const struct wfs_convs *convs, bool by_in)
{
    size_t *index = calloc(convs->n, sizeof(*index));
    struct size_at *sizes = calloc(convs->n, sizeof(*sizes));
    for (size_t i = 0; index && sizes && i < convs->n; i++)
        sizes[i] = (struct size_at){by_in ? convs->v[i].in : convs->v[i].out, i};
    if (index && sizes) {
        qsort(sizes, convs->n, sizeof(*sizes), compare_sizes);
        for (size_t i = 0; i < convs->n; i++)
            index[i] = sizes[i].at;
    } else {
        free(index);
        index = NULL;
    }
    free(sizes);
    return index;
}

/* ---- who takes, who makes ------------------------------------------------------------------ */

struct ends {
    bool open;    /* a partner on the right side, or whose side the names do not tell */
    bool in_part; /* likewise, in the same part */
    bool told;    /* a partner that is on the right side by number */
};

static void meet(const struct wfs_convs *convs, size_t i, size_t other, int side,
                 struct ends *found)
{
    const char *path = convs->v[i].item->path, *partner = convs->v[other].item->path;
    int told = order(path, partner) * side;
    found->told |= told < 0;
    found->open |= told <= 0;
    found->in_part |= told <= 0 && same_part(path, partner);
}

static bool is_all(const struct ends *found)
{
    return found->told && found->open && found->in_part;
}

/* Partners of conv i among those with that size: behind it (side 1) or before it (side -1); the
 * nearest by name. */
static struct ends look(const struct wfs_convs *convs, const size_t *index, uint64_t size, size_t i,
                        int side)
{
    struct ends found = {false, false, false};
    size_t here = lower_bound(convs, index, size, i);
    for (size_t at = here, n = 0; at-- > 0 && n < LOOK_MAX && !is_all(&found); n++) {
        if (size_of(convs, index, at) != size)
            break;
        meet(convs, i, index[at], side, &found);
    }
    for (size_t at = here, n = 0; at < convs->n && n < LOOK_MAX && !is_all(&found); at++, n++) {
        if (size_of(convs, index, at) != size)
            break;
        if (index[at] != i)
            meet(convs, i, index[at], side, &found);
    }
    return found;
}

/* Behind it one in groups that has as many outputs, as in a ResNeXt. */
static bool is_grouped_behind(const struct wfs_convs *convs, size_t i)
{
    const struct wfs_conv *conv = &convs->v[i];
    for (size_t at = i + 1; at < convs->n && at <= i + 4; at++) {
        const struct wfs_conv *other = &convs->v[at];
        if (other->in_groups && other->out == conv->out &&
            order(conv->item->path, other->item->path) < 0)
            return true;
    }
    return false;
}

static void link_up(struct wfs_convs *convs, size_t i)
{
    struct wfs_conv *conv = &convs->v[i];
    struct ends taken = look(convs, convs->by_in, conv->out, i, 1);
    struct ends made = look(convs, convs->by_out, conv->in, i, -1);
    bool is_grouped = is_grouped_behind(convs, i);
    conv->is_last = !taken.open && !is_grouped;
    conv->is_last_in_part = !taken.in_part && !is_grouped;
    conv->is_first = !made.open;
    conv->is_first_in_part = !made.told;
}

int wfs_convs_gather(struct wfs_convs *convs, const struct wfs_table *items)
{
    for (size_t i = 0; i < items->n; i++) {
        if (!wfs_role_is_convolution(items->items[i].role))
            continue;
        if (wfs_grow(&convs->v, &convs->cap, convs->n + 1, sizeof(*convs->v)))
            return -ENOMEM;
        convs->v[convs->n++] = conv_of(&items->items[i]);
    }
    if (!convs->n)
        return 0;
    qsort(convs->v, convs->n, sizeof(*convs->v), compare_paths);
    convs->by_in = sorted(convs, true);
    convs->by_out = sorted(convs, false);
    if (!convs->by_in || !convs->by_out)
        return -ENOMEM;
    for (size_t i = 0; i < convs->n; i++)
        link_up(convs, i);
    return 0;
}

void wfs_convs_free(struct wfs_convs *convs)
{
    free(convs->v);
    free(convs->by_in);
    free(convs->by_out);
    *convs = (struct wfs_convs){0};
}

bool wfs_is_square(uint64_t k, uint32_t n_sides)
{
    uint64_t side = 1;
    if (n_sides == 1 || k > POINTS_MAX)
        return n_sides == 1;
    while ((n_sides == 2 ? side * side : side * side * side) < k)
        side++;
    return (n_sides == 2 ? side * side : side * side * side) == k;
}
