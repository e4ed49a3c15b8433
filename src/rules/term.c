/*
 * term.c - names and expressions, one grammar: an expression asks for names
 * (exists(h.{l}.weight)), and a target holds expressions (h.{l+1}). Precedence, loosest first: or,
 * and, not, comparison, ??, + -, * / %, unary minus.
 */
#include "rules/term.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "rules/regex.h"

/* ---- names: patterns and targets ------------------------------------------------------------ */

#define MAX_SEGMENTS 64
#define MAX_ATOMS    32 /* of one component */

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
            r = wfs_parse_capture(p, name, pos, &atom.cap);
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

/* ---- expressions ----------------------------------------------------------------------------- */

struct infix {
    const char *text;
    enum wfs_binop op;
    int level;
};
static const struct infix infixes[] = {
    {"or", WFS_BIN_OR, 0},   {"and", WFS_BIN_AND, 1}, {"==", WFS_BIN_EQ, 2}, {"!=", WFS_BIN_NE, 2},
    {"<=", WFS_BIN_LE, 2},   {">=", WFS_BIN_GE, 2},   {"<", WFS_BIN_LT, 2},  {">", WFS_BIN_GT, 2},
    {"??", WFS_BIN_ELSE, 3}, {"+", WFS_BIN_ADD, 4},   {"-", WFS_BIN_SUB, 4}, {"*", WFS_BIN_MUL, 5},
    {"/", WFS_BIN_DIV, 5},   {"%", WFS_BIN_MOD, 5},
};
#define LEVELS     6
#define IN_LEVEL   2 /* of comparisons */
#define MAX_HEIGHT (4 * WFS_RULES_MAX_DEPTH)

struct function {
    const char *name;
    enum wfs_fn fn;
    uint32_t n_args;
};
static const struct function functions[] = {
    {"known", WFS_FN_KNOWN, 1},     {"contains", WFS_FN_CONTAINS, 2},
    {"starts", WFS_FN_STARTS, 2},   {"ends", WFS_FN_ENDS, 2},
    {"replace", WFS_FN_REPLACE, 3}, {"lower", WFS_FN_LOWER, 1},
    {"last", WFS_FN_LAST, 1},       {"ceildiv", WFS_FN_CEILDIV, 2},
    {"roundup", WFS_FN_ROUNDUP, 2}, {"min", WFS_FN_MIN, 2},
    {"max", WFS_FN_MAX, 2},         {"sqrt", WFS_FN_SQRT, 1},
    {"float32", WFS_FN_FLOAT32, 1}, {"log", WFS_FN_LOG, 1},
    {"pow", WFS_FN_POW, 2},
};

static int parse_level(struct wfs_parser *p, int level, const struct wfs_vexpr **ret);

static struct wfs_vexpr *new_expr(struct wfs_parser *p, enum wfs_vexpr_kind kind)
{
    struct wfs_vexpr *e = wfs_arena_alloc(p->arena, sizeof(*e));
    if (!e) {
        wfs_error_nomem(p->err, "rules");
        return NULL;
    }
    e->kind = kind;
    e->pos = wfs_parse_pos(p);
    return e;
}

/* What was parsed since `start`, for --explain. */
static void set_source(const struct wfs_parser *p, struct wfs_vexpr *e, size_t start)
{
    e->source = p->text + start;
    e->source_len = p->pos - start;
}

/* Walks over an expression recurse: brackets, and terms in a row, must not make it too tall. */
static int set_height(struct wfs_parser *p, struct wfs_vexpr *e)
{
    for (uint32_t i = 0; i < e->n_args; i++)
        if (e->args[i]->height >= e->height)
            e->height = e->args[i]->height + 1;
    if (e->height > MAX_HEIGHT)
        return wfs_parse_error(p, e->pos, "expected a simpler expression");
    return 0;
}

/* 12 or 1.5 or 1e-6 */
static int parse_numeral(struct wfs_parser *p, struct wfs_vexpr *e)
{
    char digits[64];
    size_t n = 0;
    while (n < sizeof(digits) - 1) {
        char c = wfs_parse_peek_at(p, n);
        bool exponent_sign = (c == '-' || c == '+') && n && tolower(digits[n - 1]) == 'e';
        if (!isdigit((unsigned char)c) && c != '.' && tolower(c) != 'e' && !exponent_sign)
            break;
        digits[n++] = c;
    }
    digits[n] = 0;
    if (strspn(digits, "0123456789") == n) {
        e->value.kind = WFS_VALUE_INT;
        return wfs_parse_number(p, &e->value.i);
    }
    char *end;
    e->value.kind = WFS_VALUE_REAL;
    e->value.r = strtod(digits, &end);
    if (*end)
        return wfs_parse_expected(p, "a number");
    p->pos += n;
    return 0;
}

