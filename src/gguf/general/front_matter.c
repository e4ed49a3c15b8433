/*
 * front_matter.c - the YAML at the beginning of a model card, as gguf-py reads it: tabs are two blanks,
 * and "- no" is the language. libyaml parses; what a plain scalar is (text, number, truth, date) is
 * PyYAML's safe loader's rule.
 *
 * Nothing is expanded: an alias is the node that it names, and callers look one list deep.
 */
#include "gguf/general/front_matter.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

#define MAX_BYTES (1u << 20) /* of front matter */

struct wfs_front_matter {
    yaml_document_t document;
};

/* ---- the text ------------------------------------------------------------------------------ */

/* The length of the line at s without its end, and where the next begins. */
static size_t line_len(const char *s, const char *end, const char **ret_next)
{
    const char *e = s;
    while (e < end && *e != '\n' && *e != '\r')
        e++;
    const char *next = e;
    if (next < end && *next == '\r')
        next++;
    if (next < end && *next == '\n' && (next == e || next[-1] == '\r'))
        next++;
    *ret_next = next;
    return (size_t)(e - s);
}

static bool is_rule(const char *s, size_t len)
{
    return len == 3 && memcmp(s, "---", 3) == 0;
}

static void add_line(struct wfs_buf *out, const char *s, size_t len)
{
    bool is_norway = len >= 4 && memcmp(s + len - 4, "- no", 4) == 0;
    for (size_t i = 0; i < (is_norway ? len - 4 : len); i++)
        if (s[i] == '\t')
            wfs_buf_str(out, "  ");
        else
            wfs_buf_char(out, s[i]);
    wfs_buf_str(out, is_norway ? "- \"no\"\n" : "\n");
}

/* False where the text has no front matter. */
static bool cut(const char *text, size_t len, struct wfs_buf *out)
{
    const char *end = text + len, *s = text, *next;
    size_t n = line_len(s, end, &next);
    if (!is_rule(s, n))
        return false;
    for (s = next; s < end; s = next) {
        n = line_len(s, end, &next);
        if (is_rule(s, n))
            break;
        add_line(out, s, n);
    }
    return true;
}

/* ---- scalars ------------------------------------------------------------------------------- */

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(s, *words) == 0)
            return true;
    return false;
}

/* Digits and underscores, the first a digit; then (:[0-5]?[0-9])* where is_sixties. */
static const char *skip_number(const char *s, bool *ret_sixties)
{
    *ret_sixties = false;
    if (!isdigit((unsigned char)*s))
        return NULL;
    while (isdigit((unsigned char)*s) || *s == '_')
        s++;
    while (s[0] == ':' && isdigit((unsigned char)s[1])) {
        if (isdigit((unsigned char)s[2]) && s[1] > '5')
            return NULL;
        s += isdigit((unsigned char)s[2]) ? 3 : 2;
        *ret_sixties = true;
    }
    return s;
}

/* [eE][-+][0-9]+ or nothing, to the end. */
static bool is_exponent(const char *s)
{
    if (!*s)
        return true;
    if (tolower((unsigned char)*s) != 'e' || (s[1] != '+' && s[1] != '-') || !s[2])
        return false;
    return s[2 + strspn(s + 2, "0123456789")] == 0;
}

/* PyYAML's int and float. */
static bool is_number(const char *s)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    bool is_sixties, has_zero;
    if (is_one_of(s, nans))
        return true;
    if (s[0] == '.' && isdigit((unsigned char)s[1]))
        return is_exponent(s + 1 + strspn(s + 1, "0123456789_"));
    s += *s == '-' || *s == '+';
    if (is_one_of(s, words))
        return true;
    if (s[0] == '0' && (s[1] == 'b' || s[1] == 'x') && s[2])
        return s[2 + strspn(s + 2, s[1] == 'b' ? "01_" : "0123456789abcdefABCDEF_")] == 0;
    const char *end = skip_number(s, &is_sixties);
    if (!end)
        return false;
    if (*end == '.')
        return (end += 1 + strspn(end + 1, "0123456789_")), is_sixties ? !*end : is_exponent(end);
    has_zero = s[0] == '0' && s[1];
    return !*end && !(has_zero && (is_sixties || s[strspn(s, "01234567_")]));
}

static bool are_digits(const char *s, size_t min, size_t max, size_t *ret_len)
{
    *ret_len = strspn(s, "0123456789");
    return *ret_len >= min && *ret_len <= max;
}

/* 2024-01-31, or with a time behind it. */
static bool is_date(const char *s)
{
    size_t year, month, day;
    if (!are_digits(s, 4, 4, &year) || s[year] != '-' || !are_digits(s + year + 1, 1, 2, &month) ||
        s[year + 1 + month] != '-' || !are_digits(s + year + month + 2, 1, 2, &day))
        return false;
    const char *rest = s + year + month + day + 2;
    if (!*rest)
        return month == 2 && day == 2;
    return (tolower((unsigned char)*rest) == 't' || *rest == ' ' || *rest == '\t') &&
           strchr(rest, ':');
}

