/*
 * json.c - JSON files in memory, bounded; jansson does the reading.
 */
#include "mapping/items/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* `catalog` judges the file that was opened, whatever the path led to before; NULL: no link is
 * judged. */
static int read_text(const struct wfs_catalog *catalog, const char *path, uint64_t max_bytes,
                     char **ret, size_t *ret_len, struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    int r = wfs_bytes_open(path, &bytes, err);
    if (!r && catalog)
        r = wfs_catalog_check_link(catalog, path, bytes, err);
    if (!r)
        r = wfs_bytes_read_text(bytes, max_bytes, ret, err);
    if (!r)
        *ret_len = (size_t)bytes->size_bytes;
    return r;
}

/* The length of a number at s that Python's json writes and JSON does not have, or 0. */
static size_t python_number(const char *s)
{
    static const char *const words[] = {"Infinity", "-Infinity", "NaN"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++)
        if (strncmp(s, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return 0;
}

/* Mamba-2's config.json has time_step_limit: [0.0, Infinity]. No rule asks for such a value, so it
 * becomes null, which is not known. */
static int plain_json(const char *text, struct wfs_buf *out, struct wfs_error *err)
{
    bool in_string = false;
    for (const char *s = text; *s;) {
        size_t n = in_string ? 0 : python_number(s);
        if (n) {
            wfs_buf_str(out, "null");
            s += n;
            continue;
        }
        if (in_string && *s == '\\' && s[1])
            wfs_buf_char(out, *s++);
        else if (*s == '"')
            in_string = !in_string;
        wfs_buf_char(out, *s++);
    }
    return wfs_buf_ok(out) ? 0 : wfs_error_nomem(err, "config");
}

static int load(const struct wfs_catalog *catalog, const char *path, uint64_t max_bytes,
                json_t **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *text = NULL;
    wfs_cleanup(wfs_buf_free) struct wfs_buf plain = {0};
    size_t len;
    json_error_t at;
    int r = read_text(catalog, path, max_bytes, &text, &len, err);
    if (!r && !memchr(text, 0, len))
        r = plain_json(text, &plain, err);
    if (r)
        return r;
    bool is_plain = plain.data != NULL;
    json_t *root =
        json_loadb(is_plain ? plain.data : text, is_plain ? plain.len : len, JSON_DECODE_ANY, &at);
    if (!root)
        return wfs_error_set(err, EINVAL, "%s:%d:%d: no JSON: %s", path, at.line, at.column,
                             at.text);
    *ret = root;
    return 0;
}

int wfs_json_load(const char *path, uint64_t max_bytes, json_t **ret, struct wfs_error *err)
{
    return load(NULL, path, max_bytes, ret, err);
}

int wfs_json_load_of(const struct wfs_catalog *catalog, const char *path, uint64_t max_bytes,
                     json_t **ret, struct wfs_error *err)
{
    return load(catalog, path, max_bytes, ret, err);
}
