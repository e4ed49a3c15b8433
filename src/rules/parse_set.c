/*
 * parse_set.c - a rule file: its declarations and rules, and what it includes.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/parse_namespace.h"
#include "rules/parse_rule.h"
#include "rules/term.h"

#define MAX_RULES    100000
#define MAX_LETS     1000
#define MAX_SECTIONS 8
/* Files that include each other twice would be read exponentially often. */
#define MAX_INCLUDED       1000
#define MAX_INCLUDED_BYTES (4 * (uint64_t)WFS_RULES_MAX_BYTES)

/* Growable lists of one file; they become arrays of the arena at the end. */
struct lists {
    struct wfs_rule *rules;
    size_t n_rules, cap_rules;
    struct wfs_let *lets;
    size_t n_lets, cap_lets;
    struct wfs_require *requires;
    size_t n_requires, cap_requires;
    struct wfs_prefix *prefixes;
    size_t n_prefixes, cap_prefixes;
    const struct wfs_set **included;
    size_t n_included, cap_included;
};

struct reading {
    struct wfs_parser *p;
    struct wfs_set *set;
    struct lists lists;
    struct wfs_including *in;
    uint32_t n_sections; /* around the statement */
    bool has_policy, has_unmatched, has_source, has_target;
};

#define ADD(rd, what, value)                                                                       \
    add_to(rd, (void *)&(rd)->lists.what, &(rd)->lists.cap_##what, &(rd)->lists.n_##what,          \
           sizeof(*(rd)->lists.what), value)

static int add_to(struct reading *rd, void *array_pp, size_t *cap, size_t *n, size_t size,
                  const void *value)
{
    if (wfs_grow(array_pp, cap, *n + 1, size))
        return wfs_error_nomem(rd->p->err, "rules");
    char *array;
    memcpy(&array, array_pp, sizeof(array));
    memcpy(array + *n * size, value, size);
    ++*n;
    return 0;
}

static int do_set(struct reading *rd)
{
    return wfs_parse_word(rd->p, "a name", &rd->set->name);
}
static int do_from(struct reading *rd)
{
    return wfs_parse_word(rd->p, "a convention", &rd->set->from);
}
static int do_to(struct reading *rd)
{
    return wfs_parse_word(rd->p, "a convention", &rd->set->to);
}
static int do_format(struct reading *rd)
{
    return wfs_parse_word(rd->p, "a format tag", &rd->set->format);
}
/* Any words: which loader files there are is known where they are written, not here. */
static int do_files(struct reading *rd)
{
    uint32_t n;
    return wfs_parse_words(rd->p, &rd->set->files, &n);
}
static int do_source(struct reading *rd)
{
    rd->has_source = true;
    return wfs_parse_namespace(rd->p, &rd->set->source, false);
}
static int do_target(struct reading *rd)
{
    rd->has_target = true;
    return wfs_parse_namespace(rd->p, &rd->set->target, true);
}
static int do_invertible(struct reading *rd)
{
    rd->set->invertible = true;
    return 0;
}

/* For compiled-in sets whose mapping is code. */
static int do_program(struct reading *rd)
{
    return wfs_parse_word(rd->p, "a program", &rd->set->program);
}

static int do_detect(struct reading *rd)
{
    const struct wfs_name *names[WFS_RULES_MAX_WORDS];
    uint32_t n = 0;
    rd->p->in_target = false;
    while (wfs_parse_space(rd->p)) {
        if (n == WFS_RULES_MAX_WORDS)
            return wfs_parse_expected(rd->p, "at most 64 patterns");
        rd->p->n_caps = 0;
        int r = wfs_parse_name(rd->p, &names[n]);
        if (r)
            return r;
        if (rd->p->n_caps)
            return wfs_parse_error(rd->p, names[n]->pos, "expected a name without captures");
        n++;
    }
    rd->set->n_detect = n;
    rd->set->detect = wfs_arena_memdup(rd->p->arena, names, n * sizeof(names[0]));
    return rd->set->detect || !n ? 0 : wfs_error_nomem(rd->p->err, "rules");
}

static int do_match(struct reading *rd)
{
    rd->has_policy = true;
    if (wfs_parse_accept(rd->p, "one"))
        rd->set->policy = WFS_MATCH_ONE;
    else if (wfs_parse_accept(rd->p, "first"))
        rd->set->policy = WFS_MATCH_FIRST;
    else if (wfs_parse_accept(rd->p, "longest"))
        rd->set->policy = WFS_MATCH_LONGEST;
    else
        return wfs_parse_expected(rd->p, "one, first or longest");
    return 0;
}

