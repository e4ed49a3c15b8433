/*
 * kv.h - the key-value pairs of a GGUF header, being put together: a list in the order of insertion.
 *
 * A key that is put again keeps its place and takes the new value, as in gguf-py's GGUFWriter (a
 * Python dict); so files come out in the converter's order. Values are held as the bytes that the
 * file will have (version 3, little endian). Public to the stages above.
 *
 * Memory that runs out is remembered and told once, by wfs_gguf_kv_encode (-ENOMEM), as with
 * struct wfs_buf: whoever puts need not check. Who reads what was put asks wfs_gguf_kv_ok first.
 */
#ifndef WEIGHTFS_GGUF_KV_KV_H
#define WEIGHTFS_GGUF_KV_KV_H

#include "base/base.h"

/* GGUF's numbers of value types. */
enum wfs_gguf_type {
    WFS_GGUF_U8,
    WFS_GGUF_I8,
    WFS_GGUF_U16,
    WFS_GGUF_I16,
    WFS_GGUF_U32,
    WFS_GGUF_I32,
    WFS_GGUF_F32,
    WFS_GGUF_BOOL,
    WFS_GGUF_STR,
    WFS_GGUF_ARRAY,
    WFS_GGUF_U64,
    WFS_GGUF_I64,
    WFS_GGUF_F64,
};

/* Text of a value; it may hold NULs, and it is not checked to be UTF-8. */
struct wfs_gguf_str {
    const char *ptr;
    size_t len;
};

struct wfs_gguf_pair {
    const char *key;
    enum wfs_gguf_type type;      /* ARRAY: of elem_type */
    enum wfs_gguf_type elem_type; /* of the elements; without ARRAY the same as `type` */
    uint64_t count;               /* of elements; without ARRAY 1 */
    const uint8_t *data; /* the elements, little endian; text: its length in 8 bytes, then it */
    size_t size_bytes;
};

/* Grows in the arena it was made in. */
struct wfs_gguf_kv {
    struct wfs_arena *arena;
    struct wfs_gguf_pair *pairs;
    size_t n, cap;
    struct wfs_strmap by_key;
    bool failed; /* memory ran out: something that was put is not there */
};

/* NULL when out of memory. */
struct wfs_gguf_kv *wfs_gguf_kv_new(struct wfs_arena *arena);
static inline bool wfs_gguf_kv_ok(const struct wfs_gguf_kv *kv)
{
    return !kv->failed;
}

/* Keys, text and elements are copied. */
void wfs_gguf_put_u32(struct wfs_gguf_kv *kv, const char *key, uint32_t value);
void wfs_gguf_put_i32(struct wfs_gguf_kv *kv, const char *key, int32_t value);
void wfs_gguf_put_u64(struct wfs_gguf_kv *kv, const char *key, uint64_t value);
void wfs_gguf_put_f32(struct wfs_gguf_kv *kv, const char *key, float value);
void wfs_gguf_put_bool(struct wfs_gguf_kv *kv, const char *key, bool value);
void wfs_gguf_put_str(struct wfs_gguf_kv *kv, const char *key, const char *value);
void wfs_gguf_put_text(struct wfs_gguf_kv *kv, const char *key, struct wfs_gguf_str value);
/* `elems` are `count` elements of the machine's own: uint32_t for U32 and so on, uint8_t of 0 or 1 for
 * BOOL, struct wfs_gguf_str for STR. An array of arrays cannot be put (nothing writes one). */
void wfs_gguf_put_array(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type elem_type,
                        uint64_t count, const void *elems);
/* A pair whose value is encoded already: of another list, or as a file has it. */
void wfs_gguf_put_pair(struct wfs_gguf_kv *kv, const struct wfs_gguf_pair *pair);

/* NULL where there is no such key. Valid until the next put. */
const struct wfs_gguf_pair *wfs_gguf_kv_find(const struct wfs_gguf_kv *kv, const char *key);
/* Bytes of one element; 0 for STR and ARRAY, whose size is not fixed. */
size_t wfs_gguf_type_bytes(enum wfs_gguf_type type);
/* Element `i` (below count) of whole numbers or truths, sign extended to 64 bits. False for others. */
bool wfs_gguf_int_at(const struct wfs_gguf_pair *pair, uint64_t i, int64_t *ret);
/* Element `i` of F32 or F64. False for others. */
bool wfs_gguf_float_at(const struct wfs_gguf_pair *pair, uint64_t i, double *ret);
/* The text at byte *pos of the pair's data, which moves behind it; start with 0. False at the end and
 * where the elements are no texts. */
bool wfs_gguf_next_text(const struct wfs_gguf_pair *pair, size_t *pos, struct wfs_gguf_str *ret);

/* Appends the pairs as a file of version 3, little endian, has them behind its 24 bytes of header.
 * 0 or -ENOMEM, also where a put ran out of memory. */
int wfs_gguf_kv_encode(const struct wfs_gguf_kv *kv, struct wfs_buf *out);
/* How many bytes of that are one pair. */
uint64_t wfs_gguf_pair_bytes(const struct wfs_gguf_pair *pair);

#endif
