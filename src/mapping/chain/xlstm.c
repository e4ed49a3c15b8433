/*
 * xlstm.c - the `xlstm` view: the parameter handling of xlstm-jax, its matching by substrings and
 * its errors included, on names instead of loaded state dicts.
 *
 *   match=FILE.json       {substring of a source key: substring of a target key}; needs a template,
 *                         whose keys are the target state dict's
 *   keys=FILE.json        or a full mapping {source key: target key}; other sources are dropped
 *   transforms=FILE.json  {"transpose"|"squeeze"|"squeeze-N"|"flatten": [substrings of target keys]}
 *   blocks=NAME           keys that contain .NAME. are first split along axis 0 into .NAME.0. ...
 *   unmapped=keep         a target that no source maps to comes from the template (else: an error)
 *
 * What it does not copy: two sources on one target go unnoticed there; here they are a collision.
 */
#include "mapping/chain/xlstm.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/items/json.h"

#define XLSTM_MAX_JSON_BYTES (UINT64_C(64) << 20)

/* A key of the state dict on its way. */
struct key {
    const char *name;      /* dotted */
    const char *hierarchy; /* its indices: "0,3," */
    struct wfs_item item;
};
struct keys {
    struct key *k;
    size_t n, cap; /* malloc'd */
};

struct xlstm {
    const struct wfs_mapper *mapper;
    struct wfs_sink *sink;
    json_t *match, *keys, *transforms;
    const char *blocks;
    bool keep_unmapped;
    struct keys source, target;
};

/* ---- options ------------------------------------------------------------------------------- */

static int load_json(struct xlstm *x, const char *path, json_t **ret)
{
    if (*ret)
        return wfs_error_set(x->sink->err, EINVAL, "xlstm: an option is given twice");
    int r = wfs_json_load(path, XLSTM_MAX_JSON_BYTES, ret, x->sink->err);
    if (!r && !json_is_object(*ret))
        r = wfs_error_set(x->sink->err, EINVAL, "%s: expected a JSON object", path);
    return r;
}

static int parse_option(struct xlstm *x, const char *option)
{
    const char *eq = strchr(option, '=');
    size_t len = eq ? (size_t)(eq - option) : strlen(option);
    const char *value = eq ? eq + 1 : "";
    if (eq && len == 5 && memcmp(option, "match", len) == 0)
        return load_json(x, value, &x->match);
    if (eq && len == 4 && memcmp(option, "keys", len) == 0)
        return load_json(x, value, &x->keys);
    if (eq && len == 10 && memcmp(option, "transforms", len) == 0)
        return load_json(x, value, &x->transforms);
    if (eq && len == 6 && memcmp(option, "blocks", len) == 0) {
        x->blocks = value;
        return 0;
    }
    if (eq && len == 8 && memcmp(option, "unmapped", len) == 0 && strcmp(value, "keep") == 0) {
        x->keep_unmapped = true;
        return 0;
    }
    return wfs_error_set(x->sink->err, EINVAL,
                         "xlstm: option '%s': expected match=FILE.json, "
                         "keys=FILE.json, transforms=FILE.json, blocks=NAME or unmapped=keep",
                         option);
}

static int parse_options(struct xlstm *x)
{
    const char *const *options = x->mapper->options->options;
    int r = 0;
    for (size_t i = 0; !r && options && options[i]; i++)
        r = parse_option(x, options[i]);
    if (r)
        return r;
    if (!x->match == !x->keys)
        return wfs_error_set(x->sink->err, EINVAL,
                             "xlstm: expected either match=FILE.json and a template, or "
                             "keys=FILE.json");
    if (x->match && !x->mapper->template)
        return wfs_error_set(x->sink->err, EINVAL,
                             "xlstm: match= needs the target's keys: -o template=TARGET");
    return 0;
}

/* ---- keys ---------------------------------------------------------------------------------- */

static int nomem(const struct xlstm *x)
{
    return wfs_error_nomem(x->sink->err, "xlstm");
}

/* The numbers between two dots, a dot serving one number only, as `\.\d+\.` finds them. */
static const char *hierarchy(struct wfs_arena *arena, const char *name)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    for (const char *s = name; (s = strchr(s, '.'));) {
        size_t n = strspn(s + 1, "0123456789");
        if (n == 0 || s[1 + n] != '.') {
            s++;
            continue;
        }
        size_t zeros = strspn(s + 1, "0");
        zeros -= zeros == n;
        wfs_buf_add(&buf, s + 1 + zeros, n - zeros);
        wfs_buf_char(&buf, ',');
        s += n + 2;
    }
    return wfs_buf_ok(&buf) ? wfs_arena_strndup(arena, buf.len ? buf.data : "", buf.len) : NULL;
}