static int parse_text(struct wfs_parser *p, struct wfs_vexpr *e)
{
    const char *s;
    int r = wfs_parse_string(p, &s);
    if (r)
        return r;
    e->value = (struct wfs_value){.kind = WFS_VALUE_STR, .s = s, .len = strlen(s)};
    return 0;
}

/* config.a.b */
static int parse_config(struct wfs_parser *p, struct wfs_vexpr *e)
{
    size_t n = 0;
    for (char c; (c = wfs_parse_peek_at(p, n)); n++)
        if (!isalnum((unsigned char)c) && c != '_' && c != '.')
            break;
    if (n == 0 || wfs_parse_peek_at(p, n - 1) == '.')
        return wfs_parse_expected(p, "a name of config.json, as in config.hidden_size");
    e->kind = WFS_V_CONFIG;
    e->text = wfs_arena_strndup(p->arena, p->text + p->pos, n);
    p->pos += n;
    return e->text ? 0 : wfs_error_nomem(p->err, "rules");
}

/* "a.b" alone as a name: its components, for where no single one is called so. */
static int split_quoted(struct wfs_parser *p, const struct wfs_name **name)
{
    const struct wfs_segment *seg = (*name)->segments;
    if ((*name)->regex || (*name)->n_segments != 1 || seg->n_atoms != 1 || !seg->atoms->lit ||
        !memchr(seg->atoms->lit, '.', seg->atoms->len))
        return 0;
    struct wfs_name *whole = wfs_arena_memdup(p->arena, *name, sizeof(*whole));
    struct wfs_name *dotted = wfs_arena_memdup(p->arena, *name, sizeof(*dotted));
    const char *path = wfs_path_from_name(p->arena, seg->atoms->lit, '.');
    uint32_t n = path ? (uint32_t)wfs_path_n_components(path) : 0;
    struct wfs_segment *segments = wfs_arena_array(p->arena, n, sizeof(*segments));
    struct wfs_atom *atoms = wfs_arena_array(p->arena, n, sizeof(*atoms));
    if (!whole || !dotted || !path || !segments || !atoms)
        return wfs_error_nomem(p->err, "rules");
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        const char *s = wfs_path_component(path, i, &len);
        atoms[i] = (struct wfs_atom){.lit = s, .len = len, .cap = WFS_NO_INDEX};
        segments[i] = (struct wfs_segment){
            .n_atoms = 1, .atoms = &atoms[i], .hash = wfs_component_hash(s, len)};
    }
    dotted->n_segments = n;
    dotted->segments = segments;
    whole->dotted = dotted;
    *name = whole;
    return 0;
}

/* exists(TARGET), template(TARGET): names with captures; any(PATTERN) may have its own. */
static int parse_name_call(struct wfs_parser *p, struct wfs_vexpr *e, enum wfs_vexpr_kind kind)
{
    bool saved = p->in_target;
    int r = wfs_parse_expect(p, "(");
    if (r)
        return r;
    e->kind = kind;
    p->in_target = kind != WFS_V_ANY;
    uint32_t n_caps = p->n_caps;
    r = wfs_parse_space(p) ? wfs_parse_name(p, &e->name) : wfs_parse_expected(p, "a name");
    p->in_target = saved;
    if (!r)
        r = split_quoted(p, &e->name);
    if (!r && kind != WFS_V_ANY && p->n_caps != n_caps)
        r = wfs_parse_error(p, e->pos, "expected only captures that the rule's patterns bind");
    if (!r && (kind == WFS_V_DIM || kind == WFS_V_TDIM)) {
        r = wfs_parse_expect(p, ",");
        e->n_args = 1;
        if (!r)
            r = parse_level(p, 0, &e->args[0]);
    }
    return r ? r : wfs_parse_expect(p, ")");
}

