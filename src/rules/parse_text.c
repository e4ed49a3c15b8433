/*
 * parse_text.c - the rules parser's characters, words, strings and messages.
 */
#include "rules/parse_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char wfs_parse_peek_at(const struct wfs_parser *p, size_t ahead)
{
    return p->len - p->pos > ahead ? p->text[p->pos + ahead] : 0;
}

char wfs_parse_peek(const struct wfs_parser *p)
{
    return wfs_parse_peek_at(p, 0);
}

void wfs_parse_next(struct wfs_parser *p)
{
    if (p->pos >= p->len)
        return;
    if (p->text[p->pos] == '\n') {
        p->line++;
        p->line_start = p->pos + 1;
    }
    p->pos++;
}

struct wfs_pos wfs_parse_pos(const struct wfs_parser *p)
{
    return (struct wfs_pos){p->file, p->line, (uint32_t)(p->pos - p->line_start + 1)};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct wfs_parser *p)
{
    while (is_blank(wfs_parse_peek(p)))
        wfs_parse_next(p);
}

static void skip_line(struct wfs_parser *p)
{
    while (p->pos < p->len && p->text[p->pos] != '\n')
        wfs_parse_next(p);
}

/* A comment begins where a word would: in column 1 or after white space. */
static bool at_comment(const struct wfs_parser *p)
{
    if (wfs_parse_peek(p) != '#')
        return false;
    return p->pos == p->line_start || is_blank(p->text[p->pos - 1]);
}

/* At a newline: is the next line with something on it indented? */
static bool line_continues(const struct wfs_parser *p)
{
    size_t i = p->pos;
    while (i < p->len) {
        size_t start = ++i;
        while (i < p->len && is_blank(p->text[i]))
            i++;
        if (i >= p->len)
            return false;
        if (p->text[i] == '#')
            while (i < p->len && p->text[i] != '\n')
                i++;
        if (i < p->len && p->text[i] != '\n')
            return i - start > p->indent;
    }
    return false;
}

/* Goes over blanks, comments and line ends to the next text, of this statement or of the next one
 * too; false where there is none. */
static bool next_text(struct wfs_parser *p, bool may_be_next_statement)
{
    for (;;) {
        skip_blanks(p);
        if (at_comment(p))
            skip_line(p);
        if (p->pos >= p->len)
            return false;
        if (p->text[p->pos] != '\n')
            return true;
        if (!may_be_next_statement && !line_continues(p))
            return false;
        wfs_parse_next(p);
    }
}

bool wfs_parse_space(struct wfs_parser *p)
{
    return next_text(p, false);
}

bool wfs_parse_statement_start(struct wfs_parser *p)
{
    return next_text(p, true);
}

