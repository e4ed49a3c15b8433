/*
 * keys.c - see keys.h.
 *
 * A pair is a string, a type and a value; an array is a type, a count and its elements, which are no
 * arrays (llama.cpp knows none of those). A tokenizer's arrays have 150,000 strings and more: arrays
 * are walked over, never built. In objects.json an array of more than ARRAY_WHOLE elements is
 * {"$array": TYPE, "count": N, "first": [...]}, a string that is too long {"$string": BYTES}, one
 * that is no UTF-8 has \xNN for such bytes, and numbers that JSON has no name for are strings.
 *
 * Refused: unknown types, a key twice, a key longer than KEY_MAX, more than MAX_KEYS of them or more
 * than KEYS_MAX_BYTES of their names, strings and arrays longer than the file, nested arrays, an
 * alignment that is no power of two.
 */
#include "source/gguf/keys.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source/catalog.h"

#define MAX_KEYS          65536
#define KEY_MAX           65535
#define KEYS_MAX_BYTES    (UINT64_C(16) << 20)
#define ARRAY_WHOLE       32
#define ARRAY_FIRST       8
#define ITEM_MAX          1024
#define STRING_MAX        (1u << 20)
#define METADATA_MAX      4096
#define ALIGNMENT         "general.alignment"
#define DEFAULT_ALIGNMENT 32

/* enum gguf_type of gguf.h. */
enum value_type {
    TYPE_U8,
    TYPE_I8,
    TYPE_U16,
    TYPE_I16,
    TYPE_U32,
    TYPE_I32,
    TYPE_F32,
    TYPE_BOOL,
    TYPE_STRING,
    TYPE_ARRAY,
    TYPE_U64,
    TYPE_I64,
    TYPE_F64,
};
static const struct {
    const char *name;
    uint32_t n_bytes; /* 0: no number */
    bool is_signed;
} types[] = {
    [TYPE_U8] = {"uint8", 1},        [TYPE_I8] = {"int8", 1, true}, [TYPE_U16] = {"uint16", 2},
    [TYPE_I16] = {"int16", 2, true}, [TYPE_U32] = {"uint32", 4},    [TYPE_I32] = {"int32", 4, true},
    [TYPE_F32] = {"float32", 4},     [TYPE_BOOL] = {"bool", 1},     [TYPE_STRING] = {"string", 0},
    [TYPE_ARRAY] = {"array", 0},     [TYPE_U64] = {"uint64", 8},    [TYPE_I64] = {"int64", 8, true},
    [TYPE_F64] = {"float64", 8},
};

struct keys {
    struct wfs_gguf_reader *g;
    struct wfs_catalog *catalog;
    struct wfs_gguf_keys *out;
    struct wfs_strmap seen; /* names, in the catalog's arena */
    uint64_t name_bytes;
    struct wfs_buf text;    /* the string that was taken last */
    struct wfs_buf objects; /* the JSON */
    bool too_much_text;     /* values are left out of the JSON from here on */
    const char *key;        /* whose value is taken, and where it began */
    uint64_t key_at;
};

