/*
 * source_keys.c - see source_keys.h. The file was scanned when it was opened, so what is refused there
 * (unknown types, nested arrays, lengths past the end) does not come; whatever does is an error.
 */
#include "gguf/kv/source_keys.h"

#include <inttypes.h>
#include <string.h>

#include "source/gguf/reader.h"

#define KEY_MAX 65535

struct reading {
    struct wfs_gguf_reader g;
    struct wfs_gguf_kv *kv;
    struct wfs_buf key, text, data; /* data: the value that is read, as version 3 has it */
    uint64_t total;
};

static void add_le(struct wfs_buf *out, uint64_t value, size_t n_bytes)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    wfs_buf_add(out, bytes, n_bytes);
}

static int read_element(struct reading *x, enum wfs_gguf_type type, struct wfs_error *err)
{
    size_t n_bytes = wfs_gguf_type_bytes(type);
    uint64_t value;
    if (type == WFS_GGUF_STR) {
        int r = wfs_gguf_string(&x->g, SIZE_MAX, &x->text, &value, err);
        if (r)
            return r;
        add_le(&x->data, value, 8);
        wfs_buf_add(&x->data, x->text.data, (size_t)value);
        return 0;
    }
    if (n_bytes == 0)
        return wfs_gguf_fail(&x->g, wfs_gguf_at(&x->g), err, "a value of type %d", (int)type);
    int r = wfs_gguf_number(&x->g, (uint32_t)n_bytes, &value, err);
    if (!r)
        add_le(&x->data, value, n_bytes);
    return r;
}

static int read_elements(struct reading *x, struct wfs_gguf_pair *pair, struct wfs_error *err)
{
    int r = 0;
    for (uint64_t i = 0; !r && i < pair->count; i++) {
        r = read_element(x, pair->elem_type, err);
        if (!r && x->total + x->data.len > WFS_GGUF_SOURCE_KEYS_MAX)
            r = wfs_error_set(err, EFBIG, "%s: key \"%.200s\": the keys are over %" PRIu64 " bytes",
                              x->g.bytes->name, pair->key, WFS_GGUF_SOURCE_KEYS_MAX);
    }
    if (!r && !wfs_buf_ok(&x->data))
        r = wfs_error_nomem(err, "the keys of a GGUF file");
    return r;
}

static int read_type(struct reading *x, struct wfs_gguf_pair *pair, struct wfs_error *err)
{
    uint32_t type, elem_type;
    int r = wfs_gguf_u32(&x->g, &type, err);
    pair->count = 1;
    elem_type = r ? 0 : type;
    if (!r && type == WFS_GGUF_ARRAY)
        r = wfs_gguf_u32(&x->g, &elem_type, err);
    if (!r && type == WFS_GGUF_ARRAY)
        r = wfs_gguf_number(&x->g, 8, &pair->count, err);
    pair->type = (enum wfs_gguf_type)type;
    pair->elem_type = (enum wfs_gguf_type)elem_type;
    return r;
}

static int read_pair(struct reading *x, struct wfs_error *err)
{
    struct wfs_gguf_pair pair = {0};
    uint64_t len;
    int r = wfs_gguf_string(&x->g, KEY_MAX, &x->key, &len, err);
    if (r)
        return r;
    wfs_buf_char(&x->key, '\0');
    if (!wfs_buf_ok(&x->key))
        return wfs_error_nomem(err, "a key of a GGUF file");
    pair.key = x->key.data;
    x->data.len = 0;
    r = read_type(x, &pair, err);
    if (!r)
        r = read_elements(x, &pair, err);
    if (r)
        return r;
    x->total += x->data.len;
    pair.data = x->data.len ? (const uint8_t *)x->data.data : (const uint8_t *)"";
    pair.size_bytes = x->data.len;
    if (strncmp(pair.key, "split.", strlen("split.")) != 0)
        wfs_gguf_put_pair(x->kv, &pair);
    return 0;
}

static int read_all(struct reading *x, struct wfs_error *err)
{
    uint64_t n_tensors, n_pairs;
    uint32_t magic, version;
    int r = wfs_gguf_u32(&x->g, &magic, err);
    if (!r)
        r = wfs_gguf_u32(&x->g, &version, err);
    if (r)
        return r;
    x->g.is_big_endian = (version & 0xffff) == 0;
    r = wfs_gguf_number(&x->g, 8, &n_tensors, err);
    if (!r)
        r = wfs_gguf_number(&x->g, 8, &n_pairs, err);
    for (uint64_t i = 0; !r && i < n_pairs; i++)
        r = read_pair(x, err);
    if (!r && !wfs_gguf_kv_ok(x->kv))
        r = wfs_error_nomem(err, "the keys of a GGUF file");
    return r;
}

bool wfs_gguf_is_source(const struct wfs_catalog *catalog)
{
    return strcmp(catalog->format, "gguf") == 0;
}

int wfs_gguf_source_keys(const struct wfs_catalog *catalog, struct wfs_gguf_kv *kv,
                         struct wfs_error *err)
{
    struct reading x = {.kv = kv};
    int r = wfs_gguf_open(&x.g, catalog->files[0].bytes, err);
    if (!r)
        r = read_all(&x, err);
    wfs_gguf_close(&x.g);
    wfs_buf_free(&x.key);
    wfs_buf_free(&x.text);
    wfs_buf_free(&x.data);
    return r;
}
