/*
 * compressed.c - compressed-tensors (llm-compressor, vLLM): weight_packed or weight with weight_scale,
 * weight_zero_point, weight_shape, weight_global_scale. Formulas: compressed-tensors 0.20, compared bit
 * for bit; the config's groups say bits and blocks where shapes do not.
 *
 * Integers: x = q - zero, rounded in the scale's type T; x * scale in T. Codes and zero points are kept
 * as q + 2^(bits - 1), element i of a row at its bits * i, zero points the same down a column. nvfp4: T is open,
 * value = e2m1 * (float32(scale) / global). mxfp4, mxfp8: the scale is E8M0.
 */
#include <string.h>

#include "mapping/schemes/layout.h"

/* The tensors of one weight. */
struct module {
    const char *path;
    const struct wfs_item *codes, *scale, *zeros, *shape, *global;
    bool is_packed;
    uint64_t rows, columns;
    uint64_t bits;
};

static bool is_float8(enum wfs_dtype dtype)
{
    return dtype == WFS_F8_E4M3FN || dtype == WFS_F8_E5M2;
}

static bool is_anchor(const struct wfs_dequant *d, const struct wfs_item *item)
{
    const char *last = wfs_scheme_last(item->path);
    bool ours = d->method && strcmp(d->method, "compressed-tensors") == 0;
    if (strcmp(last, "weight_packed") == 0)
        return !d->method || ours;
    if (!ours || strcmp(last, "weight") != 0 ||
        (item->expr->dtype != WFS_I8 && !is_float8(item->expr->dtype)))
        return false;
    const char *module = wfs_scheme_parent(d, item->path, 1);
    return module && wfs_scheme_find(d, module, "weight_scale");
}

/* ---- what the config says ------------------------------------------------------------------ */

/* A key of the weights of the first group that has it. Groups may differ; a weight's own group is told
 * by its shapes, which are checked against what is taken. */
static struct wfs_value group_value(const struct wfs_dequant *d, const char *key)
{
    struct wfs_value value = {.kind = WFS_VALUE_NONE};
    for (int i = 0; i < 8 && value.kind == WFS_VALUE_NONE; i++) {
        const char *path =
            wfs_arena_printf(d->mapper->arena, "config_groups.group_%d.weights.%s", i, key);
        if (path)
            value = wfs_scheme_config(d, path);
    }
    return value;
}

static bool has_format(const struct wfs_dequant *d, const char *format)
{
    if (wfs_scheme_config_is(d, "format", format))
        return true;
    for (int i = 0; i < 8; i++) {
        const char *path = wfs_arena_printf(d->mapper->arena, "config_groups.group_%d.format", i);
        if (path && wfs_scheme_config_is(d, path, format))
            return true;
    }
    return false;
}

/* ---- the tensors --------------------------------------------------------------------------- */

static int find_module(const struct wfs_dequant *d, const struct wfs_item *anchor,
                       struct module *ret)
{
    *ret = (struct module){.codes = anchor, .path = wfs_scheme_parent(d, anchor->path, 1)};
    if (!ret->path)
        return wfs_error_nomem(d->err, "names");
    ret->is_packed = strcmp(wfs_scheme_last(anchor->path), "weight_packed") == 0;
    ret->zeros = wfs_scheme_find(d, ret->path, "weight_zero_point");
    ret->shape = wfs_scheme_find(d, ret->path, "weight_shape");
    ret->global = wfs_scheme_find(d, ret->path, "weight_global_scale");
    if (wfs_scheme_find(d, ret->path, "weight_g_idx"))
        return wfs_error_set(d->err, ENOTSUP,
                             "%s: groups in another order (weight_g_idx) are not known", d->scheme);
    int r = wfs_scheme_need(d, ret->path, "weight_scale", &ret->scale);
    if (!r && anchor->expr->ndim != 2)
        r = wfs_error_set(d->err, EINVAL, "%s: codes of %u axes, not 2", d->scheme,
                          anchor->expr->ndim);
    return r;
}

static int read_shape(const struct wfs_dequant *d, struct module *m)
{
    int64_t shape[2];
    int r = wfs_scheme_read_ints(d, m->shape, 2, shape);
    if (!r && (shape[0] <= 0 || shape[1] <= 0 || (uint64_t)shape[0] != m->codes->expr->shape[0]))
        r = wfs_error_set(d->err, EINVAL, "%s: weight_shape (%lld, %lld) is not that of %llu rows",
                          d->scheme, (long long)shape[0], (long long)shape[1],
                          (unsigned long long)m->codes->expr->shape[0]);
    if (r)
        return r;
    m->rows = (uint64_t)shape[0];
    m->columns = (uint64_t)shape[1];
    return 0;
}

