/*
 * name.c - tensor names and paths. A path is lossless and splits without escapes, since WFS_SEP is
 * in no UTF-8 text; what other formats and file systems need is derived from it here.
 */
#include <ctype.h>
#include <string.h>

#include "base/base.h"

#define NAME_MAX_BYTES 255
#define NAME_CUT_BYTES 200

char *wfs_name_from_bytes(struct wfs_arena *arena, const char *s, size_t len)
{
    size_t n_nul = 0;
    for (size_t i = 0; i < len; i++)
        n_nul += s[i] == '\0';
    char *out = wfs_arena_alloc(arena, len + n_nul + 1);
    if (!out)
        return NULL;
    char *p = out;
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '\0') {
            *p++ = s[i];
        } else {
            *p++ = (char)0xc0;
            *p++ = (char)0x80;
        }
    }
    return out;
}

void wfs_name_to_bytes(struct wfs_buf *out, const char *name)
{
    for (const char *p = name; *p; p++) {
        if ((unsigned char)p[0] == 0xc0 && (unsigned char)p[1] == 0x80) {
            wfs_buf_char(out, '\0');
            p++;
        } else {
            wfs_buf_char(out, *p);
        }
    }
}

char *wfs_path_from_name(struct wfs_arena *arena, const char *name, char sep)
{
    char *path = wfs_arena_strdup(arena, name);
    for (char *p = path; p && *p; p++)
        if (*p == sep)
            *p = WFS_SEP;
    return path;
}

/* An escaped name always holds the code of the separator or %25, and a name that was left alone
 * holds neither, so that the two never become the same. */
static bool join_must_escape(const char *path, char sep)
{
    char code[4];
    snprintf(code, sizeof(code), "%%%02X", (unsigned char)sep);
    return strchr(path, sep) || strstr(path, code) || strstr(path, "%25");
}

void wfs_path_join(struct wfs_buf *out, const char *path, char sep)
{
    bool escape = join_must_escape(path, sep);
    for (const char *p = path; *p; p++) {
        if (*p == WFS_SEP)
            wfs_buf_char(out, sep);
        else if (escape && (*p == sep || *p == '%'))
            wfs_buf_printf(out, "%%%02X", (unsigned char)*p);
        else
            wfs_buf_char(out, *p);
    }
}

char *wfs_path_join_dup(struct wfs_arena *arena, const char *path, char sep)
{
    struct wfs_buf buf wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&buf, path, sep);
    return wfs_buf_ok(&buf) ? wfs_arena_strndup(arena, buf.data, buf.len) : NULL;
}

void wfs_sep_vote(struct wfs_sep_votes *votes, const char *name)
{
    bool has_dot = strchr(name, '.') != NULL, has_slash = strchr(name, '/') != NULL;
    votes->n_dots += has_dot && !has_slash;
    votes->n_slashes += has_slash && !has_dot;
    votes->n_both += has_dot && has_slash;
}

char wfs_sep_choose(const struct wfs_sep_votes *votes, char usual, bool *ret_is_doubtful)
{
    bool is_told = (votes->n_dots == 0) != (votes->n_slashes == 0);
    if (ret_is_doubtful)
        *ret_is_doubtful = !is_told && (votes->n_dots || votes->n_both);
    if (!is_told)
        return usual;
    return votes->n_dots ? '.' : '/';
}

size_t wfs_path_n_components(const char *path)
{
    size_t n = 1;
    for (; *path; path++)
        n += *path == WFS_SEP;
    return n;
}

const char *wfs_path_component(const char *path, size_t i, size_t *ret_len)
{
    for (; i; i--) {
        const char *sep = strchr(path, WFS_SEP);
        path = sep ? sep + 1 : path + strlen(path);
    }
    const char *end = strchr(path, WFS_SEP);
    *ret_len = end ? (size_t)(end - path) : strlen(path);
    return path;
}

static bool is_dots(const char *s, size_t len)
{
    return (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.');
}

/* Appends with escapes; true where a byte had to be escaped. */
static bool escape_bytes(struct wfs_buf *out, const char *s, size_t len, bool dots)
{
    bool changed = false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == 0xc0 && i + 1 < len && (unsigned char)s[i + 1] == 0x80) {
            wfs_buf_str(out, "%00");
            i++;
            changed = true;
        } else if (c == '%' || c == '/' || c < 0x20 || c == 0x7f || (dots && c == '.')) {
            wfs_buf_printf(out, "%%%02X", c);
            changed = true;
        } else {
            wfs_buf_char(out, (char)c);
        }
    }
    return changed;
}

size_t wfs_name_cut(const char *s, size_t max)
{
    size_t n = max;
    while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) /* the middle of a UTF-8 sequence */
        n--;
    for (size_t back = 1; back <= 2 && back <= n; back++)
        if (s[n - back] == '%')
            return n - back;
    return n;
}

bool wfs_name_escape(struct wfs_buf *out, const char *component, size_t len, size_t reserve_bytes)
{
    size_t start = out->len;
    if (len == 0) {
        wfs_buf_str(out, "%"); /* no escape of a real name is a lone '%' */
        return true;
    }
    bool changed = escape_bytes(out, component, len, is_dots(component, len));
    if (!wfs_buf_ok(out) || out->len - start <= NAME_MAX_BYTES - reserve_bytes)
        return changed;
    struct wfs_hash hash = wfs_hash_bytes(component, len);
    char hex[33];
    wfs_hash_hex(&hash, hex);
    hex[16] = '\0';
    out->len = start + wfs_name_cut(out->data + start, NAME_CUT_BYTES);
    wfs_buf_printf(out, "%%~%s", hex);
    return true;
}

static const char *skip_zeros(const char *s)
{
    while (*s == '0' && isdigit((unsigned char)s[1]))
        s++;
    return s;
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (isdigit((unsigned char)s[n]))
        n++;
    return n;
}

/* WFS_SEP before everything, so that a module's own tensors stand before its longer siblings. */
static int order_of(unsigned char c)
{
    return c == '\0' ? 0 : (char)c == WFS_SEP ? 1 : c + 1;
}

int wfs_natural_cmp(const char *a, const char *b)
{
    const char *p = a, *q = b;
    while (*p && *q) {
        if (isdigit((unsigned char)*p) && isdigit((unsigned char)*q)) {
            p = skip_zeros(p);
            q = skip_zeros(q);
            size_t n = digits(p), m = digits(q);
            if (n != m)
                return n < m ? -1 : 1;
            int c = memcmp(p, q, n);
            if (c)
                return c;
            p += n;
            q += n;
        } else if (*p != *q) {
            return order_of((unsigned char)*p) - order_of((unsigned char)*q);
        } else {
            p++;
            q++;
        }
    }
    int c = order_of((unsigned char)*p) - order_of((unsigned char)*q);
    return c ? c : strcmp(a, b);
}
