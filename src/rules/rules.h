/*
 * rules.h - what the parser makes of a rule file. The language itself is described on one page, in
 * src/rules/LANGUAGE.
 *
 * INVARIANT: everything here lives in the arena it was parsed in and is const after.
 */
#ifndef WEIGHTFS_RULES_RULES_H
#define WEIGHTFS_RULES_RULES_H

#include "tensor/tensor.h"

#define WFS_RULES_MAX_BYTES (4u << 20) /* a rule file */
#define WFS_RULE_MAX_CAPS   16         /* captures of one rule */
#define WFS_RULE_MAX_PARTS  64         /* parts joined by & */
#define WFS_RULES_MAX_DEPTH 64         /* nested expressions, and includes */

struct wfs_pos {
    const char *file;
    uint32_t line, col;
};

/* ---- values -------------------------------------------------------------------------------- */

enum wfs_value_kind {
    WFS_VALUE_NONE,
    WFS_VALUE_INT,
    WFS_VALUE_REAL,
    WFS_VALUE_STR,
    WFS_VALUE_BOOL,
    WFS_VALUE_MAYBE,
    WFS_VALUE_LIST
};
/* NONE: not known. MAYBE: a condition that an inverse cannot decide yet. LIST: numbers of config.json,
 * where an operation takes such; a list asked for as anything else is not known. */
struct wfs_value {
    enum wfs_value_kind kind;
    int64_t i; /* INT, BOOL; STR: with is_number */
    double r;
    const char *s; /* STR: len bytes */
    size_t len;
    const double *list; /* LIST: len numbers */
    bool is_number;     /* STR: a number's digits, which count as one where a number is asked for */
    bool is_path; /* STR: components between WFS_SEP; else as wfs_path_join writes them with '.' */
};

enum wfs_vexpr_kind {
    WFS_V_CONST,
    WFS_V_CAPTURE, /* index */
    WFS_V_LET,     /* text */
    WFS_V_CONFIG,  /* text: dotted path */
    WFS_V_RANK,
    WFS_V_DTYPE,
    WFS_V_SHAPE, /* arg 0: axis */
    WFS_V_NAME,
    WFS_V_TIED,
    WFS_V_PACKED,
    WFS_V_CONVOLUTION,
    WFS_V_ROLE,
    WFS_V_CHANNELS,
    WFS_V_NEG,
    WFS_V_NOT,
    WFS_V_BINARY,   /* op */
    WFS_V_CALL,     /* op = enum wfs_fn */
    WFS_V_EXISTS,   /* name */
    WFS_V_ANY,      /* name */
    WFS_V_TEMPLATE, /* name */
    WFS_V_DIM,      /* name, arg 0: a size of another source tensor */
    WFS_V_TDIM,     /* name, arg 0: a size that the template gives */
};
enum wfs_binop {
    WFS_BIN_ADD,
    WFS_BIN_SUB,
    WFS_BIN_MUL,
    WFS_BIN_DIV,
    WFS_BIN_MOD,
    WFS_BIN_EQ,
    WFS_BIN_NE,
    WFS_BIN_LT,
    WFS_BIN_LE,
    WFS_BIN_GT,
    WFS_BIN_GE,
    WFS_BIN_AND,
    WFS_BIN_OR,
    WFS_BIN_ELSE
};
enum wfs_fn {
    WFS_FN_KNOWN,
    WFS_FN_CONTAINS,
    WFS_FN_STARTS,
    WFS_FN_ENDS,
    WFS_FN_REPLACE,
    WFS_FN_LOWER,
    WFS_FN_LAST,
    WFS_FN_CEILDIV,
    WFS_FN_ROUNDUP,
    WFS_FN_MIN,
    WFS_FN_MAX,
    WFS_FN_SQRT,
    WFS_FN_FLOAT32,
    WFS_FN_LOG,
    WFS_FN_POW
};
#define WFS_VEXPR_MAX_ARGS 3

struct wfs_vexpr {
    enum wfs_vexpr_kind kind;
    struct wfs_pos pos;
    const char *source; /* as written, in the file's text; NULL: made by an inverse */
    size_t source_len;
    struct wfs_value value;
    const char *text;
    uint32_t index;
    int op;
    uint32_t height; /* of the tree that it is the root of */
    uint32_t n_args;
    const struct wfs_vexpr *args[WFS_VEXPR_MAX_ARGS];
    const struct wfs_name *name;
};

/* ---- names: patterns and targets ----------------------------------------------------------- */

enum wfs_cap_kind {
    WFS_CAP_PART,
    WFS_CAP_MAYBE,
    WFS_CAP_INT,
    WFS_CAP_ALT,
    WFS_CAP_MANY,
    WFS_CAP_SOME
};
struct wfs_cap {
    const char *name;
    enum wfs_cap_kind kind;
    struct wfs_pos pos;
    bool ranged; /* an INT that must lie within lo..hi */
    int64_t lo, hi;
    uint32_t n_alts;
    const char *const *alts;
    bool in_regex; /* it is a group of a regular expression, which has no type */
    /* some source pattern gives it its value; where none does, a fan-out makes it */
    bool in_source;
};