static int do_unmatched(struct reading *rd)
{
    rd->has_unmatched = true;
    if (wfs_parse_accept(rd->p, "keep"))
        rd->set->unmatched = WFS_UNMATCHED_KEEP;
    else if (wfs_parse_accept(rd->p, "drop"))
        rd->set->unmatched = WFS_UNMATCHED_DROP;
    else if (wfs_parse_accept(rd->p, "error"))
        rd->set->unmatched = WFS_UNMATCHED_ERROR;
    else
        return wfs_parse_expected(rd->p, "keep, drop or error");
    return 0;
}

/* An include named "x.map" lies in the including file's folder. */
static int load_included(struct reading *rd, const char *name, struct wfs_set **ret)
{
    struct wfs_parser *p = rd->p;
    size_t len = strlen(name);
    const char *path = name;
    int r;
    rd->in->depth++;
    if (len > 4 && strcmp(name + len - 4, ".map") == 0) {
        const char *slash = strrchr(p->file, '/');
        path = name[0] == '/' || !slash
                   ? name
                   : wfs_arena_printf(p->arena, "%.*s/%s", (int)(slash - p->file), p->file, name);
        r = path ? rd->in->load_file(p->arena, path, rd->in, ret, p->err)
                 : wfs_error_nomem(p->err, "rules");
    } else {
        r = rd->in->load(p->arena, name, rd->in, ret, p->err);
    }
    rd->in->depth--;
    return r;
}

static int do_include(struct reading *rd)
{
    struct wfs_parser *p = rd->p;
    const char *name;
    struct wfs_set *set;
    wfs_parse_space(p);
    struct wfs_pos pos = wfs_parse_pos(p);
    int r = wfs_parse_word(p, "a set's name", &name);
    if (r)
        return r;
    /* Nothing would prove an inverse that is a part of another set. */
    if (name[0] == '~')
        return wfs_parse_error(p, pos, "expected a set, found the inverse of one");
    if (rd->in->depth >= WFS_RULES_MAX_DEPTH)
        return wfs_parse_error(p, pos,
                               "expected fewer nested includes (does a file include itself?)");
    if (++rd->in->n_files > MAX_INCLUDED || rd->in->n_bytes > MAX_INCLUDED_BYTES)
        return wfs_parse_error(p, pos, "expected at most %d included files and %llu bytes of them",
                               MAX_INCLUDED, (unsigned long long)MAX_INCLUDED_BYTES);
    r = load_included(rd, name, &set);
    if (r)
        return wfs_error_prefix(p->err, "%s:%u:%u", pos.file, pos.line, pos.col);
    const struct wfs_set *included = set;
    return ADD(rd, included, &included);
}

static struct wfs_let *find_let(const struct reading *rd, const char *name)
{
    for (size_t i = 0; i < rd->lists.n_lets; i++)
        if (strcmp(rd->lists.lets[i].name, name) == 0)
            return &rd->lists.lets[i];
    return NULL;
}

static int do_let(struct reading *rd)
{
    struct wfs_let let = {0};
    rd->p->n_caps = 0;
    wfs_parse_space(rd->p);
    let.pos = wfs_parse_pos(rd->p);
    int r = wfs_parse_ident(rd->p, "a name", &let.name);
    const struct wfs_let *known = r ? NULL : find_let(rd, let.name);
    if (known)
        return wfs_parse_error(rd->p, let.pos, "expected a new name: %s is set in line %u",
                               let.name, known->pos.line);
    if (!r && rd->lists.n_lets == MAX_LETS)
        return wfs_parse_error(rd->p, let.pos, "expected at most %d values", MAX_LETS);
    if (!r)
        r = wfs_parse_expect(rd->p, "=");
    if (!r)
        r = wfs_parse_expr(rd->p, &let.expr);
    return r ? r : ADD(rd, lets, &let);
}

static int do_inverse_let(struct reading *rd)
{
    const char *name;
    rd->p->n_caps = 0;
    wfs_parse_space(rd->p);
    struct wfs_pos pos = wfs_parse_pos(rd->p);
    int r = wfs_parse_ident(rd->p, "a name", &name);
    struct wfs_let *let = r ? NULL : find_let(rd, name);
    if (!r && (!let || let->inverse))
        return wfs_parse_error(rd->p, pos, "expected a value that `let` sets above, once: %s",
                               name);
    if (!r)
        r = wfs_parse_expect(rd->p, "=");
    return r ? r : wfs_parse_expr(rd->p, &let->inverse);
}

