/*
 * value.c - values of the rules language: arithmetic, comparison, text.
 */
#include "mapping/eval/value.h"

#include <math.h>
#include <string.h>

/* ---- kinds --------------------------------------------------------------------------------- */

struct wfs_value wfs_value_none(void)
{
    return (struct wfs_value){.kind = WFS_VALUE_NONE};
}

struct wfs_value wfs_value_maybe(void)
{
    return (struct wfs_value){.kind = WFS_VALUE_MAYBE};
}

struct wfs_value wfs_value_bool(bool b)
{
    return (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = b};
}

struct wfs_value wfs_value_int(int64_t i)
{
    return (struct wfs_value){.kind = WFS_VALUE_INT, .i = i};
}

struct wfs_value wfs_value_truth(enum wfs_truth t)
{
    return t == WFS_MAYBE ? wfs_value_maybe() : wfs_value_bool(t == WFS_TRUE);
}

struct wfs_value wfs_value_str(const char *s, size_t len, bool is_path)
{
    return (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = len, .is_path = is_path};
}

bool wfs_value_is_int(const struct wfs_value *v)
{
    return v->kind == WFS_VALUE_INT || (v->kind == WFS_VALUE_STR && v->is_number);
}

bool wfs_value_is_number(const struct wfs_value *v)
{
    return wfs_value_is_int(v) || v->kind == WFS_VALUE_REAL;
}

double wfs_value_as_real(const struct wfs_value *v)
{
    return wfs_value_is_int(v) ? (double)v->i : v->r;
}

