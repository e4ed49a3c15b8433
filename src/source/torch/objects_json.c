/*
 * objects_json.c - plain values of a checkpoint as JSON, for info/objects.json.
 *
 * JSON has no name for most of what a pickle holds, so: bytes are {"$bytes": length}, classes and
 * functions {"$global": "module.name"}, infinities and NaN strings; integers of up to 128 bits are
 * numbers, longer ones {"$int": "hex"}.
 */
#include "source/torch/objects_json.h"

#include <math.h>
#include <string.h>

#include "source/torch/torch_numpy.h"

/* A longer key is none. */
#define OBJECTS_KEY_MAX_BYTES (1u << 16)

void wfs_objects_global_name(struct wfs_buf *out, const struct wfs_node *node)
{
    while (node && node->kind == WFS_NODE_CALL)
        node = node->call->callee;
    if (node && node->kind == WFS_NODE_GLOBAL)
        wfs_buf_printf(out, "%s.%s", node->global->module, node->global->name);
    else
        wfs_buf_str(out, "?");
}

/* A JSON string of text that may hold NUL. */
static void json_text(struct wfs_buf *out, const struct wfs_node_str *str)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    if (!str->data) {
        wfs_buf_printf(out, "{\"$string\": %llu}", (unsigned long long)str->len);
        return;
    }
    for (uint64_t i = 0; i < str->len; i++) {
        if (str->data[i])
            wfs_buf_char(&name, str->data[i]);
        else
            wfs_buf_add(&name, "\xc0\x80", 2);
    }
    out->failed |= name.failed;
    wfs_buf_json(out, name.len ? name.data : "");
}

static void json_float(struct wfs_buf *out, double f)
{
    if (isnan(f))
        wfs_buf_str(out, "\"NaN\"");
    else if (isinf(f))
        wfs_buf_str(out, f < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else
        wfs_buf_printf(out, "%.17g", f);
}

/* Two's complement of up to 16 bytes in decimal. */
static void json_long(struct wfs_buf *out, const struct wfs_node_str *str)
{
    const uint8_t *p = (const uint8_t *)str->data;
    size_t len = (size_t)str->len;
    bool negative = len && p[len - 1] & 0x80;
    if (len > 16) {
        wfs_buf_str(out, "{\"$int\": \"");
        for (size_t i = len; i-- > 0;)
            wfs_buf_printf(out, "%02x", p[i]);
        wfs_buf_str(out, "\"}");
        return;
    }
    unsigned __int128 value = negative ? ~(unsigned __int128)0 : 0;
    for (size_t i = len; i-- > 0;)
        value = value << 8 | p[i];
    if (negative)
        value = -value;
    char digits[48];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + (int)(value % 10));
    while ((value /= 10) != 0);
    if (negative)
        wfs_buf_char(out, '-');
    wfs_buf_add(out, digits + at, sizeof(digits) - at);
}

/* A numpy scalar as its number, anything else as a global's name. */
static void json_call(struct wfs_buf *out, const struct wfs_node *node)
{
    double f = 0;
    int64_t i = 0;
    bool is_int = false;
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    if (node->kind == WFS_NODE_CALL && wfs_torch_numpy_scalar(node, &f, &i, &is_int)) {
        if (is_int)
            wfs_buf_printf(out, "%lld", (long long)i);
        else
            json_float(out, f);
        return;
    }
    wfs_objects_global_name(&name, node);
    out->failed |= name.failed;
    wfs_buf_str(out, "{\"$global\": ");
    wfs_buf_json(out, name.len ? name.data : "");
    wfs_buf_char(out, '}');
}

void wfs_objects_json_value(struct wfs_buf *out, const struct wfs_node *node)
{
    switch (node->kind) {
    case WFS_NODE_NONE:
        wfs_buf_str(out, "null");
        break;
    case WFS_NODE_BOOL:
        wfs_buf_str(out, node->i ? "true" : "false");
        break;
    case WFS_NODE_INT:
        wfs_buf_printf(out, "%lld", (long long)node->i);
        break;
    case WFS_NODE_LONG:
        json_long(out, node->str);
        break;
    case WFS_NODE_FLOAT:
        json_float(out, node->f);
        break;
    case WFS_NODE_STR:
        json_text(out, node->str);
        break;
    case WFS_NODE_BYTES:
        wfs_buf_printf(out, "{\"$bytes\": %llu}", (unsigned long long)node->str->len);
        break;
    default:
        json_call(out, node);
    }
}

/* ---- keys ---------------------------------------------------------------------------------- */

static bool key_text(struct wfs_buf *out, const struct wfs_node_str *str)
{
    if (!str->data || str->len > OBJECTS_KEY_MAX_BYTES)
        return false;
    /* Surrogates, and bytes: a name is UTF-8. */
    if (!wfs_utf8_valid(str->data, (size_t)str->len)) {
        wfs_buf_visible(out, str->data);
        return strlen(str->data) == str->len;
    }
    for (uint64_t i = 0; i < str->len; i++) {
        if (str->data[i])
            wfs_buf_char(out, str->data[i]);
        else
            wfs_buf_add(out, "\xc0\x80", 2);
    }
    return true;
}

/* The items, until they are too long: a tuple may hold one long text many times. */
static bool key_tuple(struct wfs_buf *out, const struct wfs_node *key)
{
    size_t start = out->len;
    for (uint32_t i = 0; i < key->n; i++) {
        if (i)
            wfs_buf_char(out, ',');
        if (key->items[i]->kind == WFS_NODE_TUPLE || !wfs_objects_key(out, key->items[i]) ||
            out->len - start > OBJECTS_KEY_MAX_BYTES)
            return false;
    }
    return true;
}

bool wfs_objects_key(struct wfs_buf *out, const struct wfs_node *key)
{
    switch (key->kind) {
    case WFS_NODE_STR:
    case WFS_NODE_BYTES:
        return key_text(out, key->str);
    case WFS_NODE_INT:
        wfs_buf_printf(out, "%lld", (long long)key->i);
        return true;
    case WFS_NODE_BOOL:
        wfs_buf_str(out, key->i ? "True" : "False");
        return true;
    case WFS_NODE_NONE:
        wfs_buf_str(out, "None");
        return true;
    case WFS_NODE_FLOAT:
        wfs_buf_printf(out, "%.17g", key->f);
        return true;
    case WFS_NODE_TUPLE:
        return key_tuple(out, key);
    case WFS_NODE_GLOBAL:
        wfs_objects_global_name(out, key);
        return true;
    default:
        return false;
    }
}

void wfs_objects_key_kind(struct wfs_buf *out, const struct wfs_node *key)
{
    switch (key->kind) {
    case WFS_NODE_STR:
    case WFS_NODE_BYTES:
        wfs_buf_printf(out, "a text of %llu bytes", (unsigned long long)key->str->len);
        break;
    case WFS_NODE_LONG:
        wfs_buf_printf(out, "an integer of %llu bytes", (unsigned long long)key->str->len);
        break;
    case WFS_NODE_TUPLE:
        wfs_buf_str(out, "a tuple");
        break;
    case WFS_NODE_SET:
        wfs_buf_str(out, "a set");
        break;
    case WFS_NODE_CALL:
        wfs_buf_str(out, "an object of ");
        wfs_objects_global_name(out, key);
        break;
    default:
        wfs_buf_str(out, "an object");
    }
}