static int fail(const struct keys *k, struct wfs_error *err, const char *text)
{
    return wfs_gguf_fail(k->g, k->key_at, err, "key \"%.200s\": %s", k->key, text);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static int64_t extend(uint64_t raw, uint32_t n_bytes)
{
    unsigned shift = 64 - 8 * n_bytes;
    return (int64_t)(raw << shift) >> shift;
}

static double to_double(enum value_type type, uint64_t raw)
{
    double value;
    float single;
    uint32_t low = (uint32_t)raw;
    memcpy(&value, &raw, sizeof(value));
    memcpy(&single, &low, sizeof(single));
    return type == TYPE_F32 ? (double)single : value;
}

/* As JSON, and as metadata where it is a plain number. */
static void number_text(struct wfs_buf *out, enum value_type type, uint64_t raw)
{
    if (type == TYPE_BOOL) {
        wfs_buf_str(out, raw ? "true" : "false");
    } else if (type == TYPE_F32 || type == TYPE_F64) {
        double f = to_double(type, raw);
        if (isnan(f))
            wfs_buf_str(out, "\"NaN\"");
        else if (isinf(f))
            wfs_buf_str(out, f < 0 ? "\"-Infinity\"" : "\"Infinity\"");
        else
            wfs_buf_printf(out, type == TYPE_F32 ? "%.9g" : "%.17g", f);
    } else if (types[type].is_signed) {
        wfs_buf_printf(out, "%" PRId64, extend(raw, types[type].n_bytes));
    } else {
        wfs_buf_printf(out, "%" PRIu64, raw);
    }
}

/* ---- strings ------------------------------------------------------------------------------- */

/* Makes k->text, of any bytes, a C string: NUL as names hold it, \xNN for what is no UTF-8. */
static int settle_text(struct keys *k, bool *ret_is_utf8, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf raw = k->text;
    k->text = (struct wfs_buf){0};
    const char *s = raw.len ? raw.data : "";
    bool is_utf8 = wfs_utf8_valid(s, raw.len);
    wfs_cleanup(wfs_buf_free) struct wfs_buf coded = {0};
    for (size_t i = 0; i < raw.len; i++) {
        if (s[i])
            wfs_buf_char(&coded, s[i]);
        else
            wfs_buf_add(&coded, "\xc0\x80", 2);
    }
    wfs_buf_char(&coded, '\0');
    if (is_utf8 && wfs_buf_ok(&coded))
        wfs_buf_str(&k->text, coded.data);
    else if (wfs_buf_ok(&coded))
        wfs_buf_visible(&k->text, coded.data);
    wfs_buf_char(&k->text, '\0');
    *ret_is_utf8 = is_utf8;
    return wfs_buf_ok(&coded) && wfs_buf_ok(&k->text) ? 0 : wfs_error_nomem(err, "a string");
}

/* Takes a string and adds it to the JSON; *ret_is_text says that k->text holds it as it is. */
static int take_string(struct keys *k, size_t max, struct wfs_buf *out, bool *ret_is_text,
                       struct wfs_error *err)
{
    uint64_t len;
    int r = wfs_gguf_string(k->g, max, &k->text, &len, err);
    *ret_is_text = false;
    if (r || !out)
        return r;
    if (len > max) {
        wfs_buf_printf(out, "{\"$string\": %" PRIu64 "}", len);
        return 0;
    }
    r = settle_text(k, ret_is_text, err);
    if (!r)
        wfs_buf_json(out, k->text.data);
    return r;
}

/* ---- arrays -------------------------------------------------------------------------------- */

/* out NULL: it is only walked over. */
static int take_item(struct keys *k, enum value_type type, struct wfs_buf *out,
                     struct wfs_error *err)
{
    uint64_t raw;
    bool is_text;
    if (type == TYPE_STRING)
        return take_string(k, out ? ITEM_MAX : 0, out, &is_text, err);
    int r = wfs_gguf_number(k->g, types[type].n_bytes, &raw, err);
    if (!r && out)
        number_text(out, type, raw);
    return r;
}

static int skip_items(struct keys *k, enum value_type type, uint64_t n, struct wfs_error *err)
{
    int r = 0;
    if (type != TYPE_STRING)
        return wfs_gguf_skip(k->g, n * types[type].n_bytes, err);
    for (uint64_t i = 0; !r && i < n; i++)
        r = take_item(k, type, NULL, err);
    return r;
}

static int array_header(struct keys *k, enum value_type *ret_type, uint64_t *ret_n,
                        struct wfs_error *err)
{
    uint32_t type;
    uint64_t n;
    int r = wfs_gguf_u32(k->g, &type, err);
    if (!r)
        r = wfs_gguf_number(k->g, 8, &n, err);
    if (r)
        return r;
    if (type == TYPE_ARRAY)
        return fail(k, err, "an array of arrays");
    if (type >= WFS_ARRAY_SIZE(types))
        return fail(k, err, "an array of a type that GGUF does not have");
    /* A string has at least its length. */
    uint32_t n_bytes = type == TYPE_STRING ? 8 : types[type].n_bytes;
    if (n > WFS_GGUF_MAX_ARRAY || n > wfs_cursor_left(k->g->cur) / n_bytes)
        return fail(k, err, "the array is longer than the file (or than 2^30)");
    *ret_type = (enum value_type)type;
    *ret_n = n;
    return 0;
}

static int take_array(struct keys *k, struct wfs_buf *out, struct wfs_error *err)
{
    enum value_type type;
    uint64_t n;
    int r = array_header(k, &type, &n, err);
    if (r)
        return r;
    uint64_t n_shown = !out ? 0 : n > ARRAY_WHOLE ? ARRAY_FIRST : n;
    if (out && n > n_shown)
        wfs_buf_printf(
            out, "{\"$array\": \"%s\", \"count\": %" PRIu64 ", \"first\": ", types[type].name, n);
    if (out)
        wfs_buf_char(out, '[');
    for (uint64_t i = 0; !r && i < n_shown; i++) {
        if (i)
            wfs_buf_str(out, ", ");
        r = take_item(k, type, out, err);
    }
    if (!r)
        r = skip_items(k, type, n - n_shown, err);
    if (out)
        wfs_buf_str(out, n > n_shown ? "]}" : "]");
    return r;
}

/* ---- keys that speak of the file ----------------------------------------------------------- */

static int note_alignment(struct keys *k, enum value_type type, uint64_t raw, struct wfs_error *err)
{
    if (type != TYPE_U32)
        return fail(k, err, "it is no uint32");
    if (raw == 0 || (raw & (raw - 1)) != 0)
        return fail(k, err, "it is no power of two");
    k->out->alignment = (uint32_t)raw;
    return 0;
}

static int note_split(struct keys *k, enum value_type type, uint64_t raw, struct wfs_error *err)
{
    const char *name = k->key + strlen("split.");
    bool is_integer = type != TYPE_F32 && type != TYPE_F64 && type != TYPE_BOOL;
    if (!is_integer || (types[type].is_signed && extend(raw, types[type].n_bytes) < 0))
        return fail(k, err, "it is no count");
    if (strcmp(name, "no") == 0)
        k->out->split_no = raw;
    if (strcmp(name, "tensors.count") == 0)
        k->out->split_n_tensors = raw;
    if (strcmp(name, "count") == 0) {
        k->out->split_count = raw;
        k->out->has_split = true;
    }
    return 0;
}

static int note_number(struct keys *k, enum value_type type, uint64_t raw, struct wfs_error *err)
{
    if (strcmp(k->key, ALIGNMENT) == 0)
        return note_alignment(k, type, raw, err);
    if (strncmp(k->key, "split.", 6) == 0)
        return note_split(k, type, raw, err);
    return 0;
}

/* ---- a pair -------------------------------------------------------------------------------- */

/* split.no differs from file to file, where other metadata is the checkpoint's. */
static int add_metadata(struct keys *k, const char *value, struct wfs_error *err)
{
    if (strcmp(k->key, "split.no") == 0 || strlen(value) > METADATA_MAX)
        return 0;
    return wfs_catalog_add_metadata(k->catalog, k->key, value, err);
}

static int take_number(struct keys *k, enum value_type type, struct wfs_buf *out,
                       struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    uint64_t raw;
    int r = wfs_gguf_number(k->g, types[type].n_bytes, &raw, err);
    if (!r)
        r = note_number(k, type, raw, err);
    if (r)
        return r;
    number_text(&text, type, raw);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, "a number");
    if (out)
        wfs_buf_str(out, text.data);
    return text.data[0] == '"' ? 0 : add_metadata(k, text.data, err);
}

