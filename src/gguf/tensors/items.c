/*
 * items.c - see items.h.
 */
#include "gguf/tensors/items.h"

#include <stdlib.h>
#include <string.h>

int wfs_gguf_layer(const char *name)
{
    int layer;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : -1;
}

uint32_t wfs_gguf_n_dims(const struct wfs_expr *expr)
{
    uint32_t first = 0;
    while (first + 1 < expr->ndim && expr->shape[first] == 1)
        first++;
    return expr->ndim ? expr->ndim - first : 1;
}

bool wfs_gguf_ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

static int compare(const void *pa, const void *pb)
{
    const struct wfs_gguf_item *a = pa, *b = pb;
    int x = wfs_gguf_layer(a->name), y = wfs_gguf_layer(b->name);
    return x != y ? (x < y ? -1 : 1) : strcmp(a->name, b->name);
}

void wfs_gguf_sort_by_layer(struct wfs_gguf_item *items, uint32_t n)
{
    if (n)
        qsort(items, n, sizeof(*items), compare);
}

static int cast(struct wfs_arena *arena, const struct wfs_expr **expr, enum wfs_dtype dtype,
                struct wfs_error *err)
{
    const struct wfs_elem_op op = {.kind = WFS_ELEM_CAST, .dtype = dtype};
    return (*expr)->dtype == dtype ? 0 : wfs_expr_elementwise(arena, *expr, &op, expr, err);
}

/* float64 is rounded twice, as the converter does, which holds values as float32. */
static int encode(struct wfs_arena *arena, struct wfs_gguf_item *item, struct wfs_error *err)
{
    int r = 0;
    if (wfs_dtype_is_block(item->dtype))
        return wfs_expr_encode(arena, item->expr, item->dtype, &item->expr, err);
    if (item->expr->dtype == WFS_F64)
        r = cast(arena, &item->expr, WFS_F32, err);
    return r ? r : cast(arena, &item->expr, item->dtype, err);
}

int wfs_gguf_item_encode(struct wfs_arena *arena, struct wfs_gguf_item *item, struct wfs_error *err)
{
    enum wfs_dtype from = item->expr->dtype;
    if (from == item->dtype)
        return 0;
    if (!wfs_dtype_is_float(from))
        return wfs_error_set(err, ENOTSUP, "%s: its elements are %s, which become no %s",
                             item->name, wfs_dtype_info(from)->name,
                             wfs_dtype_info(item->dtype)->name);
    int r = encode(arena, item, err);
    return r ? wfs_error_prefix(err, "%s", item->name) : 0;
}
