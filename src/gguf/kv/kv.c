/*
 * kv.c - the key-value pairs of a GGUF header: put, found, encoded.
 */
#include "gguf/kv/kv.h"

#include <string.h>

static void add_le(struct wfs_buf *out, uint64_t value, size_t n_bytes)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    wfs_buf_add(out, bytes, n_bytes);
}

static uint64_t get_le(const uint8_t *bytes, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = n_bytes; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

size_t wfs_gguf_type_bytes(enum wfs_gguf_type type)
{
    static const uint8_t sizes[] = {
        [WFS_GGUF_U8] = 1,    [WFS_GGUF_I8] = 1,  [WFS_GGUF_U16] = 2, [WFS_GGUF_I16] = 2,
        [WFS_GGUF_U32] = 4,   [WFS_GGUF_I32] = 4, [WFS_GGUF_F32] = 4, [WFS_GGUF_BOOL] = 1,
        [WFS_GGUF_ARRAY] = 0, [WFS_GGUF_U64] = 8, [WFS_GGUF_I64] = 8, [WFS_GGUF_F64] = 8,
    };
    return (size_t)type < WFS_ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

/* ---- putting ------------------------------------------------------------------------------- */

static void free_map(void *map)
{
    wfs_strmap_free(map);
}

struct wfs_gguf_kv *wfs_gguf_kv_new(struct wfs_arena *arena)
{
    struct wfs_gguf_kv *kv = wfs_arena_alloc(arena, sizeof(*kv));
    if (!kv || wfs_arena_on_free(arena, free_map, &kv->by_key) < 0)
        return NULL;
    kv->arena = arena;
    return kv;
}

/* Room for one more pair. The arena keeps what an outgrown array took, at most as much again. */
static bool make_room(struct wfs_gguf_kv *kv)
{
    if (kv->n < kv->cap)
        return true;
    size_t cap = kv->cap ? 2 * kv->cap : 64;
    struct wfs_gguf_pair *pairs = wfs_arena_array(kv->arena, cap, sizeof(*pairs));
    if (!pairs)
        return false;
    if (kv->n)
        memcpy(pairs, kv->pairs, kv->n * sizeof(*pairs));
    kv->pairs = pairs;
    kv->cap = cap;
    return true;
}

static bool put_new(struct wfs_gguf_kv *kv, const struct wfs_gguf_pair *pair)
{
    char *key = wfs_arena_strdup(kv->arena, pair->key);
    if (!key || !make_room(kv) || wfs_strmap_add(&kv->by_key, key, kv->n) < 0)
        return false;
    kv->pairs[kv->n] = *pair;
    kv->pairs[kv->n++].key = key;
    return true;
}

void wfs_gguf_put_pair(struct wfs_gguf_kv *kv, const struct wfs_gguf_pair *pair)
{
    struct wfs_gguf_pair copy = *pair;
    uint64_t at;
    copy.data = wfs_arena_memdup(kv->arena, pair->data, pair->size_bytes);
    if (!copy.data) {
        kv->failed = true;
    } else if (wfs_strmap_get(&kv->by_key, pair->key, &at)) {
        copy.key = kv->pairs[at].key;
        kv->pairs[at] = copy;
    } else if (!put_new(kv, &copy)) {
        kv->failed = true;
    }
}

static void put_buf(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type type,
                    enum wfs_gguf_type elem_type, uint64_t count, const struct wfs_buf *data)
{
    if (!wfs_buf_ok(data)) {
        kv->failed = true;
        return;
    }
    wfs_gguf_put_pair(kv, &(struct wfs_gguf_pair){key, type, elem_type, count,
                                                  (const uint8_t *)data->data, data->len});
}

static void put_number(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type type,
                       uint64_t value)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf data = {0};
    add_le(&data, value, wfs_gguf_type_bytes(type));
    put_buf(kv, key, type, type, 1, &data);
}

void wfs_gguf_put_u32(struct wfs_gguf_kv *kv, const char *key, uint32_t value)
{
    put_number(kv, key, WFS_GGUF_U32, value);
}

void wfs_gguf_put_i32(struct wfs_gguf_kv *kv, const char *key, int32_t value)
{
    put_number(kv, key, WFS_GGUF_I32, (uint32_t)value);
}

void wfs_gguf_put_u64(struct wfs_gguf_kv *kv, const char *key, uint64_t value)
{
    put_number(kv, key, WFS_GGUF_U64, value);
}

void wfs_gguf_put_f32(struct wfs_gguf_kv *kv, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_number(kv, key, WFS_GGUF_F32, bits);
}

void wfs_gguf_put_bool(struct wfs_gguf_kv *kv, const char *key, bool value)
{
    put_number(kv, key, WFS_GGUF_BOOL, value);
}

static void add_text(struct wfs_buf *out, struct wfs_gguf_str text)
{
    add_le(out, text.len, 8);
    wfs_buf_add(out, text.ptr, text.len);
}

void wfs_gguf_put_text(struct wfs_gguf_kv *kv, const char *key, struct wfs_gguf_str value)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf data = {0};
    add_text(&data, value);
    put_buf(kv, key, WFS_GGUF_STR, WFS_GGUF_STR, 1, &data);
}