static int parse_call(struct wfs_parser *p, struct wfs_vexpr *e, const struct function *f)
{
    e->kind = WFS_V_CALL;
    e->op = f->fn;
    int r = wfs_parse_expect(p, "(");
    for (uint32_t i = 0; !r && i < f->n_args; i++) {
        if (i)
            r = wfs_parse_expect(p, ",");
        if (!r)
            r = parse_level(p, 0, &e->args[e->n_args++]);
    }
    return r ? r : wfs_parse_expect(p, ")");
}

static int parse_shape(struct wfs_parser *p, struct wfs_vexpr *e)
{
    e->kind = WFS_V_SHAPE;
    e->n_args = 1;
    int r = wfs_parse_expect(p, "[");
    if (!r)
        r = parse_level(p, 0, &e->args[0]);
    return r ? r : wfs_parse_expect(p, "]");
}

static void make_bool(struct wfs_vexpr *e, bool value)
{
    e->value = (struct wfs_value){.kind = WFS_VALUE_BOOL, .i = value};
}

static int use_let(struct wfs_parser *p, struct wfs_vexpr *e)
{
    struct wfs_let_use *use = wfs_arena_alloc(p->arena, sizeof(*use));
    if (!use)
        return wfs_error_nomem(p->err, "rules");
    *use = (struct wfs_let_use){e->text, e->pos, p->uses};
    p->uses = use;
    e->kind = WFS_V_LET;
    return 0;
}

static int parse_word_expr(struct wfs_parser *p, struct wfs_vexpr *e)
{
    static const struct {
        const char *name;
        enum wfs_vexpr_kind kind;
    } plain[] = {{"rank", WFS_V_RANK},     {"dtype", WFS_V_DTYPE},
                 {"name", WFS_V_NAME},     {"tied", WFS_V_TIED},
                 {"packed", WFS_V_PACKED}, {"convolution", WFS_V_CONVOLUTION},
                 {"role", WFS_V_ROLE},     {"channels", WFS_V_CHANNELS}},
      names[] = {{"exists", WFS_V_EXISTS},
                 {"any", WFS_V_ANY},
                 {"template", WFS_V_TEMPLATE},
                 {"dim", WFS_V_DIM},
                 {"tdim", WFS_V_TDIM}};
    const char *word;
    int r = wfs_parse_ident(p, "a value", &word);
    if (r)
        return r;
    e->text = word;
    uint32_t cap = wfs_parse_cap_find(p, word, strlen(word));
    if (cap != WFS_NO_INDEX) {
        e->kind = WFS_V_CAPTURE;
        e->index = cap;
        return 0;
    }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(plain); i++)
        if (strcmp(word, plain[i].name) == 0) {
            e->kind = plain[i].kind;
            return 0;
        }
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (strcmp(word, names[i].name) == 0)
            return parse_name_call(p, e, names[i].kind);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(functions); i++)
        if (strcmp(word, functions[i].name) == 0)
            return parse_call(p, e, &functions[i]);
    if (strcmp(word, "shape") == 0)
        return parse_shape(p, e);
    if (strcmp(word, "config") == 0 && wfs_parse_peek(p) == '.') {
        wfs_parse_next(p);
        return parse_config(p, e);
    }
    if (strcmp(word, "model_type") == 0)
        e->kind = WFS_V_CONFIG;
    else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        make_bool(e, word[0] == 't');
    else
        return use_let(p, e);
    return 0;
}

static int parse_primary(struct wfs_parser *p, const struct wfs_vexpr **ret)
{
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, "a value");
    if (wfs_parse_accept(p, "(")) {
        int r = parse_level(p, 0, ret);
        return r ? r : wfs_parse_expect(p, ")");
    }
    struct wfs_vexpr *e = new_expr(p, WFS_V_CONST);
    if (!e)
        return -ENOMEM;
    size_t start = p->pos;
    int r;
    if (wfs_parse_accept(p, "-")) {
        e->kind = WFS_V_NEG;
        e->n_args = 1;
        r = parse_level(p, LEVELS, &e->args[0]);
    } else if (wfs_parse_accept(p, "not")) {
        e->kind = WFS_V_NOT;
        e->n_args = 1;
        r = parse_level(p, 2, &e->args[0]);
    } else if (isdigit((unsigned char)wfs_parse_peek(p))) {
        r = parse_numeral(p, e);
    } else if (wfs_parse_peek(p) == '"') {
        r = parse_text(p, e);
    } else {
        r = parse_word_expr(p, e);
    }
    set_source(p, e, start);
    if (!r)
        r = set_height(p, e);
    if (!r)
        *ret = e;
    return r;
}

