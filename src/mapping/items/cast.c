/*
 * cast.c - the last step: -o dtype=.
 */
#include "mapping/items/cast.h"

#include <string.h>

static bool one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, list[i]) == 0)
            return true;
    return false;
}

/* A problem until the index's statistics prove that no finite value leaves the type's range
 * (wfs_prove_casts), or the user accepts it. */
static int report_narrowed(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                           const struct wfs_item *item, const struct wfs_expr *before,
                           enum wfs_dtype to)
{
    struct wfs_narrowing *narrowing = wfs_arena_alloc(mapper->arena, sizeof(*narrowing));
    if (!narrowing)
        return wfs_error_nomem(sink->err, "mapping");
    *narrowing = (struct wfs_narrowing){before, to, item->n_sources, item->sources};
    wfs_report(
        sink, WFS_NARROWED, item->path,
        "%s -> %s by dtype=%s: values beyond %g would become infinite, and nothing proves that "
        "there are none; `weightfs norms` puts the proof into the index, -o narrow accepts it",
        wfs_dtype_info(before->dtype)->name, wfs_dtype_info(to)->name, mapper->options->dtype,
        wfs_dtype_max(to));
    if (!sink->failed && sink->n_entries)
        sink->entries[sink->n_entries - 1].narrowing = narrowing;
    return 0;
}

static int cast_one(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_item *item,
                    enum wfs_dtype to)
{
    struct wfs_elem_op op = {.kind = WFS_ELEM_CAST, .dtype = to};
    const struct wfs_expr *before = item->expr;
    enum wfs_dtype from = before->dtype;
    const char *to_name = wfs_dtype_info(to)->name;
    int r = wfs_expr_elementwise(mapper->arena, item->expr, &op, &item->expr, sink->err);
    if (r)
        return r;
    item->operations = wfs_arena_printf(mapper->arena, "%s%scast(%s)", item->operations,
                                        item->operations[0] ? " " : "", to_name);
    if (!item->operations)
        return wfs_error_nomem(sink->err, "mapping");
    bool exact = wfs_convert_is_exact(from, to);
    if (wfs_convert_narrows(from, to) && !mapper->options->narrow)
        return report_narrowed(mapper, sink, item, before, to);
    wfs_report(sink, exact ? WFS_DTYPE_CHANGED : WFS_INEXACT, item->path, "%s -> %s by dtype=%s%s",
               wfs_dtype_info(from)->name, to_name, mapper->options->dtype,
               exact ? "" : ": values are rounded");
    return 0;
}

int wfs_cast(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items)
{
    static const char *const names[] = {"float32", "float16", "bfloat16"};
    const char *name = mapper->options->dtype;
    enum wfs_dtype to;
    if (!name || strcmp(name, "keep") == 0)
        return 0;
    if (!one_of(name, names, WFS_ARRAY_SIZE(names)) || !wfs_dtype_by_name(name, &to))
        return wfs_error_set(sink->err, EINVAL,
                             "dtype=%s: expected keep, float32, float16 or bfloat16", name);
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        bool casts = wfs_dtype_is_float(item->expr->dtype) && item->expr->dtype != to;
        int r = casts && item->status != WFS_PACKED ? cast_one(mapper, sink, item, to) : 0;
        if (r)
            return r;
    }
    return 0;
}
