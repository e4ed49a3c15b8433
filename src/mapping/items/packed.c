/*
 * packed.c - modules whose weights are packed or scaled: told by the names beside the weight, or by
 * its type. Their numbers are not the model's, so no rule may lay them out anew.
 */
#include "mapping/items/packed.h"

#include <string.h>

static bool one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, list[i]) == 0)
            return true;
    return false;
}

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);
    return a >= b && strcmp(s + a - b, end) == 0;
}

/* Beside the packed weight, in its module. */
static bool marks_module(const char *last)
{
    static const char *const names[] = {"SCB",
                                        "qzeros",
                                        "qweight",
                                        "g_idx",
                                        "scales",
                                        "CB",
                                        "weight_format",
                                        "weight_shape",
                                        "qscales",
                                        "weight_packed",
                                        "weight_zero_point",
                                        "weight_global_scale",
                                        "input_scale",
                                        "input_global_scale"};
    return one_of(last, names, WFS_ARRAY_SIZE(names)) || ends_with(last, "_scales") ||
           strncmp(last, "weight_scale", 12) == 0;
}

/* Below the packed weight: q_proj.weight.absmax, q_proj.weight.quant_state.bitsandbytes__nf4 */
static bool marks_weight(const char *last)
{
    static const char *const names[] = {"absmax", "quant_map", "nested_absmax", "nested_quant_map"};
    return one_of(last, names, WFS_ARRAY_SIZE(names)) || strncmp(last, "quant_state", 11) == 0 ||
           strncmp(last, "bitsandbytes__", 14) == 0;
}

static size_t parent_len(const char *path, size_t len)
{
    const char *sep = len ? memrchr(path, WFS_SEP, len) : NULL;
    return sep ? (size_t)(sep - path) : 0;
}

/* The module's length within the path where this name marks one as packed. */
static bool packed_module(const char *path, size_t *ret_len)
{
    const char *sep = strrchr(path, WFS_SEP), *last = sep ? sep + 1 : path;
    size_t len = parent_len(path, strlen(path));
    if (marks_module(last)) {
        *ret_len = len;
        return true;
    }
    if (!marks_weight(last))
        return false;
    if (len >= 11 && memcmp(path + len - 11, "quant_state", 11) == 0)
        len = parent_len(path, len);
    *ret_len = parent_len(path, len);
    return true;
}

/* A weight whose numbers cannot be plain: opaque storage, or integers and float8 in a model whose
 * config speaks of quantisation. */
static bool packed_by_type(const struct wfs_mapper *mapper, const struct wfs_item *item)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(item->expr->dtype);
    if (info->kind == WFS_KIND_OPAQUE)
        return true;
    return item->expr->ndim >= 2 && info->bits <= 8 && info->kind != WFS_KIND_BOOL &&
           (wfs_config_has(mapper->config, "quantization_config") ||
            wfs_config_has(mapper->config, "text_config.quantization_config"));
}

static int add_module(const struct wfs_mapper *mapper, struct wfs_error *err,
                      struct wfs_strmap *modules, const char *path, size_t len)
{
    const char *module = wfs_arena_strndup(mapper->arena, path, len);
    if (!module || wfs_strmap_set(modules, module, 1))
        return wfs_error_nomem(err, "names");
    return 0;
}

static int find_modules(const struct wfs_mapper *mapper, struct wfs_error *err,
                        struct wfs_table *items, struct wfs_strmap *modules)
{
    for (size_t i = 0; i < items->n; i++) {
        const char *path = items->items[i].path;
        size_t len;
        int r = 0;
        if (packed_module(path, &len))
            r = add_module(mapper, err, modules, path, len);
        else if (items->items[i].packed || packed_by_type(mapper, &items->items[i]))
            r = add_module(mapper, err, modules, path, parent_len(path, strlen(path)));
        if (r)
            return r;
    }
    return 0;
}

/* Is the tensor in a packed module, or below its weight? */
static bool in_modules(const struct wfs_strmap *modules, const char *path, struct wfs_buf *scratch)
{
    size_t len = strlen(path);
    for (int up = 0; up < 3 && len; up++) {
        len = parent_len(path, len);
        scratch->len = 0;
        wfs_buf_add(scratch, path, len);
        wfs_buf_char(scratch, 0);
        if (wfs_buf_ok(scratch) && wfs_strmap_get(modules, scratch->data, NULL))
            return true;
    }
    return false;
}

int wfs_mark_packed(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items)
{
    struct wfs_strmap modules = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf scratch = {0};
    size_t n = 0;
    int r = find_modules(mapper, sink->err, items, &modules);
    for (size_t i = 0; !r && modules.n && i < items->n; i++) {
        items->items[i].packed |= in_modules(&modules, items->items[i].path, &scratch);
        n += items->items[i].packed;
    }
    if (!r && n)
        wfs_report(sink, WFS_NOTE, "",
                   "%zu tensors of %zu packed or scaled modules keep their "
                   "names and bytes",
                   n, modules.n);
    wfs_strmap_free(&modules);
    return r;
}
