/*
 * json_cut.c - members out of JSON text. A string that a colon follows is a name, wherever it stands; so
 * one pass finds them without a tree, whatever the depth.
 */
#include "tree/contents/json_cut.h"

#include <string.h>

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && strchr(" \t\r\n", *s) && *s)
        s++;
    return s;
}

/* Behind the string whose quote s is at. */
static const char *skip_string(const char *s, const char *end)
{
    for (s++; s < end && *s != '"'; s++)
        s += *s == '\\' && s + 1 < end;
    return s < end ? s + 1 : end;
}

/* Behind the value at s: an object or array with all in it, a string, or a word. */
static const char *skip_value(const char *s, const char *end)
{
    size_t depth = 0;
    while (s < end) {
        if (*s == '"') {
            s = skip_string(s, end);
        } else if (*s == '{' || *s == '[') {
            depth++;
            s++;
        } else if (depth > 0 && (*s == '}' || *s == ']')) {
            depth--;
            s++;
        } else if (depth == 0 && strchr(",}] \t\r\n", *s)) {
            break; /* the end of a word */
        } else {
            s++;
            if (depth == 0)
                continue;
        }
        if (depth == 0)
            break;
    }
    return s;
}

static bool is_one_of(const char *s, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == len && memcmp(s, *names, len) == 0)
            return true;
    return false;
}

/* Behind the member whose name begins at s, where it is one of these; else NULL. */
static const char *member_end(const char *s, const char *end, const char *const *names)
{
    const char *behind = skip_string(s, end), *colon = skip_blanks(behind, end);
    if (colon >= end || *colon != ':' || !is_one_of(s + 1, (size_t)(behind - s - 2), names))
        return NULL;
    return skip_value(skip_blanks(colon + 1, end), end);
}

/* Takes the comma in front of what was cut off the end, with the blanks around it; false where the member
 * was the first. */
static bool drop_comma(struct wfs_buf *out)
{
    size_t len = out->len;
    while (len > 0 && strchr(" \t\r\n", out->data[len - 1]) && out->data[len - 1])
        len--;
    if (len == 0 || out->data[len - 1] != ',')
        return false;
    out->len = len - 1;
    return true;
}

void wfs_json_cut(const char *text, size_t len, const char *const *names, struct wfs_buf *out)
{
    const char *end = text + len;
    for (const char *s = text; s < end;) {
        const char *behind = *s == '"' ? member_end(s, end, names) : NULL;
        const char *next = behind ? behind : *s == '"' ? skip_string(s, end) : s + 1;
        if (!behind) {
            wfs_buf_add(out, s, (size_t)(next - s));
        } else if (!drop_comma(out)) { /* the first of its object: the comma behind it goes */
            const char *comma = skip_blanks(next, end);
            if (comma < end && *comma == ',')
                next = skip_blanks(comma + 1, end);
        }
        s = next;
    }
}
