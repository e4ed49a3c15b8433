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

/* Says that numbers beside it are multiples of something: scale, weight_scale, scale_weight,
 * scale_input, kernel_scale, zero_point ... Plain models use such words too (a norm's `scale`, a
 * `logit_scale`), so they mark a module only where it holds a weight of 8 bits or less. */
static bool scales_something(const char *last)
{
    static const char *const words[] = {"scale", "scb", "zero_point", "zeropoint", "amax"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++)
        if (strcasestr(last, words[i]))
            return true;
    return false;
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

static const char *last_component(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    return sep ? sep + 1 : path;
}

/* Numbers that a scale may belong to. */
static bool is_narrow(const struct wfs_item *item)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(item->expr->dtype);
    return item->expr->ndim >= 1 && info->bits <= 8 && info->kind != WFS_KIND_BOOL &&
           !scales_something(last_component(item->path));
}

/* The module that a scale of this path speaks of: the one that it lies in, without quantisers of
 * its own (q_proj.weight_quantizer._scale). */
static size_t scaled_module_len(const char *path)
{
    size_t len = parent_len(path, strlen(path));
    for (size_t parent = parent_len(path, len); len; parent = parent_len(path, len)) {
        size_t from = parent ? parent + 1 : 0;
        if (!memmem(path + from, len - from, "quant", 5))
            break;
        len = parent;
    }
    return len;
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

/* Adds the modules of `narrow` (those that hold a narrow weight) that a scale lies in. */
static int add_scaled(const struct wfs_mapper *mapper, struct wfs_error *err,
                      const struct wfs_table *items, const struct wfs_strmap *narrow,
                      struct wfs_strmap *modules)
{
    for (size_t i = 0; i < items->n; i++) {
        const char *path = items->items[i].path;
        if (!scales_something(last_component(path)))
            continue;
        size_t len = scaled_module_len(path);
        const char *module = wfs_arena_strndup(mapper->arena, path, len);
        if (!module)
            return wfs_error_nomem(err, "names");
        int r =
            wfs_strmap_get(narrow, module, NULL) ? add_module(mapper, err, modules, path, len) : 0;
        if (r)
            return r;
    }
    return 0;
}

/* Narrow weights with a scale beside them, whatever the model's config says or if there is none:
 * the weight without its scale is other numbers. */
static int find_scaled(const struct wfs_mapper *mapper, struct wfs_error *err,
                       const struct wfs_table *items, struct wfs_strmap *modules)
{
    struct wfs_strmap narrow = {0};
    int r = 0;
    for (size_t i = 0; !r && i < items->n; i++) {
        const char *path = items->items[i].path;
        if (is_narrow(&items->items[i]))
            r = add_module(mapper, err, &narrow, path, parent_len(path, strlen(path)));
    }
    if (!r)
        r = add_scaled(mapper, err, items, &narrow, modules);
    wfs_strmap_free(&narrow);
    return r;
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
    int r = find_modules(mapper, sink->err, items, &modules);
    if (!r)
        r = find_scaled(mapper, sink->err, items, &modules);
    for (size_t i = 0; !r && modules.n && i < items->n; i++)
        items->items[i].packed |= in_modules(&modules, items->items[i].path, &scratch);
    wfs_strmap_free(&modules);
    return r;
}

void wfs_packed_text(const struct wfs_table *items, struct wfs_buf *out)
{
    const struct wfs_item *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++) {
        first = first || !items->items[i].packed ? first : &items->items[i];
        n += items->items[i].packed;
    }
    if (!first)
        return;
    wfs_buf_printf(out, "%zu of %zu tensors are packed (", n, items->n);
    wfs_path_join(out, first->path, '.');
    wfs_buf_printf(out, " is %s)", wfs_dtype_info(first->expr->dtype)->name);
}

void wfs_report_packed(struct wfs_sink *sink, const struct wfs_table *items)
{
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++)
        n += items->items[i].packed;
    if (n)
        wfs_report(sink, WFS_NOTE, "",
                   "%zu tensors of packed or scaled modules keep their names and bytes", n);
}