static int add_key(struct xlstm *x, struct keys *keys, const char *name,
                   const struct wfs_item *item)
{
    if (wfs_grow(&keys->k, &keys->cap, keys->n + 1, sizeof(*keys->k)))
        return nomem(x);
    struct key key = {name, hierarchy(x->mapper->arena, name), *item};
    if (!key.hierarchy)
        return nomem(x);
    keys->k[keys->n++] = key;
    return 0;
}

/* Every occurrence of .NAME. becomes .NAME.i. */
static const char *block_name(struct xlstm *x, const char *name, const char *dotted, uint64_t i)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    size_t len = strlen(dotted);
    for (const char *s = name, *at; *s; s = at + len) {
        at = strstr(s, dotted);
        if (!at) {
            wfs_buf_str(&buf, s);
            break;
        }
        wfs_buf_add(&buf, s, (size_t)(at - s) + len);
        wfs_buf_printf(&buf, "%llu.", (unsigned long long)i);
    }
    return wfs_buf_ok(&buf) ? wfs_arena_strndup(x->mapper->arena, buf.data, buf.len) : NULL;
}

static int split_blocks(struct xlstm *x, const char *name, const struct wfs_item *item,
                        const char *dotted)
{
    const struct wfs_mapper *m = x->mapper;
    if (item->expr->ndim == 0)
        return wfs_error_set(x->sink->err, EINVAL, "%s: a scalar cannot be split into blocks",
                             name);
    for (uint64_t i = 0; i < item->expr->shape[0]; i++) {
        struct wfs_item piece = *item;
        const char *piece_name = block_name(x, name, dotted, i);
        int r = wfs_expr_slice(m->arena, item->expr, 0, i, i + 1, 1, &piece.expr, x->sink->err);
        if (!r)
            r = wfs_expr_squeeze(m->arena, piece.expr, 0, &piece.expr, x->sink->err);
        piece.operations = wfs_arena_printf(m->arena, "%s%sunbind(0)[%llu]", item->operations,
                                            item->operations[0] ? " " : "", (unsigned long long)i);
        if (!r && (!piece_name || !piece.operations))
            r = nomem(x);
        if (!r)
            r = add_key(x, &x->source, piece_name, &piece);
        if (r)
            return r;
    }
    return 0;
}