static int read_require(struct reading *rd, struct wfs_require req)
{
    rd->p->n_caps = 0;
    wfs_parse_space(rd->p);
    req.pos = wfs_parse_pos(rd->p);
    int r = wfs_parse_expr(rd->p, &req.cond);
    if (!r && !req.is_default)
        r = wfs_parse_string(rd->p, &req.message);
    return r ? r : ADD(rd, requires, &req);
}

static int do_require(struct reading *rd)
{
    return read_require(rd, (struct wfs_require){0});
}

static int do_default(struct reading *rd)
{
    return read_require(rd, (struct wfs_require){.is_default = true});
}

static int do_missing(struct reading *rd)
{
    const char *path;
    int r = wfs_parse_path(rd->p, &path);
    if (!r)
        r = wfs_parse_expect(rd->p, "if");
    return r ? r : read_require(rd, (struct wfs_require){.missing = path});
}

static int do_prefix(struct reading *rd)
{
    struct wfs_prefix prefix = {0};
    rd->p->n_caps = 0;
    wfs_parse_space(rd->p);
    prefix.pos = wfs_parse_pos(rd->p);
    prefix.add = wfs_parse_accept(rd->p, "add");
    int r = prefix.add ? 0 : wfs_parse_expect(rd->p, "remove");
    if (!r)
        r = wfs_parse_path(rd->p, &prefix.path);
    if (!r && wfs_parse_accept(rd->p, "if"))
        r = wfs_parse_expr(rd->p, &prefix.cond);
    return r ? r : ADD(rd, prefixes, &prefix);
}

static const struct {
    const char *word;
    int (*run)(struct reading *rd);
} statements[] = {
    {"set ", do_set},
    {"from ", do_from},
    {"to ", do_to},
    {"detect ", do_detect},
    {"source ", do_source},
    {"target ", do_target},
    {"files ", do_files},
    {"format ", do_format},
    {"match ", do_match},
    {"unmatched ", do_unmatched},
    {"include ", do_include},
    {"let ", do_let},
    {"inverse let ", do_inverse_let},
    {"require ", do_require},
    {"default if ", do_default},
    {"missing ", do_missing},
    {"prefix ", do_prefix},
    {"invertible", do_invertible},
    {"program ", do_program},
};

static int parse_section(struct reading *rd);

static int parse_statement(struct reading *rd)
{
    struct wfs_parser *p = rd->p;
    struct wfs_pos pos = wfs_parse_pos(p);
    if (wfs_parse_accept(p, "when "))
        return parse_section(rd);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(statements); i++) {
        if (!wfs_parse_accept(p, statements[i].word))
            continue;
        if (p->indent)
            return wfs_parse_error(p, pos, "expected rules below `when`: this stands outside");
        int r = statements[i].run(rd);
        if (!r && wfs_parse_space(p))
            r = wfs_parse_expected(p, "the end of the statement");
        return r;
    }
    struct wfs_rule rule;
    int r = wfs_parse_rule(p, &rule);
    if (!r && rd->lists.n_rules == MAX_RULES)
        return wfs_parse_error(p, rule.pos, "expected at most %d rules", MAX_RULES);
    return r ? r : ADD(rd, rules, &rule);
}

/* `when COND:` and what is indented alike below it; sections nest. */
static int parse_section(struct reading *rd)
{
    struct wfs_parser *p = rd->p;
    const struct wfs_vexpr *when = p->when;
    const char *when_text = p->when_text;
    size_t indent = p->indent;
    if (++rd->n_sections > MAX_SECTIONS)
        return wfs_parse_expected(p, "at most 8 sections within each other");
    int r = wfs_parse_when(p);
    while (!r && wfs_parse_statement_start(p) && p->pos - p->line_start > indent) {
        if (p->pos - p->line_start != p->indent)
            return wfs_parse_expected(p, "rules of a section indented alike before this");
        p->depth = 0;
        r = parse_statement(rd);
    }
    p->indent = indent;
    p->when = when;
    p->when_text = when_text;
    rd->n_sections--;
    return r;
}

static int parse_all(struct reading *rd)
{
    struct wfs_parser *p = rd->p;
    while (wfs_parse_statement_start(p)) {
        if (p->pos != p->line_start)
            return wfs_parse_expected(p, "a statement in column 1 before this");
        p->depth = 0;
        int r = parse_statement(rd);
        if (r)
            return r;
    }
    return 0;
}

/* ---- what is included ---------------------------------------------------------------------- */

static void inherit(struct reading *rd, const struct wfs_set *in)
{
    struct wfs_set *set = rd->set;
    set->from = set->from ? set->from : in->from;
    set->to = set->to ? set->to : in->to;
    set->files = set->files ? set->files : in->files;
    set->format = set->format ? set->format : in->format;
    if (!rd->has_source)
        set->source = in->source;
    if (!rd->has_target)
        set->target = in->target;
    if (!rd->has_policy)
        set->policy = in->policy;
    if (!rd->has_unmatched)
        set->unmatched = in->unmatched;
}

