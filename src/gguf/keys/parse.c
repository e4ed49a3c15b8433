/*
 * parse.c - reads tables of keys, with the rules' own parser of words and expressions.
 *
 * A statement begins in column 1, deeper lines continue it. `arch` and `block` begin a section; all
 * other statements belong to the section above them.
 */
#include "gguf/keys/parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "rules/parse_text.h"
#include "rules/term.h"

#define MAX_STATEMENTS 1024 /* of one section */

struct building {
    struct wfs_parser p;
    struct wfs_keys_section *sections; /* malloc'd */
    size_t n_sections, cap_sections;
    struct wfs_keys_statement *statements; /* malloc'd; of the last section */
    size_t n_statements, cap_statements;
};

static int no_memory(struct wfs_parser *p)
{
    return wfs_error_nomem(p->err, "tables of keys");
}

/* A name with dots in it: a path of the config, or a key of the file. */
static int parse_dotted(struct wfs_parser *p, const char **ret)
{
    size_t n = 0;
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, "a name");
    for (char c; (c = wfs_parse_peek_at(p, n)); n++)
        if (!isalnum((unsigned char)c) && c != '_' && c != '.' && c != '-')
            break;
    if (n == 0)
        return wfs_parse_expected(p, "a name");
    const char *s = wfs_arena_strndup(p->arena, p->text + p->pos, n);
    if (!s)
        return no_memory(p);
    p->pos += n;
    *ret = s;
    return 0;
}

/* ---- values -------------------------------------------------------------------------------- */

/* (a, b, ...): paths, then what the form takes beside them. */
static int parse_arguments(struct wfs_parser *p, struct wfs_keys_value *value)
{
    int r = wfs_parse_expect(p, "(");
    do {
        if (r || value->n_paths == WFS_KEYS_MAX_PATHS)
            return r ? r : wfs_parse_expected(p, "fewer names");
        if (value->form == WFS_KEYS_COUNT && value->n_paths == 1)
            r = wfs_parse_string(p, &value->text);
        else if (value->form == WFS_KEYS_PAD && value->n_paths == 1)
            r = wfs_parse_number(p, &value->number);
        else
            r = parse_dotted(p, &value->paths[value->n_paths++]);
    } while (!r && wfs_parse_accept(p, ","));
    return r ? r : wfs_parse_expect(p, ")");
}

/* EXPR [if COND else EXPR] */
static int parse_choice(struct wfs_parser *p, struct wfs_keys_value *value)
{
    int r = wfs_parse_expr(p, &value->expr);
    if (r || !wfs_parse_accept(p, "if"))
        return r;
    r = wfs_parse_expr(p, &value->cond);
    if (!r)
        r = wfs_parse_expect(p, "else");
    return r ? r : wfs_parse_expr(p, &value->otherwise);
}

/* each PATH [and EXPR more]: EXPR */
static int parse_each(struct wfs_parser *p, struct wfs_keys_value *value)
{
    int r = parse_dotted(p, &value->paths[value->n_paths++]);
    if (!r && wfs_parse_accept(p, "and")) {
        r = wfs_parse_expr(p, &value->more);
        if (!r)
            r = wfs_parse_expect(p, "more");
    }
    if (!r)
        r = wfs_parse_expect(p, ":");
    return r ? r : parse_choice(p, value);
}

static int parse_value(struct wfs_parser *p, struct wfs_keys_value *value)
{
    static const struct {
        const char *word;
        enum wfs_keys_form form;
    } forms[] = {{"find", WFS_KEYS_FIND},
                 {"has", WFS_KEYS_HAS},
                 {"count", WFS_KEYS_COUNT},
                 {"length", WFS_KEYS_LENGTH},
                 {"pad", WFS_KEYS_PAD},
                 {"tensors", WFS_KEYS_TENSORS},
                 {"quantiles", WFS_KEYS_QUANTILES},
                 {"labels", WFS_KEYS_LABELS}};
    wfs_parse_space(p);
    *value = (struct wfs_keys_value){.pos = wfs_parse_pos(p)};
    if (wfs_parse_accept(p, "each")) {
        value->form = WFS_KEYS_EACH;
        return parse_each(p, value);
    }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(forms); i++)
        if (wfs_parse_accept(p, forms[i].word)) {
            value->form = forms[i].form;
            return parse_arguments(p, value);
        }
    return parse_choice(p, value);
}

