/*
 * bitsandbytes.c - bitsandbytes' 4-bit and 8-bit weights. Formulas: functional.py and its kernels,
 * 0.50 (dequantize_4bit, int8_vectorwise_dequant), compared bit for bit.
 *
 * 4 bits: element i of the flattened weight is nibble i, the high one of a byte first; value =
 * cast(table[nibble] * absmax[i / blocksize], dtype), where absmax may be codes themselves (double
 * quantisation): table256[code] * nested_absmax[block / 256] + offset. Table, blocks, dtype and shape are in the
 * checkpoint, the latter as JSON in a tensor.
 * 8 bits: value = code * SCB[row] * (1 / 127), float32, two roundings.
 */
#include <jansson.h>
#include <string.h>

#include "mapping/schemes/layout.h"

/* ---- 4 bits -------------------------------------------------------------------------------- */

struct state {
    enum wfs_dtype dtype;
    uint64_t blocksize, nested_blocksize;
    float nested_offset;
    uint32_t ndim;
    uint64_t shape[8], n_elems;
};

#define STATE_PREFIX "bitsandbytes__"

static bool is_state(const struct wfs_dequant *d, const struct wfs_item *item)
{
    (void)d;
    return strncmp(wfs_scheme_last(item->path), STATE_PREFIX, strlen(STATE_PREFIX)) == 0;
}

static uint64_t positive(const json_t *json, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(json, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool read_shape(const json_t *shape, struct state *ret)
{
    ret->ndim = (uint32_t)json_array_size(shape);
    ret->n_elems = 1;
    if (ret->ndim == 0 || ret->ndim > WFS_ARRAY_SIZE(ret->shape))
        return false;
    for (uint32_t i = 0; i < ret->ndim; i++) {
        json_int_t n = json_integer_value(json_array_get(shape, i));
        ret->shape[i] = n > 0 ? (uint64_t)n : 0;
        if (n <= 0 || !wfs_mul_u64(ret->n_elems, ret->shape[i], &ret->n_elems))
            return false;
    }
    return true;
}

static bool read_state(const json_t *json, struct state *ret)
{
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    *ret = (struct state){.blocksize = positive(json, "blocksize"),
                          .nested_blocksize = positive(json, "nested_blocksize")};
    ret->nested_offset = (float)json_number_value(json_object_get(json, "nested_offset"));
    return ret->blocksize && dtype && wfs_dtype_by_name(dtype, &ret->dtype) &&
           wfs_dtype_is_float(ret->dtype) && wfs_dtype_bits(ret->dtype) >= 16 &&
           read_shape(json_object_get(json, "shape"), ret);
}

static int parse_state(const struct wfs_dequant *d, const struct wfs_item *item, struct state *ret)
{
    const char *text;
    int r = wfs_scheme_read_text(d, item, &text);
    if (r)
        return r;
    json_t *json = json_loadb(text, item->expr->size_bytes, 0, NULL);
    bool ok = json && read_state(json, ret);
    json_decref(json);
    if (ok)
        return 0;
    return wfs_error_set(d->err, EINVAL,
                         "%s: %s is no JSON with blocksize, dtype and shape of the weight",
                         d->scheme, wfs_dotted(d->mapper->arena, item->path));
}

/* The tensors of one weight. */
struct parts {
    const struct wfs_item *codes, *absmax, *map, *state, *nested_absmax, *nested_map;
};

static int find_parts(const struct wfs_dequant *d, const struct wfs_item *state, const char *weight,
                      struct parts *ret)
{
    *ret = (struct parts){.state = state};
    int r = wfs_scheme_need(d, weight, "", &ret->codes);
    if (!r)
        r = wfs_scheme_need(d, weight, "absmax", &ret->absmax);
    if (!r)
        r = wfs_scheme_need(d, weight, "quant_map", &ret->map);
    ret->nested_absmax = wfs_scheme_find(d, weight, "nested_absmax");
    ret->nested_map = wfs_scheme_find(d, weight, "nested_quant_map");
    return r;
}

/* float32, one for each block of the weight. */
static int absmax_of(const struct wfs_dequant *d, const struct parts *p, const struct state *s,
                     const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_expr *codes = p->absmax->expr, *nested;
    if (codes->dtype == WFS_F32) {
        *ret = codes;
        return 0;
    }
    if (!p->nested_absmax || !p->nested_map || !s->nested_blocksize || codes->ndim != 1)
        return wfs_error_set(
            d->err, EINVAL,
            "%s: absmax is quantised, but nested_absmax or nested_quant_map is missing", d->scheme);
    int r = wfs_layout_expand(d, p->nested_absmax->expr, 1, codes->shape, &s->nested_blocksize,
                              &nested);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_lookup(&recipe, p->nested_map->expr);
    wfs_recipe_input(&recipe, nested);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    wfs_recipe_const(&recipe, s->nested_offset);
    wfs_recipe_do(&recipe, WFS_FORMULA_ADD);
    return wfs_recipe_make(d, &recipe, WFS_F32, ret);
}

/* All elements in row-major order: the high nibble of each byte, then the low one. */
static int nibbles(const struct wfs_dequant *d, const struct wfs_expr *words, uint64_t n,
                   const struct wfs_expr **ret)
{
    struct wfs_arena *arena = d->mapper->arena;
    struct wfs_field_axis axis = {1, {{n / 2 + n % 2, 8}}};
    const struct wfs_expr *halves[2], *pairs;
    int r =
        words->size_bytes == n / 2 + n % 2
            ? 0
            : wfs_error_set(d->err, EINVAL, "%s: %llu bytes of codes for %llu elements", d->scheme,
                            (unsigned long long)words->size_bytes, (unsigned long long)n);
    for (unsigned i = 0; !r && i < 2; i++)
        r = wfs_expr_fields(arena, words, WFS_U4_PACKED, WFS_U8, i ? 0 : 4, 1, &axis, &halves[i],
                            d->err);
    if (!r)
        r = wfs_expr_stack(arena, 2, halves, 1, &pairs, d->err);
    if (!r)
        r = wfs_expr_reshape(arena, pairs, 1, &pairs->n_elems, &pairs, d->err);
    if (!r && pairs->n_elems != n)
        r = wfs_expr_slice(arena, pairs, 0, 0, n, 1, &pairs, d->err);
    if (!r)
        *ret = pairs;
    return r;
}

static int values4(const struct wfs_dequant *d, const struct parts *p, const struct state *s,
                   const struct wfs_expr **ret)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_expr *codes, *absmax, *scales, *flat;
    int r = nibbles(d, p->codes->expr, s->n_elems, &codes);
    if (!r)
        r = absmax_of(d, p, s, &absmax);
    if (!r)
        r = wfs_layout_expand(d, absmax, 1, &s->n_elems, &s->blocksize, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes);
    wfs_recipe_lookup(&recipe, p->map->expr);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, s->dtype, &flat);
    return r ? r : wfs_expr_reshape(d->mapper->arena, flat, s->ndim, s->shape, ret, d->err);
}