static int take_value(struct keys *k, uint32_t type, struct wfs_buf *out, struct wfs_error *err)
{
    bool is_text;
    if (type >= WFS_ARRAY_SIZE(types)) {
        char text[80];
        snprintf(text, sizeof(text), "a value of type %u, which GGUF does not have", type);
        return fail(k, err, text);
    }
    if (type == TYPE_ARRAY)
        return take_array(k, out, err);
    if (type != TYPE_STRING)
        return take_number(k, (enum value_type)type, out, err);
    if (strcmp(k->key, ALIGNMENT) == 0)
        return fail(k, err, "it is no uint32");
    int r = take_string(k, out ? STRING_MAX : 0, out, &is_text, err);
    return r || !is_text ? r : add_metadata(k, k->text.data, err);
}

static int take_key(struct keys *k, struct wfs_error *err)
{
    uint64_t len;
    k->key_at = wfs_gguf_at(k->g);
    int r = wfs_gguf_string(k->g, KEY_MAX, &k->text, &len, err);
    if (r)
        return r;
    const char *text = k->text.len ? k->text.data : "";
    if (len > KEY_MAX || (k->name_bytes += len) > KEYS_MAX_BYTES)
        return wfs_gguf_fail(k->g, k->key_at, err, "a key of %" PRIu64 " bytes, too many", len);
    if (!wfs_utf8_valid(text, (size_t)len))
        return wfs_gguf_fail(k->g, k->key_at, err, "a key that is no UTF-8");
    k->key = wfs_name_from_bytes(k->catalog->arena, text, (size_t)len);
    if (!k->key)
        return wfs_error_nomem(err, "a key");
    r = wfs_strmap_add(&k->seen, k->key, 0);
    if (r == -EEXIST)
        return fail(k, err, "it is there twice");
    return r ? wfs_error_nomem(err, "the keys") : 0;
}

