/*
 * schemes.c - the table of schemes, and one pass over a tree's items with it.
 */
#include "mapping/schemes/schemes.h"

#include <stdlib.h>
#include <string.h>

#include "rules/match.h"

#define ROW(row) &wfs_scheme_##row,
static const struct wfs_scheme *const table[] = {WFS_SCHEMES(ROW)};
#undef ROW

/* ---- the method ---------------------------------------------------------------------------- */

/* -o set=quant= first, then the config. */
static int find_method(struct wfs_dequant *d)
{
    struct wfs_value value;
    if (!wfs_config_get_set(d->mapper->config, "quant", &value))
        value = wfs_scheme_config(d, "quant_method");
    if (value.kind != WFS_VALUE_STR)
        return 0;
    d->method = wfs_arena_strndup(d->mapper->arena, value.s, value.len);
    return d->method ? 0 : wfs_error_nomem(d->sink->err, "config");
}

/* ---- one module ---------------------------------------------------------------------------- */

static const struct wfs_scheme *scheme_of(struct wfs_dequant *d, const struct wfs_item *item)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(table); i++) {
        d->scheme = table[i]->name;
        if (table[i]->is_anchor(d, item))
            return table[i];
    }
    return NULL;
}

static bool matches_any(const struct wfs_rule *rule, const struct wfs_split *split)
{
    for (uint32_t i = 0; i < rule->sources.n; i++) {
        struct wfs_match match = {0};
        if (wfs_name_match(rule->sources.part[i].name, rule->caps, split, &match))
            return true;
    }
    return false;
}

/* Does a rule that asks for `packed` match the name? */
static int reads_codes(const struct wfs_dequant *d, const struct wfs_set *set, const char *path,
                       bool *ret)
{
    struct wfs_split split;
    int r = wfs_split_path(d->mapper->arena, path, &split, d->sink->err);
    *ret = false;
    for (uint32_t i = 0; !r && !*ret && i < set->n_rules; i++)
        *ret = set->rules[i].takes_packed && matches_any(&set->rules[i], &split);
    return r;
}

/* A module that cannot be computed is a finding; out of memory is none. */
static int decode(struct wfs_dequant *d, const struct wfs_scheme *scheme,
                  const struct wfs_item *item)
{
    struct wfs_error err = {0};
    d->err = &err;
    d->scheme = scheme->name;
    int r = scheme->decode(d, item);
    d->err = d->sink->err;
    if (!r)
        return 0;
    if (r == -ENOMEM)
        return wfs_error_nomem(d->sink->err, "mapping");
    wfs_report(d->sink, WFS_AMBIGUOUS, item->path, "its values are not known: %s", err.message);
    return 0;
}

static int decode_all(struct wfs_dequant *d, const struct wfs_set *next, size_t *ret_n)
{
    int r = 0;
    for (size_t i = 0; !r && i < d->in->n; i++) {
        const struct wfs_item *item = &d->in->items[i];
        const struct wfs_scheme *scheme = d->taken[i] ? NULL : scheme_of(d, item);
        size_t before = d->out->n;
        bool is_kept = false;
        if (scheme)
            r = reads_codes(d, next, item->path, &is_kept);
        if (!r && scheme && !is_kept)
            r = decode(d, scheme, item);
        *ret_n += d->out->n - before;
    }
    return r;
}

/* ---- what is left -------------------------------------------------------------------------- */

static size_t parent_len(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    return sep ? (size_t)(sep - path) : 0;
}

/* The modules of the tensors that were taken: what else lies there (a bias) is plain. */
static int find_plain(const struct wfs_dequant *d, struct wfs_strmap *ret)
{
    for (size_t i = 0; i < d->in->n; i++) {
        const char *path = d->in->items[i].path;
        if (!d->taken[i])
            continue;
        const char *module = wfs_arena_strndup(d->mapper->arena, path, parent_len(path));
        if (!module || wfs_strmap_set(ret, module, 1))
            return wfs_error_nomem(d->sink->err, "names");
    }
    return 0;
}

static int keep_one(struct wfs_dequant *d, const struct wfs_item *item,
                    const struct wfs_strmap *plain)
{
    struct wfs_item kept = *item;
    const char *module = wfs_arena_strndup(d->mapper->arena, item->path, parent_len(item->path));
    if (!module)
        return wfs_error_nomem(d->sink->err, "names");
    if (kept.packed && wfs_strmap_get(plain, module, NULL) &&
        wfs_dtype_is_float(item->expr->dtype) && wfs_dtype_bits(item->expr->dtype) >= 16)
        kept.packed = false;
    return wfs_table_add(d->out, &kept, d->sink->err);
}

static int keep_rest(struct wfs_dequant *d, const struct wfs_strmap *plain)
{
    int r = 0;
    for (size_t i = 0; !r && i < d->in->n; i++)
        if (!d->taken[i])
            r = keep_one(d, &d->in->items[i], plain);
    return r;
}

/* ---- a tree -------------------------------------------------------------------------------- */

static int run(struct wfs_dequant *d, const struct wfs_set *next, struct wfs_strmap *plain,
               size_t *ret_n)
{
    int r = find_method(d);
    for (size_t i = 0; !r && i < d->in->n; i++)
        r = wfs_strmap_set(&d->index, d->in->items[i].path, i)
                ? wfs_error_nomem(d->sink->err, "names")
                : 0;
    if (!r)
        r = decode_all(d, next, ret_n);
    if (!r)
        r = find_plain(d, plain);
    if (!r)
        r = keep_rest(d, plain);
    if (!r && *ret_n)
        wfs_report(d->sink, WFS_NOTE, "",
                   "%zu quantised weights are shown by their values "
                   "(-o packed keeps their codes)",
                   *ret_n);
    return r;
}

/* Torch's own quantised tensors are marked by no name. */
static bool any_packed(const struct wfs_mapper *mapper, const struct wfs_table *items)
{
    for (size_t i = 0; i < items->n; i++) {
        const struct wfs_item *item = &items->items[i];
        if (item->packed ||
            (item->n_sources == 1 && mapper->catalog->tensors[item->sources[0]].quantised))
            return true;
    }
    return false;
}

int wfs_dequantise(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *next, struct wfs_table *items, size_t *ret_n)
{
    struct wfs_table out = {0};
    struct wfs_strmap plain = {0};
    *ret_n = 0;
    if (!any_packed(mapper, items))
        return 0;
    struct wfs_dequant d = {
        .mapper = mapper, .sink = sink, .err = sink->err, .in = items, .out = &out};
    d.taken = wfs_arena_array(mapper->arena, items->n + 1, sizeof(*d.taken));
    int r = d.taken ? run(&d, next, &plain, ret_n) : wfs_error_nomem(sink->err, "mapping");
    wfs_strmap_free(&d.index);
    wfs_strmap_free(&plain);
    if (r) {
        free(out.items);
        return r;
    }
    free(items->items);
    *items = out;
    return 0;
}

int wfs_dequantised_keep(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                         const struct wfs_table *in, struct wfs_table *ret_out)
{
    int r = 0;
    (void)mapper;
    for (size_t i = 0; !r && i < in->n; i++) {
        struct wfs_item item = in->items[i];
        item.status = item.packed ? WFS_PACKED : WFS_MAPPED;
        r = wfs_table_add(ret_out, &item, sink->err);
    }
    return r;
}