static int decode4(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct parts p;
    struct state s;
    const struct wfs_expr *values;
    /* P.weight.quant_state.bitsandbytes__nf4 */
    const char *weight = wfs_scheme_parent(d, anchor->path, 2);
    if (!weight)
        return wfs_error_nomem(d->err, "names");
    int r = find_parts(d, anchor, weight, &p);
    if (!r)
        r = parse_state(d, anchor, &s);
    if (!r)
        r = values4(d, &p, &s, &values);
    if (r)
        return r;
    const struct wfs_item *parts[] = {p.codes, p.absmax,        p.map,
                                      p.state, p.nested_absmax, p.nested_map};
    return wfs_scheme_emit(d, weight, "", values, p.nested_absmax ? 6 : 4, parts);
}

const struct wfs_scheme wfs_scheme_bnb4 = {"bitsandbytes 4-bit", is_state, decode4};

/* ---- 8 bits -------------------------------------------------------------------------------- */

static bool is_scb(const struct wfs_dequant *d, const struct wfs_item *item)
{
    (void)d;
    return strcmp(wfs_scheme_last(item->path), "SCB") == 0;
}

/* Rows as they are; the others are orders that kernels of GPUs want. */
static int check_format(const struct wfs_dequant *d, const struct wfs_item *format)
{
    int64_t number = 0;
    int r = format ? wfs_scheme_read_ints(d, format, 1, &number) : 0;
    if (!r && number != 0)
        r = wfs_error_set(d->err, ENOTSUP,
                          "%s: weight_format %lld is an order that kernels of a GPU want, no rows",
                          d->scheme, (long long)number);
    return r;
}

static int decode8(struct wfs_dequant *d, const struct wfs_item *anchor)
{
    struct wfs_recipe recipe = {0};
    const struct wfs_item *codes = NULL;
    const struct wfs_expr *scales, *values;
    const char *module = wfs_scheme_parent(d, anchor->path, 1);
    if (!module)
        return wfs_error_nomem(d->err, "names");
    int r = wfs_scheme_need(d, module, "weight", &codes);
    if (!r && codes->expr->dtype != WFS_I8)
        r = wfs_error_set(d->err, EINVAL, "%s: its codes are %s, no int8", d->scheme,
                          wfs_dtype_info(codes->expr->dtype)->name);
    if (!r)
        r = check_format(d, wfs_scheme_find(d, module, "weight_format"));
    if (!r)
        r = wfs_layout_spread(d, anchor->expr, codes->expr->ndim, codes->expr->shape, &scales);
    if (r)
        return r;
    wfs_recipe_input(&recipe, codes->expr);
    wfs_recipe_input(&recipe, scales);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    wfs_recipe_const(&recipe, 1.0f / 127.0f);
    wfs_recipe_do(&recipe, WFS_FORMULA_MUL);
    r = wfs_recipe_make(d, &recipe, WFS_F32, &values);
    if (r)
        return r;
    wfs_scheme_leave_out(d, module, "weight_format");
    return wfs_scheme_emit(d, module, "weight", values, 2,
                           (const struct wfs_item *[]){codes, anchor});
}

const struct wfs_scheme wfs_scheme_bnb8 = {"bitsandbytes 8-bit", is_scb, decode8};
