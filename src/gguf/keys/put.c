/*
 * put.c - values as typed values of a GGUF file. Numbers are converted as Python's int() and float()
 * do, which the converter calls: fractions are cut off. What does not fit is an error.
 */
#include "gguf/keys/put.h"

#include <math.h>
#include <string.h>

struct putting {
    struct wfs_gguf_kv *kv;
    const char *key, *file;
    struct wfs_error *err;
};

static int fail(const struct putting *p, const char *what)
{
    return wfs_error_set(p->err, EINVAL, "%s: the key %s: %s", p->file, p->key, what);
}

static int as_whole(const struct putting *p, const struct wfs_value *v, int64_t lo, int64_t hi,
                    int64_t *ret)
{
    bool is_real = v->kind == WFS_VALUE_REAL && fabs(v->r) < 9e15;
    if (!is_real && v->kind != WFS_VALUE_INT)
        return fail(p, "expected a number");
    int64_t i = is_real ? (int64_t)v->r : v->i;
    if (i < lo || i > hi)
        return fail(p, lo ? "a number beyond 32 bits"
                          : "a number that is negative, or beyond 32 bits");
    *ret = i;
    return 0;
}

static int as_float(const struct putting *p, const struct wfs_value *v, float *ret)
{
    if (v->kind != WFS_VALUE_REAL && v->kind != WFS_VALUE_INT)
        return fail(p, "expected a number");
    double number = v->kind == WFS_VALUE_REAL ? v->r : (double)v->i;
    float narrow = (float)number;
    if (isinf(narrow) && !isinf(number))
        return fail(p, "a number beyond float32");
    *ret = narrow;
    return 0;
}

static int as_truth(const struct putting *p, const struct wfs_value *v, bool *ret)
{
    if (v->kind == WFS_VALUE_STR || v->kind == WFS_VALUE_NONE)
        return fail(p, "expected true or false");
    *ret = v->kind == WFS_VALUE_REAL ? v->r != 0 : v->i != 0;
    return 0;
}

static int put_scalar(const struct putting *p, enum wfs_gguf_type type, const struct wfs_value *v)
{
    int64_t i;
    float f;
    bool truth;
    int r;
    switch (type) {
    case WFS_GGUF_F32:
        if (!(r = as_float(p, v, &f)))
            wfs_gguf_put_f32(p->kv, p->key, f);
        return r;
    case WFS_GGUF_BOOL:
        if (!(r = as_truth(p, v, &truth)))
            wfs_gguf_put_bool(p->kv, p->key, truth);
        return r;
    case WFS_GGUF_STR:
        if (v->kind != WFS_VALUE_STR)
            return fail(p, "expected a text");
        if (v->len) /* gguf-py writes no empty text */
            wfs_gguf_put_text(p->kv, p->key, (struct wfs_gguf_str){v->s, v->len});
        return 0;
    case WFS_GGUF_I32:
        if (!(r = as_whole(p, v, INT32_MIN, INT32_MAX, &i)))
            wfs_gguf_put_i32(p->kv, p->key, (int32_t)i);
        return r;
    default:
        if (!(r = as_whole(p, v, 0, UINT32_MAX, &i)))
            wfs_gguf_put_u32(p->kv, p->key, (uint32_t)i);
        return r;
    }
}

/* ---- lists --------------------------------------------------------------------------------- */

/* One element at `elems`, which holds them as wfs_gguf_put_array takes them. */
static int set_elem(const struct putting *p, enum wfs_gguf_type type, const struct wfs_value *v,
                    void *elems, uint32_t at)
{
    int64_t i;
    bool truth;
    int r;
    switch (type) {
    case WFS_GGUF_F32:
        return as_float(p, v, (float *)elems + at);
    case WFS_GGUF_BOOL:
        if (!(r = as_truth(p, v, &truth)))
            ((uint8_t *)elems)[at] = truth;
        return r;
    case WFS_GGUF_STR:
        if (v->kind != WFS_VALUE_STR)
            return fail(p, "expected a list of texts");
        ((struct wfs_gguf_str *)elems)[at] = (struct wfs_gguf_str){v->s, v->len};
        return 0;
    default:
        if (!(r = as_whole(p, v, INT32_MIN, INT32_MAX, &i)))
            ((int32_t *)elems)[at] = (int32_t)i;
        return r;
    }
}

static int put_list(const struct putting *p, enum wfs_gguf_type type,
                    const struct wfs_keys_result *result)
{
    if (result->n == 0)
        return 0; /* gguf-py writes none */
    size_t size = type == WFS_GGUF_STR ? sizeof(struct wfs_gguf_str) : wfs_gguf_type_bytes(type);
    void *elems = wfs_arena_array(p->kv->arena, result->n ? result->n : 1, size);
    int r = elems ? 0 : wfs_error_nomem(p->err, "keys");
    for (uint32_t i = 0; !r && i < result->n; i++)
        r = set_elem(p, type, &result->items[i], elems, i);
    if (!r)
        wfs_gguf_put_array(p->kv, p->key, type, result->n, elems);
    return r;
}

int wfs_keys_put(struct wfs_gguf_kv *kv, const char *key, const char *file,
                 const struct wfs_keys_statement *statement, const struct wfs_keys_result *result,
                 struct wfs_error *err)
{
    struct putting p = {kv, key, file, err};
    if (!result->is_list)
        return statement->is_array ? fail(&p, "expected a list")
                                   : put_scalar(&p, statement->type, &result->value);
    bool is_whole = statement->type == WFS_GGUF_U32 || statement->type == WFS_GGUF_I32;
    if (!statement->is_array && !is_whole)
        return fail(&p, "expected no list");
    return put_list(&p, is_whole ? WFS_GGUF_I32 : statement->type, result);
}