static int read_source(struct xlstm *x, const struct wfs_table *in)
{
    struct wfs_arena *arena = x->mapper->arena;
    const char *dotted = x->blocks ? wfs_arena_printf(arena, ".%s.", x->blocks) : NULL;
    if (x->blocks && !dotted)
        return nomem(x);
    for (size_t i = 0; i < in->n; i++) {
        const char *name = wfs_dotted(arena, in->items[i].path);
        bool split = dotted && strstr(name, dotted);
        int r = split ? split_blocks(x, name, &in->items[i], dotted)
                      : add_key(x, &x->source, name, &in->items[i]);
        if (r)
            return r;
    }
    return 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

static void list_keys(struct wfs_buf *out, const json_t *match, const char *in)
{
    const char *k;
    json_t *v;
    const char *sep = "";
    json_object_foreach((json_t *)match, k, v)
    {
        if (in && !strstr(in, k))
            continue;
        wfs_buf_printf(out, "%s'%s'", sep, k);
        sep = ", ";
    }
}

/* The match dictionary's value for a key; exactly one of its keys must be a substring. */
static int match_value(struct xlstm *x, const char *name, const char **ret)
{
    const char *k;
    json_t *v;
    size_t n = 0;
    json_object_foreach(x->match, k, v)
    {
        if (!json_is_string(v))
            return wfs_error_set(x->sink->err, EINVAL, "xlstm: match: '%s' is no text", k);
        if (!strstr(name, k))
            continue;
        *ret = json_string_value(v);
        n++;
    }
    if (n == 1)
        return 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf list = {0};
    list_keys(&list, x->match, n ? name : NULL);
    return wfs_error_set(x->sink->err, EINVAL,
                         n ? "xlstm: several keys of the match dictionary are in %s: %s"
                           : "xlstm: no key of the match dictionary is in %s; they are %s",
                         name, wfs_buf_ok(&list) && list.data ? list.data : "");
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* Several target keys fit: the first with the same last component. */
static int find_target(struct xlstm *x, const struct key *from, size_t *ret)
{
    const char *value = NULL;
    size_t n = 0, first = 0, by_last = SIZE_MAX;
    int r = match_value(x, from->name, &value);
    if (r)
        return r;
    for (size_t i = 0; i < x->target.n; i++) {
        const struct key *to = &x->target.k[i];
        if (strcmp(to->hierarchy, from->hierarchy) != 0 || !strstr(to->name, value))
            continue;
        first = n++ ? first : i;
        if (by_last == SIZE_MAX && strcmp(last_part(to->name), last_part(from->name)) == 0)
            by_last = i;
    }
    if (n == 1 || (n && by_last != SIZE_MAX)) {
        *ret = n == 1 ? first : by_last;
        return 0;
    }
    return wfs_error_set(x->sink->err, EINVAL,
                         n ? "xlstm: %s: several target keys contain '%s', none of them ends as "
                             "it does"
                           : "xlstm: %s: no target key with the same indices contains '%s'",
                         from->name, value);
}

static int read_targets(struct xlstm *x)
{
    const struct wfs_template *t = x->mapper->template;
    for (uint32_t i = 0; i < t->n_keys; i++) {
        struct wfs_item item = {.path = t->keys[i].path,
                                .expr = t->keys[i].expr,
                                .status = WFS_FILLED,
                                .tie = WFS_NO_INDEX,
                                .operations = "",
                                .rule = "template"};
        int r = add_key(x, &x->target, wfs_dotted(x->mapper->arena, item.path), &item);
        if (r)
            return r;
    }
    return 0;
}

static void place(struct key *to, const struct wfs_item *item, const char *rule)
{
    const char *path = to->item.path;
    to->item = *item;
    to->item.path = path;
    to->item.status = WFS_MAPPED;
    to->item.rule = rule;
}

/* Every target gets its source; of several the last, as there. */
static int move_by_match(struct xlstm *x)
{
    const struct wfs_mapper *m = x->mapper;
    bool *taken = wfs_arena_array(m->arena, x->target.n + 1, sizeof(*taken));
    if (!taken)
        return nomem(x);
    for (size_t i = 0; i < x->source.n; i++) {
        const struct key *from = &x->source.k[i];
        size_t to;
        int r = find_target(x, from, &to);
        if (r)
            return r;
        if (taken[to])
            wfs_report(x->sink, WFS_COLLISION, x->target.k[to].item.path,
                       "several source keys map to it; the last, %s, is shown", from->name);
        taken[to] = true;
        place(&x->target.k[to], &from->item, "match");
    }
    for (size_t i = 0; i < x->target.n; i++) {
        if (taken[i])
            continue;
        if (!x->keep_unmapped)
            return wfs_error_set(x->sink->err, EINVAL,
                                 "xlstm: no source key maps to the target %s "
                                 "(unmapped=keep would take the template's)",
                                 x->target.k[i].name);
        if (!x->target.k[i].item.expr)
            return wfs_error_set(x->sink->err, EINVAL,
                                 "xlstm: unmapped=keep: the template has no values for %s",
                                 x->target.k[i].name);
    }
    return 0;
}

/* ---- full mappings ------------------------------------------------------------------------- */

static int move_by_keys(struct xlstm *x)
{
    const struct wfs_mapper *m = x->mapper;
    struct wfs_strmap index = {0};
    const char *from;
    json_t *to;
    int r = 0;
    for (size_t i = 0; !r && i < x->source.n; i++)
        r = wfs_strmap_set(&index, x->source.k[i].name, i) ? nomem(x) : 0;
    json_object_foreach(x->keys, from, to)
    {
        uint64_t at;
        if (r)
            break;
        if (!json_is_string(to)) {
            r = wfs_error_set(x->sink->err, EINVAL, "xlstm: keys: '%s' is no text", from);
        } else if (!wfs_strmap_get(&index, from, &at)) {
            r = wfs_error_set(x->sink->err, EINVAL, "xlstm: keys: the source has no %s", from);
        } else {
            const char *name = wfs_arena_strdup(m->arena, json_string_value(to));
            struct wfs_item item = x->source.k[at].item;
            item.path = name ? wfs_path_from_name(m->arena, name, '.') : NULL;
            item.status = WFS_MAPPED;
            item.rule = "keys";
            r = item.path ? add_key(x, &x->target, name, &item) : nomem(x);
        }
    }
    for (size_t i = 0; !r && i < x->source.n; i++)
        if (!json_object_get(x->keys, x->source.k[i].name))
            wfs_report(x->sink, WFS_DROPPED, x->source.k[i].item.path, "not in the key mapping");
    wfs_strmap_free(&index);
    return r;
}

/* ---- transforms ---------------------------------------------------------------------------- */

static int squeeze_dim(struct xlstm *x, const char *transform, const struct wfs_expr *e,
                       const struct wfs_expr **ret)
{
    char *end;
    long dim = strtol(transform + strlen("squeeze-"), &end, 10);
    if (*end || end == transform + strlen("squeeze-") || dim < 0 || dim >= (long)e->ndim)
        return wfs_error_set(x->sink->err, EINVAL, "%s of a tensor with %u axes", transform,
                             e->ndim);
    *ret = e;
    if (e->shape[dim] != 1)
        return 0;
    return wfs_expr_squeeze(x->mapper->arena, e, (uint32_t)dim, ret, x->sink->err);
}

static int transform_one(struct xlstm *x, const char *transform, struct key *key)
{
    const struct wfs_mapper *m = x->mapper;
    const struct wfs_expr *e = key->item.expr;
    int r;
    if (strcmp(transform, "transpose") == 0) {
        r = e->ndim == 2
                ? wfs_expr_reverse_axes(m->arena, e, &key->item.expr, x->sink->err)
                : wfs_error_set(x->sink->err, EINVAL, "transpose is for 2 axes, not %u", e->ndim);
    } else if (strcmp(transform, "flatten") == 0) {
        r = wfs_expr_reshape(m->arena, e, 1, &e->n_elems, &key->item.expr, x->sink->err);
    } else if (strchr(transform, '-')) {
        r = squeeze_dim(x, transform, e, &key->item.expr);
    } else {
        r = wfs_expr_squeeze_all(m->arena, e, &key->item.expr, x->sink->err);
    }
    if (r)
        return wfs_error_prefix(x->sink->err, "xlstm: %s", key->name);
    key->item.operations = wfs_arena_printf(m->arena, "%s%s%s", key->item.operations,
                                            key->item.operations[0] ? " " : "", transform);
    return key->item.operations ? 0 : nomem(x);
}

static int transform_partial(struct xlstm *x, const char *transform, const json_t *partial)
{
    const char *text = json_string_value(partial);
    size_t n = 0;
    if (!text)
        return wfs_error_set(x->sink->err, EINVAL, "xlstm: transforms: %s: expected texts",
                             transform);
    for (size_t i = 0; i < x->target.n; i++) {
        if (!strstr(x->target.k[i].name, text))
            continue;
        int r = transform_one(x, transform, &x->target.k[i]);
        if (r)
            return r;
        n++;
    }
    if (n)
        return 0;
    return wfs_error_set(x->sink->err, EINVAL,
                         "xlstm: transforms: %s: no target key contains "
                         "'%s'",
                         transform, text);
}

static int transform_all(struct xlstm *x)
{
    const char *transform;
    json_t *partials;
    int r = 0;
    json_object_foreach(x->transforms, transform, partials)
    {
        bool known = strcmp(transform, "transpose") == 0 || strcmp(transform, "flatten") == 0 ||
                     strncmp(transform, "squeeze", 7) == 0;
        if (r)
            break;
        if (!known || !json_is_array(partials))
            return wfs_error_set(x->sink->err, EINVAL,
                                 "xlstm: transforms: '%s': expected "
                                 "transpose, squeeze, squeeze-N or flatten, and a list",
                                 transform);
        for (size_t i = 0; !r && i < json_array_size(partials); i++)
            r = transform_partial(x, transform, json_array_get(partials, i));
    }
    return r;
}

/* ---- the view ------------------------------------------------------------------------------ */

static int run(struct xlstm *x, const struct wfs_table *in, struct wfs_table *out)
{
    int r = parse_options(x);
    if (!r)
        r = read_source(x, in);
    if (!r && x->match)
        r = read_targets(x);
    if (!r)
        r = x->match ? move_by_match(x) : move_by_keys(x);
    if (!r && x->transforms)
        r = transform_all(x);
    for (size_t i = 0; !r && i < x->target.n; i++)
        r = wfs_table_add(out, &x->target.k[i].item, x->sink->err);
    return r;
}

int wfs_xlstm_run(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                  const struct wfs_table *in, struct wfs_table *ret_out)
{
    struct xlstm x = {.mapper = mapper, .sink = sink};
    struct wfs_table out = {0};
    int r = run(&x, in, &out);
    json_decref(x.match);
    json_decref(x.keys);
    json_decref(x.transforms);
    free(x.source.k);
    free(x.target.k);
    if (r) {
        free(out.items);
        return r;
    }
    *ret_out = out;
    return 0;
}
