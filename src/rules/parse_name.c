/*
 * parse_name.c - patterns and targets: "model.layers.{l:#}.{k:q|k|v}_proj.weight", "h.{l+1}.{p}".
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "rules/match.h"
#include "rules/parse.h"

#define MAX_SEGMENTS 64
#define MAX_ATOMS    32 /* of one component */
#define MAX_ALTS     64

struct building {
    struct wfs_segment segments[MAX_SEGMENTS];
    uint32_t n_segments;
    struct wfs_atom atoms[MAX_ATOMS];
    uint32_t n_atoms;
    struct wfs_buf lit;
    bool has_lit; /* a literal is being collected (it may be empty: "") */
};

static bool name_ends(char c)
{
    return c == 0 || isspace((unsigned char)c) || c == ')' || c == ',';
}

static int add_atom(struct wfs_parser *p, struct building *b, struct wfs_atom atom)
{
    if (b->n_atoms == MAX_ATOMS)
        return wfs_parse_expected(p, "a simpler component");
    b->atoms[b->n_atoms++] = atom;
    return 0;
}

static int flush_literal(struct wfs_parser *p, struct building *b)
{
    if (!b->has_lit)
        return 0;
    if (!wfs_buf_ok(&b->lit))
        return wfs_error_nomem(p->err, "rules");
    const char *s = wfs_arena_strndup(p->arena, b->lit.len ? b->lit.data : "", b->lit.len);
    if (!s)
        return wfs_error_nomem(p->err, "rules");
    size_t len = b->lit.len;
    b->lit.len = 0;
    b->has_lit = false;
    return add_atom(p, b, (struct wfs_atom){.lit = s, .len = len, .cap = WFS_NO_INDEX});
}

static bool atom_is_many(const struct wfs_parser *p, const struct wfs_atom *atom)
{
    if (atom->lit || atom->cap == WFS_NO_INDEX)
        return false;
    enum wfs_cap_kind kind = p->caps[atom->cap].kind;
    return kind == WFS_CAP_MANY || kind == WFS_CAP_SOME;
}

