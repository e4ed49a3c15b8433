/*
 * scheme.c - what the schemes of quantisation share.
 */
#include "mapping/schemes/scheme.h"

#include <string.h>

/* ---- names --------------------------------------------------------------------------------- */

const char *wfs_scheme_parent(const struct wfs_dequant *d, const char *path, unsigned n)
{
    size_t len = strlen(path);
    for (; n > 0; n--) {
        const char *sep = len ? memrchr(path, WFS_SEP, len) : NULL;
        len = sep ? (size_t)(sep - path) : 0;
    }
    return wfs_arena_strndup(d->mapper->arena, path, len);
}

const char *wfs_scheme_last(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    return sep ? sep + 1 : path;
}

/* "module" SEP "name", or the name alone below no module. */
static const char *join(const struct wfs_dequant *d, const char *module, const char *name)
{
    const char *path = wfs_arena_printf(d->mapper->arena, "%s%s%s", module,
                                        module[0] && name[0] ? WFS_SEP_STR : "", name);
    if (!path)
        wfs_error_nomem(d->err, "names");
    return path;
}

const struct wfs_item *wfs_scheme_find(const struct wfs_dequant *d, const char *module,
                                       const char *name)
{
    const char *path = join(d, module, name);
    uint64_t at;
    if (!path || !wfs_strmap_get(&d->index, path, &at) || d->taken[at])
        return NULL;
    return &d->in->items[at];
}

int wfs_scheme_need(const struct wfs_dequant *d, const char *module, const char *name,
                    const struct wfs_item **ret)
{
    *ret = wfs_scheme_find(d, module, name);
    if (*ret)
        return 0;
    return wfs_error_set(d->err, EINVAL, "%s: there is no %s beside its codes", d->scheme, name);
}

/* ---- configuration ------------------------------------------------------------------------- */

struct wfs_value wfs_scheme_config(const struct wfs_dequant *d, const char *key)
{
    static const char *const places[] = {"quantization_config", "text_config.quantization_config",
                                         "compression_config", "quantization"};
    struct wfs_value value = {.kind = WFS_VALUE_NONE};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(places) && value.kind == WFS_VALUE_NONE; i++) {
        const char *path = wfs_arena_printf(d->mapper->arena, "%s.%s", places[i], key);
        if (path)
            value = wfs_config_get(d->mapper->config, path);
    }
    return value;
}

int wfs_scheme_config_int(const struct wfs_dequant *d, const char *key, uint64_t max,
                          uint64_t missing, uint64_t *ret)
{
    struct wfs_value value = wfs_scheme_config(d, key);
    *ret = value.kind == WFS_VALUE_INT ? (uint64_t)value.i : missing;
    if (value.kind == WFS_VALUE_NONE || (value.kind == WFS_VALUE_INT && value.i > 0 && *ret <= max))
        return 0;
    return wfs_error_set(d->err, EINVAL,
                         "%s: quantization_config.%s of %s is no number from 1 to %llu", d->scheme,
                         key, wfs_config_name(d->mapper->config), (unsigned long long)max);
}

bool wfs_scheme_config_is(const struct wfs_dequant *d, const char *key, const char *value)
{
    struct wfs_value v = wfs_scheme_config(d, key);
    return v.kind == WFS_VALUE_STR && v.len == strlen(value) && memcmp(v.s, value, v.len) == 0;
}

/* "bfloat16" of a config, also as "torch.bfloat16". */
static bool dtype_named(struct wfs_value v, enum wfs_dtype *ret)
{
    char name[32];
    if (v.kind != WFS_VALUE_STR || v.len >= sizeof(name))
        return false;
    memcpy(name, v.s, v.len);
    name[v.len] = 0;
    const char *plain = strncmp(name, "torch.", 6) == 0 ? name + 6 : name;
    return wfs_dtype_by_name(plain, ret) &&
           (*ret == WFS_F32 || *ret == WFS_F16 || *ret == WFS_BF16);
}

enum wfs_dtype wfs_scheme_open_dtype(const struct wfs_dequant *d)
{
    static const char *const keys[] = {"dtype", "torch_dtype", "text_config.dtype",
                                       "text_config.torch_dtype"};
    const char *wanted = d->mapper->options->dtype;
    enum wfs_dtype dtype;
    if (wanted && strcmp(wanted, "keep") != 0)
        return WFS_F32;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(keys); i++)
        if (dtype_named(wfs_config_get(d->mapper->config, keys[i]), &dtype))
            return dtype;
    return WFS_BF16;
}

/* ---- descriptions that are tensors --------------------------------------------------------- */

int wfs_scheme_read_ints(const struct wfs_dequant *d, const struct wfs_item *item, uint32_t n,
                         int64_t *ret)
{
    uint8_t raw[8 * 8];
    const struct wfs_expr *e = item->expr;
    enum wfs_dtype_kind kind = wfs_dtype_info(e->dtype)->kind;
    if (n > 8 || e->n_elems != n || (kind != WFS_KIND_INT && kind != WFS_KIND_UINT) ||
        wfs_dtype_bits(e->dtype) < 8)
        return wfs_error_set(d->err, EINVAL, "%s: %s is no list of %u integers", d->scheme,
                             wfs_dotted(d->mapper->arena, item->path), n);
    int r = wfs_expr_read(e, raw, e->size_bytes, 0, d->err);
    return r ? r : wfs_convert(e->dtype, raw, WFS_I64, ret, n, d->err);
}

