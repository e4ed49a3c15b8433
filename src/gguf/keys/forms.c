/*
 * forms.c - the values of a table's statements: expressions, and the few forms that speak of lists.
 */
#include "gguf/keys/forms.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/items/config.h"

#define MAX_ITEMS  100000 /* of a list: more layers than any model has */
#define MAX_LAYERS 100000

static int fail(const struct wfs_keys_value *value, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s:%u:%u: %s in config.json %s", value->pos.file,
                         value->pos.line, value->pos.col, value->paths[0], what);
}

static const json_t *at(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value)
{
    return wfs_evaluator_json(scope->evaluator, value->paths[0]);
}

static int new_list(const struct wfs_keys_scope *scope, size_t n, struct wfs_value **ret,
                    struct wfs_error *err)
{
    *ret = wfs_arena_array(scope->arena, n ? n : 1, sizeof(**ret));
    return *ret ? 0 : wfs_error_nomem(err, "lists of keys");
}

static struct wfs_value whole(int64_t i)
{
    return (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
}

static void set_list(struct wfs_keys_result *ret, size_t n, const struct wfs_value *items)
{
    *ret = (struct wfs_keys_result){.is_list = true, .n = (uint32_t)n, .items = items};
}

/* All elements of a JSON list, which must be scalars; texts are copied. */
static int read_list(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                     const json_t *json, struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_value *items;
    size_t n = json_array_size(json);
    if (n > MAX_ITEMS)
        return fail(value, err, "is too long a list");
    int r = new_list(scope, n, &items, err);
    for (size_t i = 0; !r && i < n; i++) {
        items[i] = wfs_value_from_json(json_array_get(json, i));
        if (items[i].kind == WFS_VALUE_NONE)
            r = fail(value, err, "is a list of what is neither number nor text");
        else if (items[i].kind == WFS_VALUE_STR &&
                 !(items[i].s = wfs_arena_strndup(scope->arena, items[i].s, items[i].len)))
            r = wfs_error_nomem(err, "lists of keys");
    }
    if (!r)
        set_list(ret, n, items);
    return r;
}

/* The list at the value's path. is_list is false where there is none. */
static int read_own_list(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                         struct wfs_keys_result *ret, struct wfs_error *err)
{
    const json_t *json = at(scope, value);
    *ret = (struct wfs_keys_result){0};
    if (!json || json_is_null(json))
        return 0;
    return json_is_array(json) ? read_list(scope, value, json, ret, err)
                               : fail(value, err, "is no list");
}

/* ---- scalars ------------------------------------------------------------------------------- */

static int choose(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                  bool is_optional, struct wfs_value *ret, struct wfs_error *err)
{
    const struct wfs_vexpr *e = value->expr;
    bool holds = true;
    int r = wfs_evaluator_holds(scope->evaluator, value->cond, &holds, err);
    if (r)
        return r;
    if (!holds)
        e = value->otherwise;
    return is_optional ? wfs_evaluator_value(scope->evaluator, e, ret, err)
                       : wfs_evaluator_needed(scope->evaluator, e, ret, err);
}

static int not_found(const struct wfs_keys_value *value, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf names = {0};
    for (uint32_t i = 0; i < value->n_paths; i++)
        wfs_buf_printf(&names, "%s%s", i ? ", " : "", value->paths[i]);
    if (!wfs_buf_ok(&names))
        return wfs_error_nomem(err, "keys");
    return wfs_error_set(err, EINVAL, "%s:%u:%u: config.json must have %s%s", value->pos.file,
                         value->pos.line, value->pos.col, value->n_paths > 1 ? "one of " : "",
                         names.data);
}

static int find(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                bool is_optional, struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_keys_result result = {0};
    int r = 0;
    for (uint32_t i = 0; i < value->n_paths; i++) {
        const struct wfs_vexpr config = {
            .kind = WFS_V_CONFIG, .pos = value->pos, .text = value->paths[i]};
        const json_t *json = wfs_evaluator_json(scope->evaluator, value->paths[i]);
        /* -o set= may give what the config does not have. */
        r = wfs_evaluator_value(scope->evaluator, &config, &result.value, err);
        if (!r && json_is_array(json) && result.value.kind == WFS_VALUE_NONE)
            r = read_list(scope, value, json, &result, err);
        if (r || json || result.value.kind != WFS_VALUE_NONE)
            break;
    }
    if (!r && !is_optional && !result.is_list && result.value.kind == WFS_VALUE_NONE)
        r = not_found(value, err);
    if (!r)
        *ret = result;
    return r;
}

static int count(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                 struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_keys_result list;
    int r = read_own_list(scope, value, &list, err);
    if (r)
        return r;
    int64_t n = list.n;
    if (value->form == WFS_KEYS_COUNT) {
        size_t len = strlen(value->text);
        n = 0;
        for (uint32_t i = 0; i < list.n; i++)
            n += list.items[i].kind == WFS_VALUE_STR && list.items[i].len == len &&
                 memcmp(list.items[i].s, value->text, len) == 0;
    }
    *ret = (struct wfs_keys_result){.value = whole(n)};
    return 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int pad(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
               struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_keys_result list;
    struct wfs_value *items;
    int r = read_own_list(scope, value, &list, err);
    if (r || !list.is_list) {
        *ret = list;
        return r;
    }
    r = new_list(scope, (size_t)value->number, &items, err);
    for (int64_t i = 0; !r && i < value->number; i++)
        items[i] = i < list.n ? list.items[i] : whole(0);
    if (!r)
        set_list(ret, (size_t)value->number, items);
    return r;
}

/* How many layers the model has. */
static int n_layers(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                    uint32_t *ret, struct wfs_error *err)
{
    const struct wfs_vexpr layers = {.kind = WFS_V_LET, .pos = value->pos, .text = "layers"};
    struct wfs_value v;
    int r = wfs_evaluator_needed(scope->evaluator, &layers, &v, err);
    if (r)
        return r;
    if (v.kind != WFS_VALUE_INT || v.i < 0 || v.i > MAX_LAYERS)
        return wfs_error_set(err, EINVAL, "config.json: the number of layers is none");
    *ret = (uint32_t)v.i;
    return 0;
}

static int each_item(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                     uint32_t layer, struct wfs_value item, struct wfs_value *ret,
                     struct wfs_error *err)
{
    int r = wfs_evaluator_let(scope->evaluator, "layer", whole(layer), err);
    if (!r)
        r = wfs_evaluator_let(scope->evaluator, "item", item, err);
    return r ? r : choose(scope, value, false, ret, err);
}

static int more_items(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                      uint32_t *ret, struct wfs_error *err)
{
    struct wfs_value v = whole(0);
    int r = value->more ? wfs_evaluator_needed(scope->evaluator, value->more, &v, err) : 0;
    if (!r && (v.kind != WFS_VALUE_INT || v.i < 0 || v.i > MAX_LAYERS))
        r = wfs_error_set(err, EINVAL, "%s:%u:%u: expected a small whole number", value->pos.file,
                          value->pos.line, value->pos.col);
    if (!r)
        *ret = (uint32_t)v.i;
    return r;
}

static int each(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                bool is_optional, struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_keys_result list = {.is_list = true};
    struct wfs_value *items, none = {.kind = WFS_VALUE_STR, .s = ""};
    uint32_t more;
    bool of_layers = strcmp(value->paths[0], "layers") == 0;
    int r =
        of_layers ? n_layers(scope, value, &list.n, err) : read_own_list(scope, value, &list, err);
    if (!r && !list.is_list && !is_optional)
        r = not_found(value, err);
    if (r || !list.is_list) {
        *ret = list;
        return r;
    }
    r = more_items(scope, value, &more, err);
    if (!r)
        r = new_list(scope, list.n + more, &items, err);
    for (uint32_t i = 0; !r && i < list.n + more; i++)
        r = each_item(scope, value, i, i < list.n && !of_layers ? list.items[i] : none, &items[i],
                      err);
    if (!r)
        set_list(ret, list.n + more, items);
    return r;
}

/* The single number that a tensor of each layer holds: the only keys that follow from a tensor's
 * bytes (Apertus' activation). */
static int read_number(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                       uint32_t layer, struct wfs_value *ret, struct wfs_error *err)
{
    char name[256];
    uint8_t bytes[16];
    double number;
    snprintf(name, sizeof(name), "model.layers.%u.%s", layer, value->paths[0]);
    const struct wfs_tensor *tensor = wfs_catalog_find(scope->catalog, name);
    const struct wfs_expr *e = tensor ? tensor->expr : NULL;
    if (!e || e->size_bytes == 0 || e->size_bytes > sizeof(bytes))
        return wfs_error_set(
            err, EINVAL, "%s: expected a tensor of one number, which is a key of the file", name);
    int r = wfs_expr_read(e, bytes, (size_t)e->size_bytes, 0, err);
    if (!r)
        r = wfs_convert_to_f64(e->dtype, bytes, 1, &number, err);
    if (!r)
        *ret = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = number};
    return r;
}

static int tensors(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                   struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_value *items;
    uint32_t n;
    int r = n_layers(scope, value, &n, err);
    if (!r)
        r = new_list(scope, n, &items, err);
    for (uint32_t i = 0; !r && i < n; i++)
        r = read_number(scope, value, i, &items[i], err);
    if (!r)
        set_list(ret, n, items);
    return r;
}

/* ---- quantiles of the normal distribution -------------------------------------------------- */

/* Wichura's AS 241 (PPND16), as Python's statistics.NormalDist has it, bit for bit: p is not 0, 1/2 or
 * 1 but lies between 0 and 1. */
static double polynomial(const double *c, double x)
{
    double v = c[0];
    for (int i = 1; i < 8; i++)
        v = v * x + c[i];
    return v;
}

static double normal_quantile(double p)
{
    static const double a[] = {2.5090809287301226727e+3, 3.3430575583588128105e+4,
                               6.7265770927008700853e+4, 4.5921953931549871457e+4,
                               1.3731693765509461125e+4, 1.9715909503065514427e+3,
                               1.3314166789178437745e+2, 3.3871328727963666080e+0},
                        b[] = {5.2264952788528545610e+3, 2.8729085735721942674e+4,
                               3.9307895800092710610e+4, 2.1213794301586595867e+4,
                               5.3941960214247511077e+3, 6.8718700749205790830e+2,
                               4.2313330701600911252e+1, 1.0},
                        c[] = {7.74545014278341407640e-4, 2.27238449892691845833e-2,
                               2.41780725177450611770e-1, 1.27045825245236838258e+0,
                               3.64784832476320460504e+0, 5.76949722146069140550e+0,
                               4.63033784615654529590e+0, 1.42343711074968357734e+0},
                        d[] = {1.05075007164441684324e-9, 5.47593808499534494600e-4,
                               1.51986665636164571966e-2, 1.48103976427480074590e-1,
                               6.89767334985100004550e-1, 1.67638483018380384940e+0,
                               2.05319162663775882187e+0, 1.0},
                        e[] = {2.01033439929228813265e-7, 2.71155556874348757815e-5,
                               1.24266094738807843860e-3, 2.65321895265761230930e-2,
                               2.96560571828504891230e-1, 1.78482653991729133580e+0,
                               5.46378491116411436990e+0, 6.65790464350110377720e+0},
                        f[] = {2.04426310338993978564e-15, 1.42151175831644588870e-7,
                               1.84631831751005468180e-5,  7.86869131145613259100e-4,
                               1.48753612908506148525e-2,  1.36929880922735805310e-1,
                               5.99832206555887937690e-1,  1.0};
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return polynomial(a, r) * q / polynomial(b, r);
    }
    double r = sqrt(-log(q <= 0 ? p : 1.0 - p));
    double x = r <= 5.0 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                        : polynomial(e, r - 5.0) / polynomial(f, r - 5.0);
    return q < 0 ? -x : x;
}

