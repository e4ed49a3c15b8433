/*
 * items.c - the first and last steps around the sets: the catalog as items, wrapper components
 * taken out, packed modules marked, floating types cast.
 */
#include <stdlib.h>
#include <string.h>

#include "mapping/stage.h"

/* ---- loading ------------------------------------------------------------------------------- */

/* The tree that views map: the chosen root, or all. */
static const char *chosen_root(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        if (catalog->roots[i].is_chosen && !catalog->roots[i].is_whole)
            return catalog->roots[i].path;
    return "";
}

/* Roots of which none is chosen: two trees of the same names and shapes, and no -o root=. */
static int check_choice(const struct wfs_catalog *catalog, struct wfs_error *err)
{
    for (uint32_t i = 0; i < catalog->n_roots; i++)
        if (catalog->roots[i].is_chosen)
            return 0;
    if (catalog->n_roots == 0)
        return 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf names = {0};
    for (uint32_t i = 0; i < catalog->n_roots; i++) {
        if (catalog->roots[i].is_whole)
            continue;
        wfs_buf_str(&names, names.len ? " or root=" : "root=");
        wfs_path_join(&names, catalog->roots[i].path, '.');
    }
    return wfs_error_set(err, EINVAL,
                         "%s: several trees of the same names and shapes: choose the one to map "
                         "with -o %s, or root=. for the whole",
                         catalog->source, wfs_buf_ok(&names) && names.len ? names.data : "root=");
}

/* Skips the root's components; NULL where the path is not inside. */
static const char *inside(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (len == 0)
        return path;
    return strncmp(path, root, len) == 0 && path[len] == WFS_SEP ? path + len + 1 : NULL;
}

static bool has_statistics(const struct wfs_catalog *catalog, const char *root)
{
    for (uint32_t i = 0; i < catalog->n_tensors; i++)
        if (wfs_path_is_statistics_of(catalog->tensors[i].path, root))
            return true;
    return false;
}

/* With statistics the names begin with the two collections' own, as they do where these are all
 * there is. */
static const char *item_path(const char *path, const char *root, bool with_statistics)
{
    const char *sep = strrchr(root, WFS_SEP);
    if (!with_statistics)
        return inside(path, root);
    if (!inside(path, root) && !wfs_path_is_statistics_of(path, root))
        return NULL;
    return path + (sep ? sep + 1 - root : 0);
}

int wfs_items_load(struct wfs_mapper *mapper, struct wfs_table *ret)
{
    const struct wfs_catalog *catalog = mapper->catalog;
    const char *root = chosen_root(catalog);
    bool with_statistics = has_statistics(catalog, root);
    uint32_t *sources = wfs_arena_array(mapper->arena, catalog->n_tensors + 1, sizeof(*sources));
    bool *tied = wfs_arena_array(mapper->arena, catalog->n_tensors + 1, sizeof(*tied));
    if (!sources || !tied)
        return wfs_error_nomem(mapper->err, "mapping");
    if (check_choice(catalog, mapper->err))
        return -EINVAL;
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        uint32_t of = catalog->tensors[i].alias_of;
        sources[i] = i;
        if (of < catalog->n_tensors)
            tied[i] = tied[of] = true;
    }
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const struct wfs_tensor *t = &catalog->tensors[i];
        const char *path = item_path(t->path, root, with_statistics);
        if (!path)
            continue;
        struct wfs_item item = {
            .path = path,
            .expr = t->expr,
            .status = WFS_MAPPED,
            .packed = t->quantised != NULL,
            .tied = tied[i],
            .tie = !tied[i]                           ? WFS_NO_INDEX
                   : t->alias_of < catalog->n_tensors ? t->alias_of
                                                      : i,
            .n_sources = 1,
            .sources = &sources[i],
            .operations = "",
            .rule = "",
        };
        int r = wfs_table_add(ret, &item, mapper->err);
        if (r)
            return r;
    }
    return 0;
}

/* ---- wrappers ------------------------------------------------------------------------------ */

static const char *const wrappers[] = {"_orig_mod", "_fsdp_wrapped_module",
                                       "_checkpoint_wrapped_module", "_forward_module"};

static bool is_wrapper(const char *s, size_t len)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(wrappers); i++)
        if (strlen(wrappers[i]) == len && memcmp(wrappers[i], s, len) == 0)
            return true;
    return false;
}

static bool has_wrapper(const char *path)
{
    if (!strchr(path, '_'))
        return false;
    for (const char *s = path, *end; *s; s = *end ? end + 1 : end) {
        end = strchrnul(s, WFS_SEP);
        if (*end && is_wrapper(s, (size_t)(end - s)))
            return true;
    }
    return false;
}

static const char *without_wrappers(struct wfs_arena *arena, const char *path)
{
    char *out = wfs_arena_alloc(arena, strlen(path) + 1), *to = out;
    if (!out)
        return NULL;
    for (const char *s = path, *end; *s; s = *end ? end + 1 : end) {
        end = strchrnul(s, WFS_SEP);
        size_t len = (size_t)(end - s) + (*end != 0);
        if (*end && is_wrapper(s, (size_t)(end - s)))
            continue;
        memcpy(to, s, len);
        to += len;
    }
    *to = 0;
    return out;
}

#define DDP "module" WFS_SEP_STR