/* The words of a row must be as many as codes of so many bits need. */
static int check_bits(const struct wfs_dequant *d, const struct module *m)
{
    uint64_t row_bits;
    if (m->bits >= 1 && m->bits <= 8 && wfs_mul_u64(m->columns, m->bits, &row_bits) &&
        m->codes->expr->shape[1] == row_bits / 32 + (row_bits % 32 != 0))
        return 0;
    return wfs_error_set(
        d->err, EINVAL,
        "%s: rows of %llu words do not hold %llu codes of %llu bits (num_bits of the config)",
        d->scheme, (unsigned long long)m->codes->expr->shape[1], (unsigned long long)m->columns,
        (unsigned long long)m->bits);
}

/* ---- integers ------------------------------------------------------------------------------ */

/* One scale for each group of columns, row, or all; or for blocks of both axes. */
static int expand(const struct wfs_dequant *d, const struct module *m, const struct wfs_expr *in,
                  const struct wfs_expr **ret)
{
    const uint64_t shape[] = {m->rows, m->columns};
    struct wfs_value rows = group_value(d, "block_structure.0");
    struct wfs_value columns = group_value(d, "block_structure.1");
    struct wfs_value group = group_value(d, "group_size");
    if (rows.kind == WFS_VALUE_INT && columns.kind == WFS_VALUE_INT && rows.i > 0 &&
        columns.i > 0 && in->n_elems > 1)
        return wfs_layout_expand(d, in, 2, shape,
                                 (const uint64_t[]){(uint64_t)rows.i, (uint64_t)columns.i}, ret);
    if (group.kind == WFS_VALUE_INT && group.i > 0 && in->ndim == 2 && in->shape[1] > 1)
        return wfs_layout_expand(d, in, 2, shape, (const uint64_t[]){1, (uint64_t)group.i}, ret);
    return wfs_layout_spread(d, in, 2, shape, ret);
}

/* (rows, groups): field i of column g at bits * i of that column's words. Fields that cross words lie
 * apart there, and are not known. */
static int packed_zeros(const struct wfs_dequant *d, const struct module *m,
                        const struct wfs_expr **ret)
{
    const struct wfs_expr *words = m->zeros->expr, *zeros;
    uint64_t per_word = 32 / m->bits;
    if (32 % m->bits != 0 || words->ndim != 2)
        return wfs_error_set(d->err, ENOTSUP, "%s: zero points of %llu bits are not known",
                             d->scheme, (unsigned long long)m->bits);
    const struct wfs_field_axis axes[] = {
        {2, {{words->shape[0], (int64_t)(words->shape[1] * 32)}, {per_word, (int64_t)m->bits}}},
        {1, {{words->shape[1], 32}}}};
    int r = wfs_expr_fields(d->mapper->arena, words, wfs_layout_field((uint32_t)m->bits), WFS_U8, 0,
                            2, axes, &zeros, d->err);
    if (!r && zeros->shape[0] < m->rows)
        r = wfs_error_set(d->err, EINVAL, "%s: weight_zero_point has fewer than %llu rows",
                          d->scheme, (unsigned long long)m->rows);
    return r ? r : wfs_expr_slice(d->mapper->arena, zeros, 0, 0, m->rows, 1, ret, d->err);
}

/* Pushes the zero points, less what they are kept with. */
static int push_zeros(const struct wfs_dequant *d, const struct module *m,
                      struct wfs_recipe *recipe)
{
    const struct wfs_expr *zeros = m->zeros->expr, *all;
    bool is_packed = m->is_packed && zeros->dtype == WFS_I32;
    int r = is_packed ? packed_zeros(d, m, &zeros) : 0;
    if (!r)
        r = expand(d, m, zeros, &all);
    if (r)
        return r;
    wfs_recipe_input(recipe, all);
    if (is_packed) {
        wfs_recipe_const(recipe, (float)(1u << (m->bits - 1)));
        wfs_recipe_do(recipe, WFS_FORMULA_SUB);
    }
    wfs_recipe_do(recipe, WFS_FORMULA_SUB);
    return 0;
}