static int end_segment(struct wfs_parser *p, struct building *b, struct wfs_pos pos)
{
    int r = flush_literal(p, b);
    if (r)
        return r;
    if (b->n_atoms == 0)
        return wfs_parse_error(p, pos, "expected text or a capture between two dots");
    if (b->n_segments == MAX_SEGMENTS)
        return wfs_parse_error(p, pos, "expected at most %d components", MAX_SEGMENTS);
    struct wfs_segment *seg = &b->segments[b->n_segments++];
    *seg = (struct wfs_segment){.n_atoms = b->n_atoms};
    for (uint32_t i = 0; i < b->n_atoms; i++) {
        if (!atom_is_many(p, &b->atoms[i]))
            continue;
        if (b->n_atoms > 1)
            return wfs_parse_error(p, pos, "expected {%s:*} alone between two dots",
                                   p->caps[b->atoms[i].cap].name);
        seg->many = true;
    }
    if (b->n_atoms == 1 && b->atoms[0].lit)
        seg->hash = wfs_component_hash(b->atoms[0].lit, b->atoms[0].len);
    seg->atoms = wfs_arena_memdup(p->arena, b->atoms, b->n_atoms * sizeof(b->atoms[0]));
    b->n_atoms = 0;
    return seg->atoms ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_alternatives(struct wfs_parser *p, struct wfs_cap *cap)
{
    const char *alts[MAX_ALTS];
    uint32_t n = 0;
    for (;;) {
        size_t len = 0;
        for (char c; (c = wfs_parse_peek_at(p, len)) != '|' && c != '}'; len++)
            if (c == 0 || c == '\n' || c == '.')
                return wfs_parse_expected(p, "'|' or '}' after an alternative");
        if (n == MAX_ALTS)
            return wfs_parse_expected(p, "at most 64 alternatives");
        alts[n] = wfs_arena_strndup(p->arena, p->text + p->pos, len);
        if (!alts[n])
            return wfs_error_nomem(p->err, "rules");
        for (uint32_t i = 0; i < n; i++)
            if (strcmp(alts[i], alts[n]) == 0)
                return wfs_parse_expected(p, "different alternatives");
        n++;
        p->pos += len;
        if (wfs_parse_peek(p) == '}')
            break;
        wfs_parse_next(p);
    }
    cap->kind = WFS_CAP_ALT;
    cap->n_alts = n;
    cap->alts = wfs_arena_memdup(p->arena, alts, n * sizeof(alts[0]));
    return cap->alts ? 0 : wfs_error_nomem(p->err, "rules");
}

/* After the colon of {i:...}. */
static int parse_cap_type(struct wfs_parser *p, struct wfs_cap *cap)
{
    static const struct {
        char c;
        enum wfs_cap_kind kind;
    } types[] = {
        {'#', WFS_CAP_INT}, {'?', WFS_CAP_MAYBE}, {'*', WFS_CAP_MANY}, {'+', WFS_CAP_SOME}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(types); i++)
        if (wfs_parse_peek(p) == types[i].c && wfs_parse_peek_at(p, 1) == '}') {
            cap->kind = types[i].kind;
            wfs_parse_next(p);
            return 0;
        }
    size_t n = 0;
    while (isdigit((unsigned char)wfs_parse_peek_at(p, n)))
        n++;
    if (n && wfs_parse_peek_at(p, n) == '-' &&
        isdigit((unsigned char)wfs_parse_peek_at(p, n + 1))) {
        cap->kind = WFS_CAP_INT;
        cap->ranged = true;
        int r = wfs_parse_number(p, &cap->lo);
        wfs_parse_next(p);
        if (!r)
            r = wfs_parse_number(p, &cap->hi);
        if (!r && cap->hi < cap->lo)
            return wfs_parse_expected(p, "a range that goes up");
        return r;
    }
    return parse_alternatives(p, cap);
}

static bool same_cap(const struct wfs_cap *a, const struct wfs_cap *b)
{
    if (a->kind != b->kind || a->n_alts != b->n_alts || a->ranged != b->ranged)
        return false;
    for (uint32_t i = 0; i < a->n_alts; i++)
        if (strcmp(a->alts[i], b->alts[i]) != 0)
            return false;
    return a->lo == b->lo && a->hi == b->hi;
}

/* {name} or {name:type} of a pattern, {name:type} of a target; the cursor is after the name. */
static int parse_capture(struct wfs_parser *p, const char *name, struct wfs_pos pos, uint32_t *ret)
{
    struct wfs_cap cap = {.name = name, .kind = WFS_CAP_PART, .pos = pos};
    uint32_t known = wfs_parse_cap_find(p, name, strlen(name));
    bool typed = wfs_parse_peek(p) == ':';
    if (typed) {
        wfs_parse_next(p);
        int r = parse_cap_type(p, &cap);
        if (r)
            return r;
    }
    cap.in_source = !p->in_target;
    if (known == WFS_NO_INDEX)
        return wfs_parse_cap_add(p, &cap, ret);
    if (typed && !same_cap(&cap, &p->caps[known]))
        return wfs_parse_error(p, pos, "expected {%s} to have one type in the whole rule", name);
    *ret = known;
    return 0;
}

static bool at_ident(const struct wfs_parser *p, size_t *ret_len)
{
    size_t n = 0;
    while (isalnum((unsigned char)wfs_parse_peek_at(p, n)) || wfs_parse_peek_at(p, n) == '_')
        n++;
    *ret_len = n;
    return n > 0 && !isdigit((unsigned char)wfs_parse_peek(p));
}

/* {...}: a capture, or in a target an expression. */
static int parse_braces(struct wfs_parser *p, struct building *b)
{
    struct wfs_pos pos = wfs_parse_pos(p);
    struct wfs_atom atom = {.cap = WFS_NO_INDEX};
    size_t n;
    int r = flush_literal(p, b);
    if (r)
        return r;
    wfs_parse_next(p);
    bool ident = at_ident(p, &n);
    char after = wfs_parse_peek_at(p, n);
    bool known = ident && wfs_parse_cap_find(p, p->text + p->pos, n) != WFS_NO_INDEX;
    if (ident && (after == ':' || (after == '}' && (known || !p->in_target)))) {
        const char *name;
        r = wfs_parse_ident(p, "a capture's name", &name);
        if (!r)
            r = parse_capture(p, name, pos, &atom.cap);
    } else if (p->in_target) {
        r = wfs_parse_expr(p, &atom.expr);
    } else {
        r = wfs_parse_expected(p, "a capture, as in {x}, {l:#} or {p:*}");
    }
    if (!r && wfs_parse_peek(p) != '}')
        r = wfs_parse_expected(p, "'}'");
    wfs_parse_next(p);
    return r ? r : add_atom(p, b, atom);
}

static int parse_segments(struct wfs_parser *p, struct building *b)
{
    for (;;) {
        char c = wfs_parse_peek(p);
        struct wfs_pos pos = wfs_parse_pos(p);
        int r = 0;
        if (c == '{') {
            r = parse_braces(p, b);
        } else if (c == '"') {
            const char *s;
            r = wfs_parse_string(p, &s);
            if (!r)
                wfs_buf_str(&b->lit, s);
            b->has_lit = true;
        } else if (c == '.' || name_ends(c)) {
            r = end_segment(p, b, pos);
            if (!r && name_ends(c))
                return 0;
            wfs_parse_next(p);
        } else if (c == '}') {
            r = wfs_parse_expected(p, "text, '.' or '{'");
        } else {
            wfs_buf_char(&b->lit, c);
            b->has_lit = true;
            wfs_parse_next(p);
        }
        if (r)
            return r;
    }
}

static int finish_name(struct wfs_parser *p, const struct building *b, struct wfs_name *name)
{
    for (uint32_t i = 0; i < b->n_segments; i++) {
        name->n_many += b->segments[i].many;
        for (uint32_t a = 0; a < b->segments[i].n_atoms; a++)
            name->n_literal += (uint32_t)b->segments[i].atoms[a].len;
    }
    name->n_segments = b->n_segments;
    name->segments =
        wfs_arena_memdup(p->arena, b->segments, b->n_segments * sizeof(b->segments[0]));
    return name->segments ? 0 : wfs_error_nomem(p->err, "rules");
}

/* /REGEX/ */
static int parse_regex(struct wfs_parser *p, struct wfs_name *name)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    struct wfs_pos pos = wfs_parse_pos(p);
    wfs_parse_next(p);
    for (char c; (c = wfs_parse_peek(p)) != '/'; wfs_parse_next(p)) {
        if (c == 0 || c == '\n')
            return wfs_parse_error(p, pos, "expected the closing '/' of this expression");
        if (c == '\\' && wfs_parse_peek_at(p, 1) == '/') {
            wfs_parse_next(p);
            c = '/';
        }
        wfs_buf_char(&text, c);
    }
    wfs_parse_next(p);
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(p->err, "rules");
    name->n_literal = (uint32_t)text.len;
    return wfs_regex_compile(p, name, pos, text.len ? text.data : "");
}

int wfs_parse_name(struct wfs_parser *p, const struct wfs_name **ret)
{
    struct wfs_name *name = wfs_arena_alloc(p->arena, sizeof(*name));
    if (!name)
        return wfs_error_nomem(p->err, "rules");
    name->pos = wfs_parse_pos(p);
    size_t start = p->pos;
    int r;
    if (wfs_parse_peek(p) == '/' && !p->in_target) {
        r = parse_regex(p, name);
    } else {
        struct building *b = calloc(1, sizeof(*b));
        if (!b)
            return wfs_error_nomem(p->err, "rules");
        r = parse_segments(p, b);
        if (!r)
            r = finish_name(p, b, name);
        wfs_buf_free(&b->lit);
        free(b);
    }
    if (r)
        return r;
    name->text = wfs_parse_text_since(p, start);
    name->own_caps = wfs_arena_memdup(p->arena, p->caps, sizeof(p->caps));
    if (!name->text || !name->own_caps)
        return wfs_error_nomem(p->err, "rules");
    *ret = name;
    return 0;
}
