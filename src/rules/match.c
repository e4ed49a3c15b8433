/*
 * match.c - patterns against names. Backtracking, but bounded: only {p:*} and several captures in
 * one component backtrack, a budget stops what a hostile pattern would make of that.
 */
#include "rules/match.h"

#include <stdlib.h>
#include <string.h>

#include "rules/regex.h"

#define MATCH_MAX_STEPS 20000 /* of one pattern against one name */

struct matching {
    const struct wfs_name *name;
    const struct wfs_cap *caps;
    const struct wfs_split *split;
    struct wfs_match *m;
    uint32_t n_steps;
};

static bool match_segments(struct matching *g, uint32_t seg, uint32_t comp);

static bool bytes_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool match_atoms(struct matching *g, uint32_t seg, uint32_t comp, uint32_t atom,
                        uint32_t off);

/* Binds a capture to len bytes at off and goes on; undoes it when the rest does not match. */
static bool bind(struct matching *g, uint32_t seg, uint32_t comp, uint32_t atom, uint32_t off,
                 uint32_t len, int64_t i)
{
    uint32_t cap = g->name->segments[seg].atoms[atom].cap;
    struct wfs_binding *b = &g->m->b[cap];
    *b = (struct wfs_binding){
        .set = true, .s = g->split->components[comp].s + off, .len = len, .i = i};
    if (match_atoms(g, seg, comp, atom + 1, off + len))
        return true;
    b->set = false;
    return false;
}

static bool match_index(struct matching *g, uint32_t seg, uint32_t comp, uint32_t atom,
                        uint32_t off)
{
    const struct wfs_component *c = &g->split->components[comp];
    const struct wfs_cap *cap = &g->caps[g->name->segments[seg].atoms[atom].cap];
    int64_t value;
    uint32_t n = wfs_index_parse(c->s + off, c->len - off, &value);
    if (n == 0 || (cap->ranged && (value < cap->lo || value > cap->hi)))
        return false;
    return bind(g, seg, comp, atom, off, n, value);
}

static bool match_alt(struct matching *g, uint32_t seg, uint32_t comp, uint32_t atom, uint32_t off)
{
    const struct wfs_component *c = &g->split->components[comp];
    const struct wfs_cap *cap = &g->caps[g->name->segments[seg].atoms[atom].cap];
    for (uint32_t i = 0; i < cap->n_alts; i++) {
        size_t len = strlen(cap->alts[i]);
        if (len <= c->len - off && memcmp(c->s + off, cap->alts[i], len) == 0 &&
            bind(g, seg, comp, atom, off, (uint32_t)len, i))
            return true;
    }
    return false;
}

static bool match_atoms(struct matching *g, uint32_t seg, uint32_t comp, uint32_t atom,
                        uint32_t off)
{
    const struct wfs_segment *s = &g->name->segments[seg];
    const struct wfs_component *c = &g->split->components[comp];
    if (++g->n_steps > MATCH_MAX_STEPS)
        return false;
    if (atom == s->n_atoms)
        return off == c->len && match_segments(g, seg + 1, comp + 1);
    const struct wfs_atom *a = &s->atoms[atom];
    if (a->lit)
        return a->len <= c->len - off && memcmp(c->s + off, a->lit, a->len) == 0 &&
               match_atoms(g, seg, comp, atom + 1, off + (uint32_t)a->len);
    const struct wfs_binding *b = &g->m->b[a->cap];
    if (b->set)
        return b->len <= c->len - off && memcmp(c->s + off, b->s, b->len) == 0 &&
               match_atoms(g, seg, comp, atom + 1, off + b->len);
    switch (g->caps[a->cap].kind) {
    case WFS_CAP_INT:
        return match_index(g, seg, comp, atom, off);
    case WFS_CAP_ALT:
        return match_alt(g, seg, comp, atom, off);
    default:
        break;
    }
    uint32_t min = g->caps[a->cap].kind == WFS_CAP_MAYBE ? 0 : 1;
    if (atom + 1 == s->n_atoms) /* the last of its component takes what is left */
        return c->len - off >= min && bind(g, seg, comp, atom, off, c->len - off, 0);
    for (uint32_t len = min; len <= c->len - off; len++)
        if (bind(g, seg, comp, atom, off, len, 0))
            return true;
    return false;
}

/* {p:*}: `n` whole components from comp. */
static bool match_many_n(struct matching *g, uint32_t seg, uint32_t comp, uint32_t n)
{
    struct wfs_binding *b = &g->m->b[g->name->segments[seg].atoms[0].cap];
    const struct wfs_component *c = g->split->components;
    const char *s = n ? c[comp].s : "";
    uint32_t len = n ? (uint32_t)(c[comp + n - 1].s + c[comp + n - 1].len - s) : 0;
    if (b->set)
        return bytes_equal(b->s, b->len, s, len) && match_segments(g, seg + 1, comp + n);
    *b = (struct wfs_binding){.set = true, .s = s, .len = len};
    if (match_segments(g, seg + 1, comp + n))
        return true;
    b->set = false;
    return false;
}

static bool match_many(struct matching *g, uint32_t seg, uint32_t comp)
{
    const struct wfs_name *name = g->name;
    uint32_t min = g->caps[name->segments[seg].atoms[0].cap].kind == WFS_CAP_SOME ? 1 : 0;
    uint32_t left = g->split->n - comp, n_fixed = 0;
    bool more = false;
    for (uint32_t i = seg + 1; i < name->n_segments; i++) {
        n_fixed += !name->segments[i].many;
        more |= name->segments[i].many;
    }
    if (left < n_fixed + min)
        return false;
    if (!more)
        return match_many_n(g, seg, comp, left - n_fixed);
    for (uint32_t n = min; n <= left - n_fixed; n++)
        if (match_many_n(g, seg, comp, n))
            return true;
    return false;
}

static bool match_segments(struct matching *g, uint32_t seg, uint32_t comp)
{
    const struct wfs_split *split = g->split;
    if (++g->n_steps > MATCH_MAX_STEPS)
        return false;
    if (seg == g->name->n_segments)
        return comp == split->n;
    const struct wfs_segment *s = &g->name->segments[seg];
    if (s->many)
        return match_many(g, seg, comp);
    if (comp == split->n)
        return false;
    if (s->hash && s->hash != split->components[comp].hash)
        return false;
    return match_atoms(g, seg, comp, 0, 0);
}

bool wfs_name_match(const struct wfs_name *name, const struct wfs_cap *caps,
                    const struct wfs_split *split, struct wfs_match *match)
{
    if (name->regex)
        return wfs_regex_match(name, split, match);
    uint32_t n_fixed = name->n_segments - name->n_many;
    if (split->n < n_fixed || (!name->n_many && split->n != n_fixed))
        return false;
    const struct wfs_segment *last = &name->segments[name->n_segments - 1];
    if (last->hash && last->hash != split->components[split->n - 1].hash)
        return false;
    if (name->segments[0].hash && name->segments[0].hash != split->components[0].hash)
        return false;
    struct matching g = {name, caps, split, match, 0};
    bool matches = match_segments(&g, 0, 0);
    match->gave_up |= !matches && g.n_steps > MATCH_MAX_STEPS;
    return matches;
}