/* DistributedDataParallel and AveragedModel: every name but n_averaged begins with `module`. */
static int unwrap_module(struct wfs_mapper *mapper, struct wfs_table *items)
{
    size_t n = 0, n_averaged = 0, kept = 0;
    for (size_t i = 0; i < items->n; i++) {
        n += strncmp(items->items[i].path, DDP, strlen(DDP)) == 0;
        n_averaged += strcmp(items->items[i].path, "n_averaged") == 0;
    }
    if (n == 0 || n + n_averaged != items->n)
        return 0;
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item item = items->items[i];
        if (strcmp(item.path, "n_averaged") == 0) {
            wfs_report(mapper, WFS_DROPPED, item.path, "a wrapper's counter");
            continue;
        }
        item.path += strlen(DDP);
        items->items[kept++] = item;
    }
    items->n = kept;
    wfs_report(mapper, WFS_RENAMED, "module", "taken out of the front of %zu names", n);
    return 0;
}

int wfs_unwrap(struct wfs_mapper *mapper, struct wfs_table *items)
{
    size_t n = 0;
    for (size_t i = 0; i < items->n; i++) {
        if (!has_wrapper(items->items[i].path))
            continue;
        const char *path = without_wrappers(mapper->arena, items->items[i].path);
        if (!path)
            return wfs_error_nomem(mapper->err, "names");
        if (n++ == 0)
            wfs_report(mapper, WFS_RENAMED, items->items[i].path,
                       "wrapper components taken out: "
                       "%s, and so on",
                       wfs_dotted(mapper->arena, path));
        items->items[i].path = path;
    }
    if (n)
        wfs_report(mapper, WFS_NOTE, "", "wrapper components taken out of %zu names", n);
    return unwrap_module(mapper, items);
}

/* ---- packed weights ------------------------------------------------------------------------ */

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

static int add_module(struct wfs_mapper *mapper, struct wfs_strmap *modules, const char *path,
                      size_t len)
{
    const char *module = wfs_arena_strndup(mapper->arena, path, len);
    if (!module || wfs_strmap_set(modules, module, 1))
        return wfs_error_nomem(mapper->err, "names");
    return 0;
}

static int find_modules(struct wfs_mapper *mapper, struct wfs_table *items,
                        struct wfs_strmap *modules)
{
    for (size_t i = 0; i < items->n; i++) {
        const char *path = items->items[i].path;
        size_t len;
        int r = 0;
        if (packed_module(path, &len))
            r = add_module(mapper, modules, path, len);
        else if (items->items[i].packed || packed_by_type(mapper, &items->items[i]))
            r = add_module(mapper, modules, path, parent_len(path, strlen(path)));
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

int wfs_mark_packed(struct wfs_mapper *mapper, struct wfs_table *items)
{
    struct wfs_strmap modules = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf scratch = {0};
    size_t n = 0;
    int r = find_modules(mapper, items, &modules);
    for (size_t i = 0; !r && modules.n && i < items->n; i++) {
        items->items[i].packed |= in_modules(&modules, items->items[i].path, &scratch);
        n += items->items[i].packed;
    }
    if (!r && n)
        wfs_report(mapper, WFS_NOTE, "",
                   "%zu tensors of %zu packed or scaled modules keep their "
                   "names and bytes",
                   n, modules.n);
    wfs_strmap_free(&modules);
    return r;
}

/* ---- casts --------------------------------------------------------------------------------- */

static int cast_one(struct wfs_mapper *mapper, struct wfs_item *item, enum wfs_dtype to)
{
    struct wfs_elem_op op = {.kind = WFS_ELEM_CAST, .dtype = to};
    enum wfs_dtype from = item->expr->dtype;
    const char *to_name = wfs_dtype_info(to)->name;
    int r = wfs_expr_elementwise(mapper->arena, item->expr, &op, &item->expr, mapper->err);
    if (r)
        return r;
    item->operations = wfs_arena_printf(mapper->arena, "%s%scast(%s)", item->operations,
                                        item->operations[0] ? " " : "", to_name);
    if (!item->operations)
        return wfs_error_nomem(mapper->err, "mapping");
    bool exact = wfs_convert_is_exact(from, to);
    wfs_report(mapper, exact ? WFS_DTYPE_CHANGED : WFS_INEXACT, item->path,
               "%s -> %s by dtype=%s%s", wfs_dtype_info(from)->name, to_name,
               mapper->options->dtype, exact ? "" : ": values are rounded");
    return 0;
}

int wfs_cast(struct wfs_mapper *mapper, struct wfs_table *items)
{
    static const char *const names[] = {"float32", "float16", "bfloat16"};
    const char *name = mapper->options->dtype;
    enum wfs_dtype to;
    if (!name || strcmp(name, "keep") == 0)
        return 0;
    if (!one_of(name, names, WFS_ARRAY_SIZE(names)) || !wfs_dtype_by_name(name, &to))
        return wfs_error_set(mapper->err, EINVAL,
                             "dtype=%s: expected keep, float32, float16 or bfloat16", name);
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        bool casts = wfs_dtype_is_float(item->expr->dtype) && item->expr->dtype != to;
        int r = casts && item->status != WFS_PACKED ? cast_one(mapper, item, to) : 0;
        if (r)
            return r;
    }
    return 0;
}
