/*
 * item.c - the growing lists of items and of one rule's tensors.
 */
#include "mapping/items/item.h"

#include <string.h>

int wfs_table_add(struct wfs_table *table, const struct wfs_item *item, struct wfs_error *err)
{
    if (wfs_grow(&table->items, &table->cap, table->n + 1, sizeof(*table->items)))
        return wfs_error_nomem(err, "mapping");
    table->items[table->n++] = *item;
    return 0;
}

int wfs_table_add_all(struct wfs_table *table, const struct wfs_table *from, struct wfs_error *err)
{
    int r = 0;
    for (size_t i = 0; !r && i < from->n; i++)
        r = wfs_table_add(table, &from->items[i], err);
    return r;
}

int wfs_vals_add(struct wfs_vals *vals, const struct wfs_val *val, struct wfs_error *err)
{
    if (wfs_grow(&vals->v, &vals->cap, vals->n + 1, sizeof(*vals->v)))
        return wfs_error_nomem(err, "mapping");
    vals->v[vals->n++] = *val;
    return 0;
}

struct wfs_val wfs_val_of(const struct wfs_item *item, uint32_t index,
                          const struct wfs_match *match)
{
    return (struct wfs_val){.m = *match,
                            .expr = item->expr,
                            .item = index,
                            .n_sources = item->n_sources,
                            .sources = item->sources};
}

int wfs_binding_compare(const struct wfs_cap *cap, const struct wfs_binding *x,
                        const struct wfs_binding *y)
{
    if (!x->set || !y->set)
        return x->set - y->set;
    if (cap->kind == WFS_CAP_INT || cap->kind == WFS_CAP_ALT)
        return (x->i > y->i) - (x->i < y->i);
    if (x->is_number || y->is_number)
        return x->is_number && y->is_number ? (x->i > y->i) - (x->i < y->i)
                                            : y->is_number - x->is_number;
    uint32_t min = x->len < y->len ? x->len : y->len;
    int c = min ? memcmp(x->s, y->s, min) : 0;
    return c ? c : (x->len > y->len) - (x->len < y->len);
}

bool wfs_same_expr(const struct wfs_expr *a, const struct wfs_expr *b)
{
    if (a->dtype != b->dtype || !wfs_shape_equal(a->ndim, a->shape, b->ndim, b->shape))
        return false;
    struct wfs_hash x = wfs_expr_hash(a), y = wfs_expr_hash(b);
    return memcmp(&x, &y, sizeof(x)) == 0;
}