struct wfs_atom {
    const char *lit; /* NULL: a capture or an expression */
    size_t len;
    uint32_t cap;                 /* WFS_NO_INDEX: an expression */
    const struct wfs_vexpr *expr; /* an expression, which only targets have */
};
struct wfs_segment {
    uint32_t n_atoms;
    const struct wfs_atom *atoms;
    bool many;     /* one {p:*} or {p:+} */
    uint64_t hash; /* the hash of a segment that is one literal and nothing else, else 0 */
};
struct wfs_name {
    struct wfs_pos pos;
    const char *text; /* as written */
    uint32_t n_segments;
    const struct wfs_segment *segments;
    uint32_t n_many;
    uint32_t n_literal; /* bytes of literal text, for match longest */
    void *regex;        /* pcre2_code, registered with the arena */
    /* the number of the group that each capture is; -1: it is none */
    int8_t regex_group[WFS_RULE_MAX_CAPS];
    const struct wfs_cap *own_caps; /* the captures known when it was parsed */
    /* exists("a.b") means one component called "a.b"; where no tensor has such a one, this name,
     * a.b, is asked for */
    const struct wfs_name *dotted;
};

/* What a capture stands for in one match. */
struct wfs_binding {
    bool set;
    const char *s; /* len bytes */
    uint32_t len;
    int64_t i;      /* INT: its value; ALT: which */
    bool is_number; /* of a regular expression: `i` is what its digits say */
};
struct wfs_match {
    struct wfs_binding b[WFS_RULE_MAX_CAPS];
    bool gave_up; /* it would have cost too much to find out whether the pattern matches */
};

/* ---- operations ---------------------------------------------------------------------------- */

struct wfs_operation; /* operations/operation.h */
struct wfs_op {
    const struct wfs_operation *operation;
    struct wfs_pos pos;
    const char *text; /* as written */
    uint32_t cap;     /* the capture that a fan-in or fan-out goes over, or WFS_NO_INDEX */
    bool equal;       /* concat: all parts must have the same size */
    uint32_t n_from;  /* reshape: the sizes before, which its inverse needs */
    const struct wfs_vexpr *const *from;
    /* fills: the result has the element type of the tensor that it is made beside */
    bool dtype_like;
    enum wfs_dtype dtype;
    const char *layout; /* "OI*>*IO", "ifgo>ifog" */
    uint32_t n_args;
    const struct wfs_vexpr *const *args;
};
struct wfs_ops {
    uint32_t n;
    const struct wfs_op *op;
};

/* ---- statements ---------------------------------------------------------------------------- */

struct wfs_rule_part {
    const struct wfs_name *name;
    struct wfs_ops ops;
    const char *collection; /* targets: NULL is the default one; an inverse's sources: NULL is any,
                             * "" none */
};
struct wfs_rule_parts {
    uint32_t n;
    const struct wfs_rule_part *part;
};

enum wfs_rule_kind {
    WFS_RULE_MAP,
    WFS_RULE_DROP,
    WFS_RULE_ALIAS,
    WFS_RULE_FILL,
    WFS_RULE_RENAME,
};

/* An inverse's equation: the expression was the number that a capture of the pattern holds. */
struct wfs_equation {
    uint32_t hidden; /* capture */
    const struct wfs_vexpr *expr;
};

/* For which direction a rule is written. One for both is turned around for the inverse; one for the
 * inverse alone is a part of it as it is, and one for the forward direction alone has no inverse of
 * its own: rules for the inverse alone stand for it. */
enum wfs_direction { WFS_BOTH_WAYS, WFS_FORWARD_ONLY, WFS_INVERSE_ONLY };

struct wfs_rule {
    enum wfs_rule_kind kind;
    enum wfs_direction direction;
    struct wfs_pos pos;
    const char *text;  /* as written, one line, for --explain */
    const char *where; /* "flax.map:12" */
    uint32_t n_caps;
    const struct wfs_cap *caps;
    struct wfs_rule_parts
        sources; /* MAP: the patterns; DROP, ALIAS: one; FILL: the `for` pattern or none */
    uint32_t n_clauses;
    const struct wfs_rule_parts *clauses; /* MAP: each `->`; FILL: one target */
    const struct wfs_name *of;            /* ALIAS */
    const struct wfs_op *restore;         /* DROP: what the inverse fills ... */
    const struct wfs_name *restore_for;   /* ... for each source name like this */
    const struct wfs_vexpr *cond;         /* or NULL */
    const struct wfs_rule *origin;        /* an inverse's: whose condition says whether there was
                                         * anything to undo; or NULL */
    /* a text that is reported as ambiguous where the rule takes a tensor, or NULL */
    const char *doubt;
    bool takes_packed;     /* its condition asks for `packed` */
    bool asks_convolution; /* ... for `convolution` */
    bool asks_role;        /* ... for `role` */
    bool asks_channels;    /* ... for `channels` */
    /* 0 where the rule stands in the file itself, else how deep its file was included */
    uint32_t level;
    uint32_t fan_caps; /* bit i: capture i is fanned in */
    /* the rule has several source parts, or a fan-in over a capture */
    bool fans_in;
    uint32_t n_equations; /* of an inverse */
    const struct wfs_equation *equations;
    bool asks_result; /* of an inverse: its condition is asked of the names that it makes */
    /* of a FILL that an inverse has: the names after `for` are those of targets */
    bool for_target;
};