/* torch.distributions.Normal(0, 1).icdf(p) in float32: sqrt(2) * erfinv(2 * p - 1). */
static double torch_quantile(double p)
{
    if (p <= 0)
        return -INFINITY;
    float twice = 2.0f * (float)p - 1.0f;
    float erfinv = (float)(normal_quantile(((double)twice + 1) / 2) / sqrt(2.0));
    return (double)(erfinv * (float)sqrt(2.0));
}

static int quantiles(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                     struct wfs_keys_result *ret, struct wfs_error *err)
{
    struct wfs_keys_result list;
    struct wfs_value *items;
    int r = read_own_list(scope, value, &list, err);
    if (!r && !list.is_list)
        r = not_found(value, err);
    if (!r)
        r = new_list(scope, list.n, &items, err);
    for (uint32_t i = 0; !r && i < list.n; i++) {
        const struct wfs_value *p = &list.items[i];
        double number = p->kind == WFS_VALUE_INT ? (double)p->i : p->r;
        if ((p->kind != WFS_VALUE_INT && p->kind != WFS_VALUE_REAL) || !(number < 1))
            return fail(value, err, "is no list of probabilities below 1");
        items[i] = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = torch_quantile(number)};
    }
    if (!r)
        set_list(ret, list.n, items);
    return r;
}