/* (q - zero) * scale, in the scale's type. */
static int scaled(const struct wfs_dequant *d, const struct module *m, const struct wfs_expr *codes,
                  const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    enum wfs_dtype dtype = m->scale->expr->dtype;
    const struct wfs_expr *scales;
    int r = expand(d, m, m->scale->expr, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    if (m->is_packed) {
        wfs_recipe_const(&recipe, (float)(1u << (m->bits - 1)));
        wfs_recipe_do(&recipe, WFS_FORMULA_SUB);
    }
    r = m->zeros ? push_zeros(d, m, &recipe) : 0;
    if (r)
        return r;
    wfs_recipe_round(&recipe, dtype);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, dtype, ret);
}

static int integers(const struct wfs_dequant *d, struct module *m, const struct wfs_expr **ret)
{
    struct wfs_value bits = group_value(d, "num_bits");
    const struct wfs_expr *codes = m->codes->expr;
    m->rows = codes->shape[0];
    m->columns = codes->shape[1];
    m->bits = bits.kind == WFS_VALUE_INT && bits.i > 0 ? (uint64_t)bits.i : 0;
    int r = 0;
    if (m->is_packed) {
        if (!m->shape)
            return wfs_error_set(d->err, EINVAL, "%s: there is no weight_shape beside its codes",
                                 d->scheme);
        r = read_shape(d, m);
        if (!r)
            r = check_bits(d, m);
        if (!r)
            r = wfs_layout_dense(d, codes, wfs_layout_field((uint32_t)m->bits), WFS_U8, m->columns,
                                 &codes);
    }
    return r ? r : scaled(d, m, codes, ret);
}

/* ---- floats of 4 and 8 bits ---------------------------------------------------------------- */

static int nvfp4(const struct wfs_dequant *d, struct module *m, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_expr *codes, *scales, *global;
    int r = wfs_layout_dense(d, m->codes->expr, WFS_F4_E2M1, WFS_BF16, m->codes->expr->shape[1] * 2,
                             &codes);
    if (!r)
        r = wfs_layout_spread(d, m->scale->expr, 2, codes->shape, &scales);
    if (!r)
        r = wfs_layout_spread(d, m->global->expr, 2, codes->shape, &global);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_input(&recipe, global);
    wfs_recipe_do(&recipe, WFS_FORMULA_DIV);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, wfs_scheme_open_dtype(d), ret);
}

/* mxfp4 and mxfp8: powers of two. */
static int microscaled(const struct wfs_dequant *d, struct module *m, const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_expr *codes = m->codes->expr, *scale, *scales;
    int r = wfs_expr_bitcast(d->mapper->arena, m->scale->expr, WFS_F8_E8M0FNU, &scale, d->err);
    if (!r && m->is_packed)
        r = wfs_layout_dense(d, codes, WFS_F4_E2M1, WFS_BF16, codes->shape[1] * 2, &codes);
    if (!r)
        r = wfs_layout_spread(d, scale, 2, codes->shape, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    return wfs_recipe_make(d, &recipe, wfs_scheme_open_dtype(d), ret);
}

static int values_of(const struct wfs_dequant *d, struct module *m, const struct wfs_expr **ret)
{
    bool is_bytes = m->codes->expr->dtype == WFS_U8;
    if (m->scale->expr->dtype == WFS_U8 && (is_bytes || is_float8(m->codes->expr->dtype)))
        return microscaled(d, m, ret);
    if (is_bytes && m->is_packed && m->global && is_float8(m->scale->expr->dtype))
        return nvfp4(d, m, ret);
    if (m->is_packed && m->codes->expr->dtype == WFS_I32 && !has_format(d, "marlin-24"))
        return integers(d, m, ret);
    if (!m->is_packed)
        return integers(d, m, ret);
    return wfs_error_set(d->err, ENOTSUP, "%s: codes of %s with scales of %s are not known",
                         d->scheme, wfs_dtype_info(m->codes->expr->dtype)->name,
                         wfs_dtype_info(m->scale->expr->dtype)->name);
}

static int decode(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    static const char *const beside[] = {"input_scale", "input_global_scale", "input_zero_point"};
    struct module m;
    const struct wfs_expr *values;
    const struct wfs_item *parts[5];
    uint32_t n = 0;
    int r = find_module(d, anchor, &m);
    if (!r)
        r = values_of(d, &m, &values);
    if (r)
        return r;
    const struct wfs_item *const all[] = {m.codes, m.scale, m.zeros, m.shape, m.global};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(all); i++)
        if (all[i])
            parts[n++] = all[i];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(beside); i++)
        wfs_scheme_leave_out(d, m.path, beside[i]);
    return wfs_scheme_emit(d, m.path, "weight", values, n, parts);
}

const struct wfs_scheme wfs_scheme_compressed = {"compressed-tensors", is_anchor, decode};