static const struct infix *accept_infix(struct wfs_parser *p, int level)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(infixes); i++) {
        const struct infix *in = &infixes[i];
        if (in->level != level)
            continue;
        /* "->" belongs to the rule, not to a subtraction. */
        if (in->op == WFS_BIN_SUB && wfs_parse_space(p) && wfs_parse_peek(p) == '-' &&
            wfs_parse_peek_at(p, 1) == '>')
            continue;
        if (wfs_parse_accept(p, in->text))
            return in;
    }
    return NULL;
}

/* A binary expression; its source is what was parsed since `start`. */
static int new_binary(struct wfs_parser *p, enum wfs_binop op, const struct wfs_vexpr *left,
                      const struct wfs_vexpr *right, size_t start, const struct wfs_vexpr **ret)
{
    struct wfs_vexpr *e = new_expr(p, WFS_V_BINARY);
    if (!e)
        return -ENOMEM;
    e->op = (int)op;
    e->n_args = 2;
    e->args[0] = left;
    e->args[1] = right;
    set_source(p, e, start);
    *ret = e;
    return set_height(p, e);
}

/* x in "a" "b" is x == "a" or x == "b". A false list is explained as a whole: each of its
 * expressions has the source of all. */
static int parse_in(struct wfs_parser *p, const struct wfs_vexpr *left, size_t start,
                    const struct wfs_vexpr **ret)
{
    const struct wfs_vexpr *any = NULL;
    uint32_t n = 0;
    do {
        const struct wfs_vexpr *equal;
        if (++n > WFS_RULES_MAX_DEPTH)
            return wfs_parse_expected(p, "at most 64 texts after 'in'");
        struct wfs_vexpr *text = new_expr(p, WFS_V_CONST);
        if (!text)
            return -ENOMEM;
        size_t text_start = p->pos;
        int r = parse_text(p, text);
        set_source(p, text, text_start);
        if (!r)
            r = new_binary(p, WFS_BIN_EQ, left, text, start, &equal);
        if (!r && any)
            r = new_binary(p, WFS_BIN_OR, any, equal, start, &any);
        else if (!r)
            any = equal;
        if (r)
            return r;
    } while (wfs_parse_space(p) && wfs_parse_peek(p) == '"');
    *ret = any;
    return 0;
}

static int parse_level(struct wfs_parser *p, int level, const struct wfs_vexpr **ret)
{
    uint32_t n_terms = 0;
    if (++p->depth > WFS_RULES_MAX_DEPTH * (LEVELS + 1))
        return wfs_parse_expected(p, "a simpler expression");
    const struct wfs_vexpr *left;
    wfs_parse_space(p);
    size_t start = p->pos;
    int r = level >= LEVELS ? parse_primary(p, &left) : parse_level(p, level + 1, &left);
    for (const struct infix *in; !r && level < LEVELS && (in = accept_infix(p, level));) {
        if (++n_terms > WFS_RULES_MAX_DEPTH)
            return wfs_parse_expected(p, "a shorter expression");
        const struct wfs_vexpr *right;
        r = parse_level(p, level + 1, &right);
        if (!r)
            r = new_binary(p, in->op, left, right, start, &left);
    }
    if (!r && level == IN_LEVEL && wfs_parse_accept(p, "in"))
        r = parse_in(p, left, start, &left);
    p->depth--;
    if (!r)
        *ret = left;
    return r;
}

int wfs_parse_both(struct wfs_parser *p, const struct wfs_vexpr *left,
                   const struct wfs_vexpr *right, const struct wfs_vexpr **ret)
{
    struct wfs_vexpr *e = new_expr(p, WFS_V_BINARY);
    const char *source = wfs_arena_printf(p->arena, "(%.*s) and (%.*s)", (int)left->source_len,
                                          left->source, (int)right->source_len, right->source);
    if (!e || !source)
        return wfs_error_nomem(p->err, "rules");
    e->op = (int)WFS_BIN_AND;
    e->n_args = 2;
    e->args[0] = left;
    e->args[1] = right;
    e->source = source;
    e->source_len = strlen(source);
    *ret = e;
    return set_height(p, e);
}

int wfs_parse_expr(struct wfs_parser *p, const struct wfs_vexpr **ret)
{
    return parse_level(p, 0, ret);
}