bool wfs_value_is_unknown(const struct wfs_value *v)
{
    return v->kind == WFS_VALUE_NONE || v->kind == WFS_VALUE_MAYBE;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static const char *int_arith(enum wfs_binop op, int64_t a, int64_t b, struct wfs_value *ret)
{
    int64_t v = 0;
    bool overflow = false;
    if ((op == WFS_BIN_DIV || op == WFS_BIN_MOD) && (b == 0 || (a == INT64_MIN && b == -1)))
        return "division by zero";
    switch (op) {
    case WFS_BIN_ADD:
        overflow = __builtin_add_overflow(a, b, &v);
        break;
    case WFS_BIN_SUB:
        overflow = __builtin_sub_overflow(a, b, &v);
        break;
    case WFS_BIN_MUL:
        overflow = __builtin_mul_overflow(a, b, &v);
        break;
    case WFS_BIN_DIV:
        v = floor_div(a, b);
        break;
    default:
        v = a - floor_div(a, b) * b;
    }
    if (overflow)
        return "a number beyond 64 bits";
    *ret = wfs_value_int(v);
    return NULL;
}

static const char *real_arith(enum wfs_binop op, double a, double b, struct wfs_value *ret)
{
    double v;
    switch (op) {
    case WFS_BIN_ADD:
        v = a + b;
        break;
    case WFS_BIN_SUB:
        v = a - b;
        break;
    case WFS_BIN_MUL:
        v = a * b;
        break;
    case WFS_BIN_DIV:
        v = a / b;
        break;
    default:
        v = fmod(a, b);
    }
    if (!isfinite(v))
        return "a result that is no number";
    *ret = (struct wfs_value){.kind = WFS_VALUE_REAL, .r = v};
    return NULL;
}

const char *wfs_value_arith(enum wfs_binop op, const struct wfs_value *a, const struct wfs_value *b,
                            struct wfs_value *ret)
{
    bool is_maybe = a->kind == WFS_VALUE_MAYBE || b->kind == WFS_VALUE_MAYBE;
    *ret = is_maybe ? wfs_value_maybe() : wfs_value_none();
    if (is_maybe || a->kind == WFS_VALUE_NONE || b->kind == WFS_VALUE_NONE)
        return NULL;
    if (!wfs_value_is_number(a) || !wfs_value_is_number(b))
        return "arithmetic on what is no number";
    if (wfs_value_is_int(a) && wfs_value_is_int(b))
        return int_arith(op, a->i, b->i, ret);
    return real_arith(op, wfs_value_as_real(a), wfs_value_as_real(b), ret);
}

const char *wfs_value_negate(const struct wfs_value *v, struct wfs_value *ret)
{
    *ret = *v;
    if (wfs_value_is_int(v) && v->i != INT64_MIN)
        *ret = wfs_value_int(-v->i);
    else if (v->kind == WFS_VALUE_REAL)
        ret->r = -v->r;
    else if (!wfs_value_is_unknown(v))
        return "minus of what is no number";
    return NULL;
}

const char *wfs_value_real(enum wfs_fn fn, double a, double b, double *ret)
{
    if (fn == WFS_FN_SQRT && !(a >= 0))
        return "expected a number that is not negative";
    if (fn == WFS_FN_LOG && !(a > 0))
        return "expected a number above 0";
    double v = fn == WFS_FN_SQRT      ? sqrt(a)
               : fn == WFS_FN_LOG     ? log(a)
               : fn == WFS_FN_FLOAT32 ? (double)(float)a
                                      : pow(a, b);
    if (!isfinite(v) && fn != WFS_FN_FLOAT32)
        return "a result that is no number";
    *ret = v;
    return NULL;
}

const char *wfs_value_whole(enum wfs_fn fn, int64_t a, int64_t b, int64_t *ret)
{
    if (fn == WFS_FN_MIN || fn == WFS_FN_MAX) {
        *ret = (a < b) == (fn == WFS_FN_MIN) ? a : b;
        return NULL;
    }
    if (b == 0)
        return "the divisor is 0";
    if (b < 0 || a < 0)
        return "expected numbers that are not negative";
    if (a > INT64_MAX - b)
        return "a number beyond 64 bits";
    *ret = (a + b - 1) / b * (fn == WFS_FN_ROUNDUP ? b : 1);
    return NULL;
}

/* ---- comparison ---------------------------------------------------------------------------- */

static bool texts_equal(const struct wfs_value *a, const struct wfs_value *b)
{
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

static bool numbers_equal(const struct wfs_value *a, const struct wfs_value *b)
{
    return wfs_value_is_int(a) && wfs_value_is_int(b)
               ? a->i == b->i
               : wfs_value_as_real(a) == wfs_value_as_real(b);
}

/* A name and a text: the name as it is written. */
static int compare_written(const struct wfs_value *a, const struct wfs_value *b, bool *ret,
                           struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf_a = {0}, buf_b = {0};
    struct wfs_value x, y;
    int r = wfs_value_text(a, &buf_a, &x, err);
    if (!r)
        r = wfs_value_text(b, &buf_b, &y, err);
    if (!r)
        *ret = texts_equal(&x, &y);
    return r;
}

int wfs_value_equal(const struct wfs_value *a, const struct wfs_value *b, bool *ret,
                    struct wfs_error *err)
{
    if (a->kind == WFS_VALUE_STR && b->kind == WFS_VALUE_STR && a->is_path != b->is_path)
        return compare_written(a, b, ret, err);
    if (wfs_value_is_number(a) && wfs_value_is_number(b))
        *ret = numbers_equal(a, b);
    else if (a->kind != b->kind)
        *ret = false;
    else if (a->kind == WFS_VALUE_STR)
        *ret = texts_equal(a, b);
    else
        *ret = a->kind != WFS_VALUE_NONE && a->i == b->i;
    return 0;
}

const char *wfs_value_order(enum wfs_binop op, const struct wfs_value *a, const struct wfs_value *b,
                            bool *ret)
{
    if (!wfs_value_is_number(a) || !wfs_value_is_number(b))
        return "a comparison of what is no number";
    bool less = wfs_value_is_int(a) && wfs_value_is_int(b)
                    ? a->i < b->i
                    : wfs_value_as_real(a) < wfs_value_as_real(b);
    bool same = numbers_equal(a, b);
    *ret = op == WFS_BIN_LT   ? less
           : op == WFS_BIN_LE ? less || same
           : op == WFS_BIN_GT ? !less && !same
                              : !less;
    return NULL;
}

/* ---- text ---------------------------------------------------------------------------------- */

int wfs_value_text(const struct wfs_value *v, struct wfs_buf *buf, struct wfs_value *ret,
                   struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    *ret = *v;
    ret->is_path = false;
    if (!v->is_path ||
        !(memchr(v->s, WFS_SEP, v->len) || memchr(v->s, '.', v->len) || memchr(v->s, '%', v->len)))
        return 0;
    wfs_buf_add(&path, v->s, v->len);
    if (wfs_buf_ok(&path))
        wfs_path_join(buf, path.data, '.');
    if (!wfs_buf_ok(&path) || !wfs_buf_ok(buf))
        return wfs_error_nomem(err, "names");
    ret->s = buf->data;
    ret->len = buf->len;
    return 0;
}

void wfs_value_add_as_path(struct wfs_buf *out, const struct wfs_value *v)
{
    for (size_t i = 0; i < v->len; i++) {
        bool coded = v->s[i] == '%' && v->len - i > 2 && v->s[i + 1] == '2';
        if (coded && (v->s[i + 2] == '5' || (v->s[i + 2] | 32) == 'e')) {
            wfs_buf_char(out, v->s[i + 2] == '5' ? '%' : '.');
            i += 2;
        } else {
            wfs_buf_char(out, v->s[i] == '.' ? WFS_SEP : v->s[i]);
        }
    }
}

/* Replaces every occurrence, left to right. */
static int replace(struct wfs_arena *arena, const struct wfs_value *a, struct wfs_value *ret,
                   struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    const struct wfs_value *from = &a[1], *to = &a[2];
    for (size_t i = 0; i < a[0].len;) {
        if (from->len && a[0].len - i >= from->len && memcmp(a[0].s + i, from->s, from->len) == 0) {
            wfs_buf_add(&buf, to->s, to->len);
            i += from->len;
        } else {
            wfs_buf_char(&buf, a[0].s[i++]);
        }
    }
    const char *s =
        wfs_buf_ok(&buf) ? wfs_arena_strndup(arena, buf.len ? buf.data : "", buf.len) : NULL;
    if (!s)
        return wfs_error_nomem(err, "names");
    *ret = (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = buf.len};
    return 0;
}

static int lower(struct wfs_arena *arena, const struct wfs_value *a, struct wfs_value *ret,
                 struct wfs_error *err)
{
    char *s = wfs_arena_strndup(arena, a->s, a->len);
    if (!s)
        return wfs_error_nomem(err, "names");
    for (size_t i = 0; i < a->len; i++)
        if (s[i] >= 'A' && s[i] <= 'Z')
            s[i] = (char)(s[i] - 'A' + 'a');
    *ret = *a;
    ret->s = s;
    return 0;
}

/* What stands behind the last '.', or between the last two components. */
static struct wfs_value last(const struct wfs_value *a)
{
    const char *sep = memrchr(a->s, a->is_path ? WFS_SEP : '.', a->len);
    struct wfs_value v = *a;
    v.s = sep ? sep + 1 : a->s;
    v.len = (size_t)(a->s + a->len - v.s);
    return v;
}

static bool contains(const struct wfs_value *a, enum wfs_fn fn)
{
    if (a[1].len > a[0].len)
        return false;
    if (fn == WFS_FN_STARTS)
        return memcmp(a[0].s, a[1].s, a[1].len) == 0;
    if (fn == WFS_FN_ENDS)
        return memcmp(a[0].s + a[0].len - a[1].len, a[1].s, a[1].len) == 0;
    return memmem(a[0].s, a[0].len, a[1].s, a[1].len) != NULL;
}

/* Those that look for a text in another. */
static int search(struct wfs_arena *arena, enum wfs_fn fn, const struct wfs_value *args, uint32_t n,
                  struct wfs_value *ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf0 = {0}, buf1 = {0}, buf2 = {0};
    struct wfs_buf *bufs[WFS_VEXPR_MAX_ARGS] = {&buf0, &buf1, &buf2};
    struct wfs_value texts[WFS_VEXPR_MAX_ARGS];
    for (uint32_t i = 0; i < n; i++) {
        int r = wfs_value_text(&args[i], bufs[i], &texts[i], err);
        if (r)
            return r;
    }
    if (fn == WFS_FN_REPLACE)
        return replace(arena, texts, ret, err);
    *ret = wfs_value_bool(contains(texts, fn));
    return 0;
}

int wfs_value_call(struct wfs_arena *arena, enum wfs_fn fn, const struct wfs_value *args,
                   uint32_t n, struct wfs_value *ret, struct wfs_error *err)
{
    if (fn == WFS_FN_LOWER)
        return lower(arena, args, ret, err);
    if (fn != WFS_FN_LAST)
        return search(arena, fn, args, n, ret, err);
    *ret = last(args);
    return 0;
}
