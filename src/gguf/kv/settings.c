/*
 * settings.c - see settings.h.
 */
#include "gguf/kv/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Whole and nothing but a number. */
static bool parse_integer(const char *text, bool *ret_is_negative, uint64_t *ret)
{
    char *end;
    *ret_is_negative = text[0] == '-';
    const char *digits = text + *ret_is_negative;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    *ret = strtoull(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_float(const char *text, double *ret)
{
    char *end;
    if (!strchr("+-.0123456789", text[0]))
        return false;
    *ret = strtod(text, &end);
    return *text && *end == '\0';
}

static bool parse_bool(const char *text, bool *ret)
{
    *ret = strcmp(text, "true") == 0;
    return *ret || strcmp(text, "false") == 0;
}

/* Does the number fit into a whole number of the type? */
static bool fits(enum wfs_gguf_type type, bool is_negative, uint64_t value)
{
    unsigned bits = 8 * (unsigned)wfs_gguf_type_bytes(type);
    bool is_signed =
        type == WFS_GGUF_I8 || type == WFS_GGUF_I16 || type == WFS_GGUF_I32 || type == WFS_GGUF_I64;
    if (!is_signed)
        return !is_negative && (bits == 64 || value >> bits == 0);
    return value <= (UINT64_C(1) << (bits - 1)) - !is_negative;
}

static void put_bits(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type type,
                     uint64_t bits)
{
    uint8_t data[8];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(bits >> (8 * i));
    wfs_gguf_put_pair(kv,
                      &(struct wfs_gguf_pair){key, type, type, 1, data, wfs_gguf_type_bytes(type)});
}

static void put_float(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type type,
                      double value)
{
    uint64_t bits;
    if (type == WFS_GGUF_F32) {
        wfs_gguf_put_f32(kv, key, (float)value);
        return;
    }
    memcpy(&bits, &value, sizeof(bits));
    put_bits(kv, key, type, bits);
}

/* False where the text is no value of the type. */
static bool put_typed(struct wfs_gguf_kv *kv, const char *key, enum wfs_gguf_type type,
                      const char *text)
{
    bool truth, is_negative;
    uint64_t value;
    double number;
    switch (type) {
    case WFS_GGUF_STR:
        wfs_gguf_put_str(kv, key, text);
        return true;
    case WFS_GGUF_BOOL:
        if (parse_bool(text, &truth))
            wfs_gguf_put_bool(kv, key, truth);
        return parse_bool(text, &truth);
    case WFS_GGUF_F32:
    case WFS_GGUF_F64:
        if (!parse_float(text, &number))
            return false;
        put_float(kv, key, type, number);
        return true;
    case WFS_GGUF_ARRAY:
        return false;
    default:
        if (!parse_integer(text, &is_negative, &value) || !fits(type, is_negative, value))
            return false;
        put_bits(kv, key, type, is_negative ? -value : value);
        return true;
    }
}

static enum wfs_gguf_type type_of_text(const char *text)
{
    bool truth, is_negative;
    uint64_t value;
    double number;
    if (parse_bool(text, &truth))
        return WFS_GGUF_BOOL;
    if (parse_integer(text, &is_negative, &value)) {
        if (is_negative)
            return fits(WFS_GGUF_I32, true, value) ? WFS_GGUF_I32 : WFS_GGUF_I64;
        return value <= UINT32_MAX ? WFS_GGUF_U32 : WFS_GGUF_U64;
    }
    return parse_float(text, &number) ? WFS_GGUF_F32 : WFS_GGUF_STR;
}

static int put_setting(struct wfs_gguf_kv *kv, const char *name, size_t len, const char *text,
                       struct wfs_error *err)
{
    char key[256];
    if (len >= sizeof(key))
        return wfs_error_set(err, ENAMETOOLONG, "set=%.64s...: too long for a key", name);
    memcpy(key, name, len);
    key[len] = '\0';
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(kv, key);
    enum wfs_gguf_type type = pair                               ? pair->type
                              : strncmp(key, "general.", 8) == 0 ? WFS_GGUF_STR
                                                                 : type_of_text(text);
    if (!put_typed(kv, key, type, text))
        return wfs_error_set(err, EINVAL, "set=%s: '%s' is no value of the key's type", key, text);
    return 0;
}

int wfs_gguf_put_settings(struct wfs_gguf_kv *kv, const char *const *set, struct wfs_error *err)
{
    int r = 0;
    for (; !r && set && *set; set++) {
        const char *name = *set, *equals = strchr(name, '=');
        if (strncmp(name, "gguf.", strlen("gguf.")) == 0)
            name += strlen("gguf.");
        else if (strncmp(name, "general.", strlen("general.")) != 0)
            continue;
        if (equals > name)
            r = put_setting(kv, name, (size_t)(equals - name), equals + 1, err);
    }
    return r;
}