/* ---- labels -------------------------------------------------------------------------------- */

struct label {
    long number;
    const char *text;
};

static int by_number(const void *a, const void *b)
{
    long x = ((const struct label *)a)->number, y = ((const struct label *)b)->number;
    return (x > y) - (x < y);
}

/* The two that PretrainedConfig makes of nothing. */
static bool are_dummies(const json_t *json)
{
    const char *first = json_string_value(json_object_get(json, "0"));
    return json_object_size(json) == 2 && first && strcmp(first, "LABEL_0") == 0;
}

static int labels(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                  struct wfs_keys_result *ret, struct wfs_error *err)
{
    json_t *json = (json_t *)at(scope, value), *text;
    const char *key;
    size_t n = json_object_size(json), i = 0;
    *ret = (struct wfs_keys_result){0};
    if (n == 0 || are_dummies(json))
        return 0;
    struct label *sorted = wfs_arena_array(scope->arena, n, sizeof(*sorted));
    struct wfs_value *items;
    int r = sorted ? new_list(scope, n, &items, err) : wfs_error_nomem(err, "labels");
    if (r)
        return r;
    json_object_foreach(json, key, text)
    {
        char *end;
        sorted[i] = (struct label){strtol(key, &end, 10), json_string_value(text)};
        if (end == key || *end || !sorted[i].text)
            return fail(value, err, "is no table of numbered labels");
        i++;
    }
    qsort(sorted, n, sizeof(*sorted), by_number);
    for (i = 0; i < n; i++)
        items[i] = (struct wfs_value){
            .kind = WFS_VALUE_STR, .s = sorted[i].text, .len = strlen(sorted[i].text)};
    set_list(ret, n, items);
    return 0;
}

