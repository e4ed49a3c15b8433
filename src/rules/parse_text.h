/*
 * parse_text.h - the parser's state, and its characters, words, strings and messages. Public to the stages
 * above.
 *
 * One cursor over the text knows its line and column. White space includes a newline whose next
 * non-empty line is indented deeper than statements are (`indent`), so a statement is what lies between two lines that begin where statements
 * do.
 */
#ifndef WEIGHTFS_RULES_PARSE_TEXT_H
#define WEIGHTFS_RULES_PARSE_TEXT_H

#include "rules/rules.h"

/* A value used by name, checked when the whole file is known. */
struct wfs_let_use {
    const char *name;
    struct wfs_pos pos;
    struct wfs_let_use *next;
};

struct wfs_parser {
    struct wfs_arena *arena;
    struct wfs_error *err;
    const char *file;
    const char *text;
    size_t pos, len;
    uint32_t line;
    size_t line_start;
    uint32_t depth; /* of nested expressions */
    /* Statements begin after this many blanks: 0, or as a `when` section is indented. */
    size_t indent;
    /* The condition of the sections around the statement, or NULL, and its text: " when COND". */
    const struct wfs_vexpr *when;
    const char *when_text;
    /* the rule being parsed */
    uint32_t n_caps;
    struct wfs_cap caps[WFS_RULE_MAX_CAPS];
    bool in_target; /* names being parsed are targets */
    struct wfs_let_use *uses;
};

/* Character level. wfs_parse_peek: the next byte, 0 at the end of the text. */
char wfs_parse_peek(const struct wfs_parser *p);
char wfs_parse_peek_at(const struct wfs_parser *p, size_t ahead);
void wfs_parse_next(struct wfs_parser *p);
/* Skips spaces, comments and continued lines; false where the statement ends. */
bool wfs_parse_space(struct wfs_parser *p);
/* Skips everything up to the next statement's first byte; false at the end of the text. */
bool wfs_parse_statement_start(struct wfs_parser *p);
struct wfs_pos wfs_parse_pos(const struct wfs_parser *p);

/* "FILE:LINE:COL: expected WHAT, found ..." at the cursor. */
int wfs_parse_expected(struct wfs_parser *p, const char *what);
/* "FILE:LINE:COL: message" at a position. */
int wfs_parse_error(struct wfs_parser *p, struct wfs_pos pos, const char *fmt, ...)
    WFS_PRINTF(3, 4);

/* After optional space: takes the text when it is next (words end at a non-word byte). */
bool wfs_parse_accept(struct wfs_parser *p, const char *text);
int wfs_parse_expect(struct wfs_parser *p, const char *text);
/* An identifier [A-Za-z_][A-Za-z0-9_]* ; -EINVAL "expected WHAT". */
int wfs_parse_ident(struct wfs_parser *p, const char *what, const char **ret);
/* A word up to white space: a set's or a file's name. */
int wfs_parse_word(struct wfs_parser *p, const char *what, const char **ret);
/* A word that is a name with "." between its components, as a path. */
int wfs_parse_path(struct wfs_parser *p, const char **ret);
/* "text" with \" and \\ ; the quotes are taken off. */
int wfs_parse_string(struct wfs_parser *p, const char **ret);
/* A whole number without a sign, at most 18 digits. */
int wfs_parse_number(struct wfs_parser *p, int64_t *ret);
/* Copies the text from `start` to the cursor, runs of white space as one space. */
const char *wfs_parse_text_since(struct wfs_parser *p, size_t start);

/* Where `->`, `&`, `if`, `for`, `of` or `:` stands, or the statement ends. */
bool wfs_parse_at_delimiter(struct wfs_parser *p);

/* Digits as Python prints an int, at the start of s: how many, and their value; or 0. */
uint32_t wfs_index_parse(const char *s, uint32_t len, int64_t *ret);

#endif