static struct wfs_card_value scalar(const yaml_node_t *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const truths[] = {"yes",  "Yes",  "YES",   "no",    "No",    "NO", "true",
                                         "True", "TRUE", "false", "False", "FALSE", "on", "On",
                                         "ON",   "off",  "Off",   "OFF",   "<<",    "=",  NULL};
    struct wfs_card_value v = {.kind = WFS_CARD_TEXT,
                               .text = (const char *)node->data.scalar.value};
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return v;
    if (is_one_of(v.text, nulls))
        v.kind = WFS_CARD_NONE;
    else if (is_one_of(v.text, truths) || is_number(v.text) || is_date(v.text))
        v.kind = WFS_CARD_OTHER;
    return v;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static yaml_node_t *node_at(const struct wfs_front_matter *card, int i)
{
    return yaml_document_get_node((yaml_document_t *)&card->document, i);
}

static struct wfs_card_value value_of(const struct wfs_front_matter *card, int i)
{
    const yaml_node_t *node = node_at(card, i);
    if (!node)
        return (struct wfs_card_value){.kind = WFS_CARD_NONE};
    if (node->type == YAML_SCALAR_NODE)
        return scalar(node);
    return (struct wfs_card_value){
        .kind = node->type == YAML_SEQUENCE_NODE ? WFS_CARD_LIST : WFS_CARD_MAP, .node = i};
}

/* The last of several, as a Python dict has it. */
static int find(const struct wfs_front_matter *card, int map, const char *key)
{
    const yaml_node_t *node = node_at(card, map);
    int found = 0;
    if (!node || node->type != YAML_MAPPING_NODE)
        return 0;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = node_at(card, p->key);
        if (k && k->type == YAML_SCALAR_NODE && strcmp((char *)k->data.scalar.value, key) == 0)
            found = p->value;
    }
    return found;
}

struct wfs_card_value wfs_front_matter_get(const struct wfs_front_matter *card, const char *key,
                                           bool *has)
{
    int found = find(card, 1, key);
    if (has)
        *has = found != 0;
    return value_of(card, found);
}

struct wfs_card_value wfs_front_matter_in(const struct wfs_front_matter *card,
                                          const struct wfs_card_value *map, const char *key)
{
    return value_of(card, map->kind == WFS_CARD_MAP ? find(card, map->node, key) : 0);
}

uint32_t wfs_front_matter_size(const struct wfs_front_matter *card,
                               const struct wfs_card_value *list)
{
    const yaml_node_t *node = list->kind == WFS_CARD_LIST ? node_at(card, list->node) : NULL;
    return node ? (uint32_t)(node->data.sequence.items.top - node->data.sequence.items.start) : 0;
}

struct wfs_card_value wfs_front_matter_at(const struct wfs_front_matter *card,
                                          const struct wfs_card_value *list, uint32_t i)
{
    return value_of(card, node_at(card, list->node)->data.sequence.items.start[i]);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static void free_document(void *card)
{
    yaml_document_delete(&((struct wfs_front_matter *)card)->document);
}

/* libyaml counts lines from 0, and the first of them is behind the "---". */
static int say_why(const yaml_parser_t *parser, const char *file, struct wfs_error *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return wfs_error_nomem(err, file);
    return wfs_error_set(err, EINVAL, "%s:%zu: no YAML: %s", file, parser->problem_mark.line + 2,
                         parser->problem ? parser->problem : "not readable");
}

int wfs_front_matter_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                           struct wfs_front_matter **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf plain = {0};
    struct wfs_front_matter *card = wfs_arena_alloc(arena, sizeof(*card));
    yaml_parser_t parser;
    if (!cut(text, len, &plain)) {
        *ret = NULL;
        return 0;
    }
    if (plain.len > MAX_BYTES)
        return wfs_error_set(err, EFBIG, "%s: more than %u bytes of front matter", file, MAX_BYTES);
    if (!card || !wfs_buf_ok(&plain) || !yaml_parser_initialize(&parser))
        return wfs_error_nomem(err, file);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(plain.len ? plain.data : ""),
                                 plain.len);
    int r = yaml_parser_load(&parser, &card->document) ? 0 : say_why(&parser, file, err);
    yaml_parser_delete(&parser);
    if (r)
        return r;
    if (wfs_arena_on_free(arena, free_document, card))
        return wfs_error_nomem(err, file);
    const yaml_node_t *root = yaml_document_get_root_node(&card->document);
    *ret = root && root->type == YAML_MAPPING_NODE ? card : NULL;
    return 0;
}