void wfs_gguf_put_str(struct wfs_gguf_kv *kv, const char *key, const char *value)
{
    wfs_gguf_put_text(kv, key, (struct wfs_gguf_str){value, strlen(value)});
}

/* One element of the machine's own, as a number of the same bits. */
static uint64_t host_number(const uint8_t *elem, size_t n_bytes)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (n_bytes) {
    case 1:
        return *elem;
    case 2:
        return memcpy(&two, elem, 2), two;
    case 4:
        return memcpy(&four, elem, 4), four;
    default:
        return memcpy(&eight, elem, 8), eight;
    }
}

void wfs_gguf_put_array(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type elem_type,
                        uint64_t count, const void *elems)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf data = {0};
    const struct wfs_gguf_str *texts = elems;
    size_t n_bytes = wfs_gguf_type_bytes(elem_type);
    for (uint64_t i = 0; i < count; i++)
        if (elem_type == WFS_GGUF_STR)
            add_text(&data, texts[i]);
        else
            add_le(&data, host_number((const uint8_t *)elems + i * n_bytes, n_bytes), n_bytes);
    put_buf(kv, key, WFS_GGUF_ARRAY, elem_type, count, &data);
}

/* ---- asking -------------------------------------------------------------------------------- */

const struct wfs_gguf_pair *wfs_gguf_kv_find(const struct wfs_gguf_kv *kv, const char *key)
{
    uint64_t at;
    return wfs_strmap_get(&kv->by_key, key, &at) ? &kv->pairs[at] : NULL;
}

bool wfs_gguf_int_at(const struct wfs_gguf_pair *pair, uint64_t i, int64_t *ret)
{
    static const bool is_signed[] = {
        [WFS_GGUF_I8] = true, [WFS_GGUF_I16] = true, [WFS_GGUF_I32] = true, [WFS_GGUF_F64] = false};
    size_t n_bytes = wfs_gguf_type_bytes(pair->elem_type);
    if (n_bytes == 0 || pair->elem_type == WFS_GGUF_F32 || pair->elem_type == WFS_GGUF_F64)
        return false;
    uint64_t value = get_le(pair->data + i * n_bytes, n_bytes);
    unsigned unused_bits = 64 - 8 * (unsigned)n_bytes;
    *ret = is_signed[pair->elem_type] ? (int64_t)(value << unused_bits) >> unused_bits
                                      : (int64_t)value;
    return true;
}

bool wfs_gguf_float_at(const struct wfs_gguf_pair *pair, uint64_t i, double *ret)
{
    if (pair->elem_type == WFS_GGUF_F32) {
        uint32_t bits = (uint32_t)get_le(pair->data + i * 4, 4);
        float value;
        memcpy(&value, &bits, sizeof(value));
        *ret = (double)value;
        return true;
    }
    if (pair->elem_type != WFS_GGUF_F64)
        return false;
    uint64_t bits = get_le(pair->data + i * 8, 8);
    memcpy(ret, &bits, sizeof(*ret));
    return true;
}

bool wfs_gguf_next_text(const struct wfs_gguf_pair *pair, size_t *pos, struct wfs_gguf_str *ret)
{
    if (pair->elem_type != WFS_GGUF_STR || pair->size_bytes - *pos < 8)
        return false;
    uint64_t len = get_le(pair->data + *pos, 8);
    if (len > pair->size_bytes - *pos - 8)
        return false;
    *ret = (struct wfs_gguf_str){(const char *)pair->data + *pos + 8, (size_t)len};
    *pos += 8 + (size_t)len;
    return true;
}

/* ---- encoding ------------------------------------------------------------------------------ */

int wfs_gguf_kv_encode(const struct wfs_gguf_kv *kv, struct wfs_buf *out)
{
    for (size_t i = 0; i < kv->n; i++) {
        const struct wfs_gguf_pair *pair = &kv->pairs[i];
        add_text(out, (struct wfs_gguf_str){pair->key, strlen(pair->key)});
        add_le(out, pair->type, 4);
        if (pair->type == WFS_GGUF_ARRAY) {
            add_le(out, pair->elem_type, 4);
            add_le(out, pair->count, 8);
        }
        wfs_buf_add(out, pair->data, pair->size_bytes);
    }
    return kv->failed || !wfs_buf_ok(out) ? -ENOMEM : 0;
}

uint64_t wfs_gguf_pair_bytes(const struct wfs_gguf_pair *pair)
{
    return 8 + strlen(pair->key) + 4 + (pair->type == WFS_GGUF_ARRAY ? 12 : 0) + pair->size_bytes;
}