static int too_many(struct reading *rd, const struct wfs_set *in, const char *what, int max)
{
    return wfs_error_set(rd->p->err, EINVAL, "%s: expected at most %d %s with what %s adds",
                         rd->p->file, max, what, in->file);
}

static int merge(struct reading *rd, const struct wfs_set *in)
{
    int r = 0;
    inherit(rd, in);
    for (uint32_t i = 0; !r && i < in->n_rules; i++) {
        struct wfs_rule rule = in->rules[i];
        rule.level++;
        r = rd->lists.n_rules < MAX_RULES ? ADD(rd, rules, &rule)
                                          : too_many(rd, in, "rules", MAX_RULES);
    }
    for (uint32_t i = 0; !r && i < in->n_lets; i++)
        if (!find_let(rd, in->lets[i].name))
            r = rd->lists.n_lets < MAX_LETS ? ADD(rd, lets, &in->lets[i])
                                            : too_many(rd, in, "values", MAX_LETS);
    for (uint32_t i = 0; !r && i < in->n_requires; i++)
        r = ADD(rd, requires, &in->requires[i]);
    for (uint32_t i = 0; !r && i < in->n_prefixes; i++)
        r = ADD(rd, prefixes, &in->prefixes[i]);
    return r;
}

static int check_lets(struct reading *rd)
{
    for (const struct wfs_let_use *use = rd->p->uses; use; use = use->next)
        if (!find_let(rd, use->name))
            return wfs_parse_error(rd->p, use->pos,
                                   "expected a capture of this rule or a value set by "
                                   "`let %s = ...`, found '%s'",
                                   use->name, use->name);
    return 0;
}

#define KEEP(rd, what)                                                                             \
    keep(rd, (rd)->lists.what, (rd)->lists.n_##what, sizeof(*(rd)->lists.what),                    \
         (void *)&(rd)->set->what, &(rd)->set->n_##what)

static int keep(struct reading *rd, const void *list, size_t n, size_t size, void *ret_pp,
                uint32_t *ret_n)
{
    void *copy = wfs_arena_memdup(rd->p->arena, n ? list : "", n * size + (n == 0));
    if (!copy)
        return wfs_error_nomem(rd->p->err, "rules");
    memcpy(ret_pp, &copy, sizeof(copy));
    *ret_n = (uint32_t)n;
    return 0;
}

static int finish(struct reading *rd)
{
    int r = 0;
    for (size_t i = 0; !r && i < rd->lists.n_included; i++)
        r = merge(rd, rd->lists.included[i]);
    if (!r)
        r = check_lets(rd);
    if (!r)
        r = KEEP(rd, rules);
    if (!r)
        r = KEEP(rd, lets);
    if (!r)
        r = KEEP(rd, requires);
    return r ? r : KEEP(rd, prefixes);
}

static void free_lists(struct lists *l)
{
    free(l->rules);
    free(l->lets);
    free(l->requires);
    free(l->prefixes);
    free(l->included);
}

int wfs_set_parse_text(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                       struct wfs_including *in, struct wfs_set **ret, struct wfs_error *err)
{
    struct wfs_set *set = wfs_arena_alloc(arena, sizeof(*set));
    struct wfs_parser *p = wfs_arena_alloc(arena, sizeof(*p));
    if (!set || !p)
        return wfs_error_nomem(err, "rules");
    set->file = wfs_arena_strdup(arena, file);
    set->source.sep = set->target.sep = '.';
    set->name = set->file;
    if (!set->file)
        return wfs_error_nomem(err, "rules");
    *p = (struct wfs_parser){arena, err, set->file, text, 0, len, 1, 0, .uses = NULL};
    struct reading rd = {.p = p, .set = set, .in = in};
    rd.in->n_bytes += len;
    int r = 0;
    if (len > WFS_RULES_MAX_BYTES)
        r = wfs_error_set(err, EINVAL, "%s: expected at most %u bytes of rules", file,
                          WFS_RULES_MAX_BYTES);
    if (!r && (memchr(text, 0, len) || !wfs_utf8_valid(text, len)))
        r = wfs_error_set(err, EINVAL, "%s: expected UTF-8 text without NUL bytes", file);
    if (!r)
        r = parse_all(&rd);
    if (!r)
        r = finish(&rd);
    free_lists(&rd.lists);
    if (!r)
        *ret = set;
    return r;
}