/* ---- statements ---------------------------------------------------------------------------- */

static int add_statement(struct building *b, const struct wfs_keys_statement *statement)
{
    if (b->n_sections == 0)
        return wfs_parse_error(&b->p, statement->pos, "expected an arch or a block first");
    if (b->n_statements == MAX_STATEMENTS)
        return wfs_parse_error(&b->p, statement->pos, "expected at most %d statements",
                               MAX_STATEMENTS);
    if (wfs_grow(&b->statements, &b->cap_statements, b->n_statements + 1, sizeof(*b->statements)))
        return no_memory(&b->p);
    b->statements[b->n_statements++] = *statement;
    return 0;
}

/* [first] TYPE[[]][?], if that stands here. */
static bool accept_type(struct wfs_parser *p, struct wfs_keys_statement *s)
{
    static const struct {
        const char *word;
        enum wfs_gguf_type type;
    } types[] = {{"u32", WFS_GGUF_U32},
                 {"i32", WFS_GGUF_I32},
                 {"f32", WFS_GGUF_F32},
                 {"bool", WFS_GGUF_BOOL},
                 {"str", WFS_GGUF_STR}};
    s->is_first = wfs_parse_accept(p, "first");
    for (size_t i = 0; i < WFS_ARRAY_SIZE(types); i++) {
        if (!wfs_parse_accept(p, types[i].word))
            continue;
        s->type = types[i].type;
        s->is_array = wfs_parse_accept(p, "[]");
        s->is_optional = wfs_parse_accept(p, "?");
        return true;
    }
    return false;
}

static int parse_assignment(struct wfs_parser *p, struct wfs_keys_statement *s)
{
    int r = parse_dotted(p, &s->name);
    if (!r)
        r = wfs_parse_expect(p, "=");
    return r ? r : parse_value(p, &s->value);
}

static int parse_need(struct wfs_parser *p, struct wfs_keys_statement *s)
{
    int r = wfs_parse_expr(p, &s->value.expr);
    if (!r)
        r = wfs_parse_expect(p, ":");
    return r ? r : wfs_parse_string(p, &s->message);
}

static int parse_model(struct wfs_parser *p, struct wfs_keys_statement *s)
{
    int r = parse_dotted(p, &s->name);
    return r ? r : parse_dotted(p, &s->message);
}

static int parse_body(struct wfs_parser *p, struct wfs_keys_statement *s)
{
    switch (s->kind) {
    case WFS_KEYS_NEED:
        return parse_need(p, s);
    case WFS_KEYS_MODEL:
        return parse_model(p, s);
    case WFS_KEYS_USE:
    case WFS_KEYS_BECOME:
    case WFS_KEYS_FORGET:
        return parse_dotted(p, &s->name);
    default:
        return parse_assignment(p, s);
    }
}