/* Beyond what info/objects.json shows of any source, values are only walked over. */
#define OBJECTS_MAX_BYTES (UINT64_C(32) << 20)

static int take_pair(struct keys *k, bool is_first, struct wfs_error *err)
{
    uint32_t type;
    int r = take_key(k, err);
    if (!r)
        r = wfs_gguf_u32(k->g, &type, err);
    if (r)
        return r;
    k->too_much_text |= k->objects.len > OBJECTS_MAX_BYTES;
    struct wfs_buf *out = k->too_much_text ? NULL : &k->objects;
    if (out) {
        wfs_buf_str(out, is_first ? "{" : ", ");
        wfs_buf_json(out, k->key);
        wfs_buf_str(out, ": ");
    }
    r = take_value(k, type, out, err);
    if (!r && !wfs_buf_ok(&k->objects))
        r = wfs_error_nomem(err, "the plain values");
    return r;
}

static int take_pairs(struct keys *k, const char *file, uint64_t n_keys, struct wfs_error *err)
{
    int r = 0;
    for (uint64_t i = 0; !r && i < n_keys; i++)
        r = take_pair(k, i == 0, err);
    if (r || n_keys == 0)
        return r;
    wfs_buf_char(&k->objects, '}');
    if (k->too_much_text)
        wfs_catalog_note(k->catalog, WFS_NOTE_WARNING, file,
                         "more values than info/objects.json shows: the last ones are left out");
    if (!wfs_buf_ok(&k->objects))
        return wfs_error_nomem(err, "the plain values");
    return wfs_catalog_add_objects(k->catalog, file, k->objects.data, err);
}

int wfs_gguf_read_keys(struct wfs_gguf_reader *g, struct wfs_catalog *catalog, const char *file,
                       uint64_t n_keys, struct wfs_gguf_keys *ret, struct wfs_error *err)
{
    struct keys k = {.g = g, .catalog = catalog, .out = ret};
    *ret = (struct wfs_gguf_keys){.alignment = DEFAULT_ALIGNMENT, .split_n_tensors = UINT64_MAX};
    if (n_keys > MAX_KEYS)
        return wfs_gguf_fail(g, 16, err, "%" PRIu64 " keys; more than %d are no model's", n_keys,
                             MAX_KEYS);
    int r = take_pairs(&k, file, n_keys, err);
    wfs_strmap_free(&k.seen);
    wfs_buf_free(&k.text);
    wfs_buf_free(&k.objects);
    return r;
}