int wfs_scheme_read_text(const struct wfs_dequant *d, const struct wfs_item *item, const char **ret)
{
    const struct wfs_expr *e = item->expr;
    if (e->dtype != WFS_U8 || e->size_bytes > WFS_SCHEME_MAX_TEXT)
        return wfs_error_set(d->err, EINVAL, "%s: %s is no text of at most %d bytes", d->scheme,
                             wfs_dotted(d->mapper->arena, item->path), WFS_SCHEME_MAX_TEXT);
    char *text = wfs_arena_alloc(d->mapper->arena, e->size_bytes + 1);
    if (!text)
        return wfs_error_nomem(d->err, "names");
    *ret = text;
    return wfs_expr_read(e, text, e->size_bytes, 0, d->err);
}

/* ---- results ------------------------------------------------------------------------------- */

static size_t number_of(const struct wfs_dequant *d, const struct wfs_item *item)
{
    return (size_t)(item - d->in->items);
}

/* All sources of the parts. */
static int join_sources(const struct wfs_dequant *d, uint32_t n_parts,
                        const struct wfs_item *const *parts, struct wfs_item *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_parts; i++)
        n += parts[i]->n_sources;
    uint32_t *sources = wfs_arena_array(d->mapper->arena, n + 1, sizeof(*sources));
    if (!sources)
        return wfs_error_nomem(d->err, "mapping");
    ret->sources = sources;
    ret->n_sources = n;
    for (uint32_t i = 0; i < n_parts; i++)
        for (uint32_t k = 0; k < parts[i]->n_sources; k++)
            *sources++ = parts[i]->sources[k];
    return 0;
}

int wfs_scheme_emit(struct wfs_dequant *d, const char *module, const char *name,
                    const struct wfs_expr *expr, uint32_t n_parts,
                    const struct wfs_item *const *parts)
{
    struct wfs_item item = *parts[0];
    item.path = join(d, module, name);
    item.expr = expr;
    item.packed = false;
    item.status = WFS_MAPPED;
    item.rule = "dequantized";
    item.operations = wfs_arena_printf(d->mapper->arena, "dequantize(%s)", d->scheme);
    if (!item.path || !item.operations)
        return wfs_error_nomem(d->err, "mapping");
    int r = join_sources(d, n_parts, parts, &item);
    if (!r)
        r = wfs_table_add(d->out, &item, d->err);
    for (uint32_t i = 0; !r && i < n_parts; i++)
        d->taken[number_of(d, parts[i])] = true;
    return r;
}

void wfs_scheme_leave_out(struct wfs_dequant *d, const char *module, const char *name)
{
    const struct wfs_item *item = wfs_scheme_find(d, module, name);
    if (item)
        d->taken[number_of(d, item)] = true;
}

/* ---- formulas ------------------------------------------------------------------------------ */

static void add_step(struct wfs_recipe *recipe, struct wfs_formula_step step)
{
    if (recipe->formula.n_steps < WFS_ARRAY_SIZE(recipe->steps))
        recipe->steps[recipe->formula.n_steps] = step;
    recipe->formula.n_steps++; /* beyond the end: wfs_recipe_make refuses it */
}

void wfs_recipe_input(struct wfs_recipe *recipe, const struct wfs_expr *in)
{
    struct wfs_formula *f = &recipe->formula;
    if (f->n_inputs < WFS_FORMULA_MAX_INPUTS)
        f->inputs[f->n_inputs] = in;
    add_step(recipe, (struct wfs_formula_step){.kind = WFS_FORMULA_INPUT, .at = f->n_inputs++});
}

void wfs_recipe_const(struct wfs_recipe *recipe, float value)
{
    add_step(recipe, (struct wfs_formula_step){.kind = WFS_FORMULA_CONST, .value = value});
}

void wfs_recipe_lookup(struct wfs_recipe *recipe, const struct wfs_expr *table)
{
    struct wfs_formula *f = &recipe->formula;
    if (f->n_tables < WFS_ARRAY_SIZE(f->tables))
        f->tables[f->n_tables] = table;
    add_step(recipe, (struct wfs_formula_step){.kind = WFS_FORMULA_LOOKUP, .at = f->n_tables++});
}

void wfs_recipe_do(struct wfs_recipe *recipe, enum wfs_formula_kind kind)
{
    add_step(recipe, (struct wfs_formula_step){.kind = kind});
}

void wfs_recipe_round(struct wfs_recipe *recipe, enum wfs_dtype dtype)
{
    if (wfs_dtype_bits(dtype) == 16)
        add_step(recipe, (struct wfs_formula_step){.kind = WFS_FORMULA_ROUND, .dtype = dtype});
}

int wfs_recipe_make(const struct wfs_dequant *d, struct wfs_recipe *recipe, enum wfs_dtype dtype,
                    const struct wfs_expr **ret)
{
    recipe->formula.name = d->scheme;
    recipe->formula.dtype = dtype;
    recipe->formula.steps = recipe->steps;
    if (recipe->formula.n_steps > WFS_ARRAY_SIZE(recipe->steps))
        return wfs_error_set(d->err, E2BIG, "%s: its formula is too long", d->scheme);
    return wfs_expr_formula(d->mapper->arena, &recipe->formula, ret, d->err);
}
