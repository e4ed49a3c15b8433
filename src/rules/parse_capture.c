/*
 * parse_capture.c - captures: their types, and the list that the rule being parsed has of them.
 */
#include "rules/parse_capture.h"

#include <ctype.h>
#include <string.h>

#define MAX_ALTS 64

uint32_t wfs_parse_cap_find(const struct wfs_parser *p, const char *name, size_t len)
{
    for (uint32_t i = 0; i < p->n_caps; i++)
        if (strlen(p->caps[i].name) == len && memcmp(p->caps[i].name, name, len) == 0)
            return i;
    return WFS_NO_INDEX;
}

int wfs_parse_cap_add(struct wfs_parser *p, const struct wfs_cap *cap, uint32_t *ret)
{
    if (p->n_caps == WFS_RULE_MAX_CAPS)
        return wfs_parse_error(p, cap->pos, "expected at most %d captures in a rule",
                               WFS_RULE_MAX_CAPS);
    p->caps[p->n_caps] = *cap;
    *ret = p->n_caps++;
    return 0;
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

int wfs_parse_capture(struct wfs_parser *p, const char *name, struct wfs_pos pos, uint32_t *ret)
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
