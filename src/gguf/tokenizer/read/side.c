/*
 * side.c - see side.h.
 */
#include "gguf/tokenizer/read/side.h"

#include <stdlib.h>
#include <string.h>

/* A whole number of more digits is written as a real one: 10^18 - 1 is inside 63 bits. */
#define INTEGER_DIGITS 18

static const struct wfs_side_file *find(const struct wfs_catalog *catalog, const char *name)
{
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        if (strcmp(catalog->side_files[i].name, name) == 0)
            return &catalog->side_files[i];
    return NULL;
}

bool wfs_side_has(const struct wfs_catalog *catalog, const char *name)
{
    return find(catalog, name) != NULL;
}

int wfs_side_open(const struct wfs_catalog *catalog, const char *name, struct wfs_bytes **ret,
                  struct wfs_error *err)
{
    const struct wfs_side_file *file = find(catalog, name);
    struct wfs_bytes *bytes = NULL;
    if (file && file->bytes)
        bytes = wfs_bytes_ref(file->bytes);
    int r = file && !bytes ? wfs_bytes_open(file->path, &bytes, err) : 0;
    if (!r && bytes && !file->bytes)
        r = wfs_catalog_check_link(catalog, file->path, bytes, err);
    if (r) {
        wfs_bytes_unref(bytes);
        return r;
    }
    *ret = bytes;
    return 0;
}

int wfs_side_read(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  struct wfs_gguf_str *ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    int r = wfs_side_open(catalog, name, &bytes, err);
    if (r)
        return r;
    if (!bytes) {
        *ret = (struct wfs_gguf_str){0};
        return 0;
    }
    if (bytes->size_bytes > WFS_SIDE_MAX_BYTES)
        return wfs_error_set(err, EFBIG, "%s: larger than %llu bytes", bytes->name,
                             (unsigned long long)WFS_SIDE_MAX_BYTES);
    size_t len = (size_t)bytes->size_bytes;
    char *text = wfs_arena_alloc(arena, len + 1);
    if (!text)
        return wfs_error_nomem(err, bytes->name);
    r = wfs_bytes_read(bytes, text, len, 0, err);
    if (!r)
        *ret = (struct wfs_gguf_str){text, len};
    return r;
}

int wfs_side_text(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  struct wfs_gguf_str *ret, struct wfs_error *err)
{
    struct wfs_gguf_str text;
    int r = wfs_side_read(arena, catalog, name, &text, err);
    if (r)
        return r;
    if (text.ptr && !wfs_utf8_valid(text.ptr, text.len))
        return wfs_error_set(err, EINVAL, "%s: not valid UTF-8", name);
    *ret = text;
    return 0;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* The length of a number at s that Python's json writes and JSON does not have, or 0. */
static size_t python_number(struct wfs_gguf_str text)
{
    static const char *const words[] = {"Infinity", "-Infinity", "NaN"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++)
        if (wfs_text_begins(text, words[i]))
            return strlen(words[i]);
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Copies what stands outside strings at text up to its first byte that is no digit. */
static size_t copy_digits(struct wfs_gguf_str text, struct wfs_buf *out)
{
    size_t n = 0;
    while (n < text.len && is_digit(text.ptr[n]))
        n++;
    wfs_buf_add(out, text.ptr, n);
    bool is_whole = n == text.len || !strchr(".eE", text.ptr[n]) || !text.ptr[n];
    if (n > INTEGER_DIGITS && is_whole)
        wfs_buf_str(out, ".0");
    return n;
}

/* One step outside strings: how many bytes were taken. */
static size_t copy_outside(struct wfs_gguf_str rest, bool after_point, struct wfs_buf *out)
{
    size_t n = python_number(rest);
    if (n) {
        wfs_buf_str(out, "null");
        return n;
    }
    if (is_digit(*rest.ptr) && !after_point)
        return copy_digits(rest, out);
    wfs_buf_char(out, *rest.ptr);
    return 1;
}

static int plain_json(struct wfs_gguf_str text, struct wfs_buf *out, struct wfs_error *err)
{
    bool in_string = false;
    for (size_t i = 0; i < text.len;) {
        char c = text.ptr[i];
        if (!in_string && c != '"') {
            bool after_point = i > 0 && (text.ptr[i - 1] == '.' || is_digit(text.ptr[i - 1]));
            i += copy_outside((struct wfs_gguf_str){text.ptr + i, text.len - i}, after_point, out);
            continue;
        }
        if (in_string && c == '\\' && i + 1 < text.len)
            wfs_buf_char(out, text.ptr[i++]);
        else if (c == '"')
            in_string = !in_string;
        wfs_buf_char(out, text.ptr[i++]);
    }
    return wfs_buf_ok(out) ? 0 : wfs_error_nomem(err, "JSON");
}

static void decref(void *json)
{
    json_decref(json);
}

int wfs_side_parse(struct wfs_arena *arena, const char *name, struct wfs_gguf_str text,
                   json_t **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf plain = {0};
    json_error_t at;
    int r = plain_json(text, &plain, err);
    if (r)
        return r;
    json_t *root = json_loadb(plain.data ? plain.data : "", plain.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!root && json_error_code(&at) == json_error_out_of_memory)
        return wfs_error_nomem(err, name);
    if (!root)
        return wfs_error_set(err, EINVAL, "%s: line %d: no JSON: %s", name, at.line, at.text);
    if (wfs_arena_on_free(arena, decref, root))
        return wfs_error_nomem(err, name);
    *ret = root;
    return 0;
}

int wfs_side_json(struct wfs_arena *arena, const struct wfs_catalog *catalog, const char *name,
                  json_t **ret, struct wfs_error *err)
{
    struct wfs_gguf_str text;
    json_t *root = NULL;
    int r = wfs_side_read(arena, catalog, name, &text, err);
    if (!r && text.ptr)
        r = wfs_side_parse(arena, name, text, &root, err);
    if (!r && root && !json_is_object(root))
        r = wfs_error_set(err, EINVAL, "%s: no JSON object", name);
    if (!r)
        *ret = root;
    return r;
}
