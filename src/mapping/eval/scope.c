/*
 * scope.c - the tensor at hand, and what it says of itself.
 */
#include "mapping/eval/scope.h"

#include <string.h>

#include "mapping/items/convolution.h"
#include "mapping/roles/names.h"

struct wfs_scope wfs_item_scope(const struct wfs_run *run, const struct wfs_match *match,
                                const struct wfs_item *item)
{
    return (struct wfs_scope){.run = *run,
                              .match = match,
                              .item = item,
                              .expr = item ? item->expr : NULL,
                              .subject = item ? item->path : NULL};
}

struct wfs_scope wfs_val_scope(const struct wfs_run *run, const struct wfs_val *val)
{
    const struct wfs_item *item =
        val->item == WFS_NO_INDEX ? NULL : &run->world->items->items[val->item];
    return (struct wfs_scope){.run = *run,
                              .match = &val->m,
                              .item = item,
                              .expr = val->expr,
                              .subject = item ? item->path : NULL};
}

static struct wfs_value text(const char *s)
{
    return s ? wfs_value_str(s, strlen(s), false) : wfs_value_none();
}

struct wfs_value wfs_scope_value(const struct wfs_scope *scope, enum wfs_vexpr_kind kind)
{
    const struct wfs_item *item = scope->item;
    const struct wfs_expr *expr = scope->expr;
    switch (kind) {
    case WFS_V_RANK:
        return expr ? wfs_value_int(expr->ndim) : wfs_value_none();
    case WFS_V_DTYPE:
        return text(expr ? wfs_dtype_info(expr->dtype)->name : NULL);
    case WFS_V_NAME:
        return item ? wfs_value_str(item->path, strlen(item->path), true) : wfs_value_none();
    case WFS_V_TIED:
        return wfs_value_bool(item && item->tied);
    case WFS_V_PACKED:
        return wfs_value_bool(item && item->packed);
    case WFS_V_CONVOLUTION:
        return text(item ? wfs_convolution_name(item) : NULL);
    case WFS_V_ROLE:
        return text(item ? wfs_role_name(item->role) : NULL);
    case WFS_V_CHANNELS:
        return item && item->channels ? wfs_value_int((int64_t)item->channels) : wfs_value_none();
    default:
        return wfs_value_none();
    }
}