enum wfs_match_policy { WFS_MATCH_ONE, WFS_MATCH_FIRST, WFS_MATCH_LONGEST };
enum wfs_unmatched { WFS_UNMATCHED_KEEP, WFS_UNMATCHED_DROP, WFS_UNMATCHED_ERROR };

struct wfs_namespace {
    char sep;
    bool index_glued;
    const char *trailing;   /* or NULL */
    const char *collection; /* target: the default one, or NULL */
    bool collection_always;
    uint32_t n_collections; /* source */
    const char *const *collections;
};
struct wfs_let {
    const char *name;
    struct wfs_pos pos;
    const struct wfs_vexpr *expr;
    const struct wfs_vexpr *inverse; /* of the names an inverse reads; NULL: expr serves both */
};
/* A condition and what is said of it: one without which the view is refused; or, with `missing`, one
 * under which the view lacks a tensor of that path; or, with `is_default`, one under which the view
 * is shown although nobody named it. */
struct wfs_require {
    struct wfs_pos pos;
    const char *missing; /* or NULL */
    bool is_default;
    const struct wfs_vexpr *cond;
    const char *message; /* of is_default: NULL */
};
/* An inverse takes one off where it reads names, and adds one where it writes them. */
struct wfs_prefix {
    struct wfs_pos pos;
    bool add;
    const char *path;
    const struct wfs_vexpr *cond;
};

struct wfs_set {
    const char *name;
    const char *file;
    const char *from, *to; /* conventions, or NULL */
    uint32_t n_detect;
    const struct wfs_name *const *detect;
    struct wfs_namespace source, target;
    const char *const *files; /* NULL-terminated, or NULL */
    const char *format;       /* or NULL */
    enum wfs_match_policy policy;
    enum wfs_unmatched unmatched;
    bool invertible;
    const char *program; /* "xlstm": done by code, not by rules; or NULL */
    bool is_inverse;     /* made by wfs_set_invert */
    const struct wfs_set *inverse_of;
    uint32_t n_lets;
    const struct wfs_let *lets;
    uint32_t n_requires;
    const struct wfs_require *requires;
    uint32_t n_prefixes;
    const struct wfs_prefix *prefixes;
    uint32_t n_rules;
    const struct wfs_rule *rules;
};

/* The includes that lead to a file, and what was read on their account so far. */
struct wfs_set;
struct wfs_including;
typedef int (*wfs_set_load_fn)(struct wfs_arena *arena, const char *name, struct wfs_including *in,
                               struct wfs_set **ret, struct wfs_error *err);
struct wfs_including {
    wfs_set_load_fn load, load_file; /* how an included set is found: the library's (library.c) */
    uint32_t depth, n_files;
    uint64_t n_bytes;
};

/* Parses text (len bytes) of a rule file called `file` in messages; `in` is NULL for a file that
 * nothing includes. Includes are resolved through
 * wfs_set_load, a file's relative to its folder. The text lives as long as the arena. -EINVAL:
 * "flax.map:3:9: expected ...". */
int wfs_set_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                  struct wfs_including *in, struct wfs_set **ret, struct wfs_error *err);
/* The same without what the library adds: includes by in->load, `invertible` is not proved. */
int wfs_set_parse_text(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                       struct wfs_including *in, struct wfs_set **ret, struct wfs_error *err);
/* A compiled-in set by name, "~NAME" its inverse. */
int wfs_set_load(struct wfs_arena *arena, const char *name, struct wfs_including *in,
                 struct wfs_set **ret, struct wfs_error *err);
int wfs_set_load_file(struct wfs_arena *arena, const char *path, struct wfs_including *in,
                      struct wfs_set **ret, struct wfs_error *err);
/* -EINVAL naming the first rule that has no inverse, and why. */
int wfs_set_invert(struct wfs_arena *arena, const struct wfs_set *set, struct wfs_set **ret,
                   struct wfs_error *err);

/* The compiled-in texts (generated from rules/ at build time). */
struct wfs_rule_text {
    const char *name;
    const char *text;
    size_t len;
};
extern const struct wfs_rule_text wfs_rule_texts[];
extern const size_t wfs_n_rule_texts;
/* Does this compiled-in set make a view by itself, and is no part that others include? */
bool wfs_set_is_view(const char *name);

#endif