int wfs_keys_value(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                   bool is_optional, struct wfs_keys_result *ret, struct wfs_error *err)
{
    *ret = (struct wfs_keys_result){0};
    switch (value->form) {
    case WFS_KEYS_EXPR:
        return choose(scope, value, is_optional, &ret->value, err);
    case WFS_KEYS_FIND:
        return find(scope, value, is_optional, ret, err);
    case WFS_KEYS_HAS:
        ret->value = (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = at(scope, value) != NULL};
        return 0;
    case WFS_KEYS_COUNT:
    case WFS_KEYS_LENGTH:
        return count(scope, value, ret, err);
    case WFS_KEYS_PAD:
        return pad(scope, value, ret, err);
    case WFS_KEYS_EACH:
        return each(scope, value, is_optional, ret, err);
    case WFS_KEYS_TENSORS:
        return tensors(scope, value, ret, err);
    case WFS_KEYS_QUANTILES:
        return quantiles(scope, value, ret, err);
    case WFS_KEYS_LABELS:
        return labels(scope, value, ret, err);
    }
    return 0;
}

json_t *wfs_keys_json(const struct wfs_value *value)
{
    switch (value->kind) {
    case WFS_VALUE_INT:
        return json_integer(value->i);
    case WFS_VALUE_REAL:
        return json_real(value->r);
    case WFS_VALUE_BOOL:
        return json_boolean(value->i);
    case WFS_VALUE_STR:
        return json_stringn(value->s, value->len);
    default:
        return json_null();
    }
}