int wfs_parse_error(struct wfs_parser *p, struct wfs_pos pos, const char *fmt, ...)
{
    char message[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    return wfs_error_set(p->err, EINVAL, "%s:%u:%u: %s", pos.file, pos.line, pos.col, message);
}

/* What stands at the cursor, for a message. */
static void describe_next(struct wfs_parser *p, char *out, size_t size)
{
    if (!wfs_parse_space(p)) {
        snprintf(out, size, "the end of the %s", p->pos >= p->len ? "file" : "statement");
        return;
    }
    size_t n = 0;
    while (n < 24 && wfs_parse_peek_at(p, n) && !isspace((unsigned char)wfs_parse_peek_at(p, n)))
        n++;
    snprintf(out, size, "'%.*s'", (int)n, p->text + p->pos);
}

int wfs_parse_expected(struct wfs_parser *p, const char *what)
{
    char found[64];
    describe_next(p, found, sizeof(found));
    return wfs_parse_error(p, wfs_parse_pos(p), "expected %s, found %s", what, found);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool wfs_parse_accept(struct wfs_parser *p, const char *text)
{
    size_t n = strlen(text);
    if (!wfs_parse_space(p) || p->len - p->pos < n || memcmp(p->text + p->pos, text, n) != 0)
        return false;
    if (is_word(text[n - 1]) && is_word(wfs_parse_peek_at(p, n)))
        return false;
    p->pos += n;
    return true;
}

int wfs_parse_expect(struct wfs_parser *p, const char *text)
{
    char what[32];
    if (wfs_parse_accept(p, text))
        return 0;
    snprintf(what, sizeof(what), "'%s'", text);
    return wfs_parse_expected(p, what);
}

static int take(struct wfs_parser *p, size_t n, const char **ret)
{
    const char *s = wfs_arena_strndup(p->arena, p->text + p->pos, n);
    if (!s)
        return wfs_error_nomem(p->err, "rules");
    p->pos += n;
    *ret = s;
    return 0;
}

int wfs_parse_ident(struct wfs_parser *p, const char *what, const char **ret)
{
    size_t n = 0;
    if (!wfs_parse_space(p) || isdigit((unsigned char)wfs_parse_peek(p)))
        return wfs_parse_expected(p, what);
    while (is_word(wfs_parse_peek_at(p, n)))
        n++;
    return n ? take(p, n, ret) : wfs_parse_expected(p, what);
}

int wfs_parse_word(struct wfs_parser *p, const char *what, const char **ret)
{
    size_t n = 0;
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, what);
    if (wfs_parse_peek(p) == '"')
        return wfs_parse_string(p, ret);
    while (wfs_parse_peek_at(p, n) && !isspace((unsigned char)wfs_parse_peek_at(p, n)))
        n++;
    return take(p, n, ret);
}

int wfs_parse_path(struct wfs_parser *p, const char **ret)
{
    const char *name;
    int r = wfs_parse_word(p, "a name", &name);
    if (!r && !(*ret = wfs_path_from_name(p->arena, name, '.')))
        r = wfs_error_nomem(p->err, "rules");
    return r;
}

int wfs_parse_string(struct wfs_parser *p, const char **ret)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    struct wfs_pos start;
    if (!wfs_parse_space(p) || wfs_parse_peek(p) != '"')
        return wfs_parse_expected(p, "a text in quotes");
    start = wfs_parse_pos(p);
    wfs_parse_next(p);
    for (char c; (c = wfs_parse_peek(p)) != '"'; wfs_parse_next(p)) {
        if (c == 0 || c == '\n')
            return wfs_parse_error(p, start, "expected the closing quote of this text");
        if (c == '\\' && (wfs_parse_peek_at(p, 1) == '"' || wfs_parse_peek_at(p, 1) == '\\')) {
            wfs_parse_next(p);
            c = wfs_parse_peek(p);
        }
        wfs_buf_char(&buf, c);
    }
    wfs_parse_next(p);
    const char *s =
        wfs_buf_ok(&buf) ? wfs_arena_strndup(p->arena, buf.len ? buf.data : "", buf.len) : NULL;
    if (!s)
        return wfs_error_nomem(p->err, "rules");
    *ret = s;
    return 0;
}

#define MAX_DIGITS 18

int wfs_parse_number(struct wfs_parser *p, int64_t *ret)
{
    int64_t value = 0;
    size_t n = 0;
    if (!wfs_parse_space(p) || !isdigit((unsigned char)wfs_parse_peek(p)))
        return wfs_parse_expected(p, "a whole number");
    for (; isdigit((unsigned char)wfs_parse_peek_at(p, n)); n++) {
        if (n == MAX_DIGITS)
            return wfs_parse_expected(p, "a whole number of at most 18 digits");
        value = value * 10 + (wfs_parse_peek_at(p, n) - '0');
    }
    p->pos += n;
    *ret = value;
    return 0;
}

const char *wfs_parse_text_since(struct wfs_parser *p, size_t start)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf buf = {0};
    bool space = false;
    for (size_t i = start; i < p->pos; i++) {
        char c = p->text[i];
        if (c == '#' && i > start && isspace((unsigned char)p->text[i - 1])) {
            while (i < p->pos && p->text[i] != '\n')
                i++;
            c = ' ';
        }
        if (isspace((unsigned char)c)) {
            space = buf.len > 0;
            continue;
        }
        if (space)
            wfs_buf_char(&buf, ' ');
        space = false;
        wfs_buf_char(&buf, c);
    }
    return wfs_buf_ok(&buf) ? wfs_arena_strndup(p->arena, buf.len ? buf.data : "", buf.len) : NULL;
}

bool wfs_parse_at_delimiter(struct wfs_parser *p)
{
    static const char *const words[] = {"->", "&", "if", "for", "of", ":", "doubt"};
    if (!wfs_parse_space(p))
        return true;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(words); i++) {
        struct wfs_parser copy = *p;
        if (wfs_parse_accept(&copy, words[i]))
            return true;
    }
    return false;
}

/* No leading zeros, so that writing it back gives the same text. */
uint32_t wfs_index_parse(const char *s, uint32_t len, int64_t *ret)
{
    uint32_t n = 0;
    int64_t value = 0;
    while (n < len && s[n] >= '0' && s[n] <= '9' && n < 18)
        value = value * 10 + (s[n++] - '0');
    if (n == 0 || (s[0] == '0' && n > 1) || (n < len && s[n] >= '0' && s[n] <= '9'))
        return 0;
    *ret = value;
    return n;
}