static int parse_statement(struct building *b)
{
    static const struct {
        const char *word;
        enum wfs_keys_kind kind;
    } kinds[] = {{"let", WFS_KEYS_LET},         {"int", WFS_KEYS_INT},
                 {"config", WFS_KEYS_CONFIG},   {"forget", WFS_KEYS_FORGET},
                 {"default", WFS_KEYS_DEFAULT}, {"need", WFS_KEYS_NEED},
                 {"use", WFS_KEYS_USE},         {"become", WFS_KEYS_BECOME},
                 {"model", WFS_KEYS_MODEL},     {"back", WFS_KEYS_BACK}};
    struct wfs_parser *p = &b->p;
    struct wfs_keys_statement s = {.kind = WFS_KEYS_KEY, .pos = wfs_parse_pos(p)};
    bool is_known = accept_type(p, &s);
    for (size_t i = 0; !is_known && i < WFS_ARRAY_SIZE(kinds); i++)
        if (wfs_parse_accept(p, kinds[i].word)) {
            s.kind = kinds[i].kind;
            is_known = true;
        }
    if (!is_known)
        return wfs_parse_expected(
            p, "a type (u32, i32, f32, bool, str), let, int, config, forget, default, "
               "need, use, become, model, back, arch or block");
    int r = parse_body(p, &s);
    if (!r && wfs_parse_accept(p, "when"))
        r = wfs_parse_expr(p, &s.when);
    if (!r && wfs_parse_space(p))
        r = wfs_parse_expected(p, "the end of the statement");
    return r ? r : add_statement(b, &s);
}

/* ---- sections ------------------------------------------------------------------------------ */

/* Moves the statements of the last section into the arena. */
static int end_section(struct building *b)
{
    if (b->n_sections == 0)
        return 0;
    struct wfs_keys_section *section = &b->sections[b->n_sections - 1];
    if (section->statements)
        return 0; /* of an earlier text */
    section->n_statements = (uint32_t)b->n_statements;
    section->statements =
        wfs_arena_memdup(b->p.arena, b->statements, b->n_statements * sizeof(*b->statements));
    b->n_statements = 0;
    return section->statements ? 0 : no_memory(&b->p);
}

static int begin_section(struct building *b, bool is_block)
{
    struct wfs_parser *p = &b->p;
    struct wfs_keys_section section = {.is_block = is_block};
    int r = end_section(b);
    if (!r)
        r = parse_dotted(p, &section.name);
    while (!r && wfs_parse_space(p)) {
        if (is_block || section.n_classes == WFS_KEYS_MAX_CLASSES)
            return wfs_parse_expected(p, "the end of the statement");
        r = parse_dotted(p, &section.classes[section.n_classes++]);
    }
    if (!r && wfs_grow(&b->sections, &b->cap_sections, b->n_sections + 1, sizeof(*b->sections)))
        r = no_memory(p);
    if (!r)
        b->sections[b->n_sections++] = section;
    return r;
}

static int parse_text(struct building *b)
{
    int r = 0;
    while (!r && wfs_parse_statement_start(&b->p)) {
        if (wfs_parse_accept(&b->p, "arch"))
            r = begin_section(b, false);
        else if (wfs_parse_accept(&b->p, "block"))
            r = begin_section(b, true);
        else
            r = parse_statement(b);
    }
    return r ? r : end_section(b);
}

static int keep(struct building *b, struct wfs_keys_table *table)
{
    const struct wfs_keys_section *own =
        wfs_arena_memdup(b->p.arena, b->sections, b->n_sections * sizeof(*b->sections));
    if (!own)
        return no_memory(&b->p);
    *table = (struct wfs_keys_table){(uint32_t)b->n_sections, own};
    return 0;
}

int wfs_keys_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                   struct wfs_keys_table *table, struct wfs_error *err)
{
    struct building b = {.p = {.arena = arena,
                               .err = err,
                               .file = file,
                               .text = text,
                               .len = len,
                               .line = 1,
                               .in_target = true}};
    int r =
        wfs_grow(&b.sections, &b.cap_sections, (size_t)table->n_sections + 1, sizeof(*b.sections))
            ? no_memory(&b.p)
            : 0;
    if (!r && table->n_sections)
        memcpy(b.sections, table->sections, table->n_sections * sizeof(*b.sections));
    b.n_sections = table->n_sections;
    if (!r)
        r = parse_text(&b);
    if (!r)
        r = keep(&b, table);
    free(b.sections);
    free(b.statements);
    return r;
}
