/*
 * stage.h - the planner's inside: the items on their way through a chain of sets, and one set being
 * applied to them.
 *
 * catalog -> wrappers out -> set -> set -> ... -> casts -> plan. Each arrow takes a table of items
 * and makes the next; an item's expression grows, no byte moves.
 */
#ifndef WEIGHTFS_MAPPING_STAGE_H
#define WEIGHTFS_MAPPING_STAGE_H

#include "mapping/config.h"
#include "mapping/mapping.h"
#include "rules/match.h"

/* Which convolution a weight belongs to (convolution.c). */
enum wfs_convolution {
    WFS_CONVOLUTION_NONE,
    WFS_CONVOLUTION_OPEN, /* nothing tells: an ordinary one */
    WFS_CONVOLUTION_ORDINARY,
    WFS_CONVOLUTION_TRANSPOSED,
    WFS_CONVOLUTION_GROUPED, /* transposed, in groups */
    WFS_CONVOLUTION_DOUBTFUL,
};

/* A tensor on its way. */
struct wfs_item {
    const char *path;
    const struct wfs_expr *expr;
    enum wfs_status status; /* as wfs_target's */
    bool unexpected;        /* to some set of the chain */
    bool packed;            /* never gets a layout */
    bool tied;              /* its storage is another item's too */
    enum wfs_convolution convolution;
    uint32_t tie; /* equal for items of one storage; WFS_NO_INDEX: none */
    uint32_t n_sources;
    const uint32_t *sources;
    const char *operations;
    const char *rule;
    const struct wfs_rule *named_by; /* the last that gave it a name, or NULL */
    const char *collection;          /* that its target named, or NULL */
    const char *read_from;           /* an inverse: the collection taken off its path, or NULL */
    const char *as_written;          /* its path before '/' separated its components, or NULL */
};
struct wfs_table {
    struct wfs_item *items;
    size_t n, cap; /* malloc'd */
};
int wfs_table_add(struct wfs_table *table, const struct wfs_item *item, struct wfs_error *err);

struct wfs_template;

/* One view being planned. */
struct wfs_mapper {
    struct wfs_arena *arena; /* the plan's */
    const struct wfs_catalog *catalog;
    const struct wfs_view_options *options;
    struct wfs_config *config;
    struct wfs_template *template; /* or NULL; of the chain's last set */
    struct wfs_report_entry *entries;
    size_t n_entries, cap_entries;
    bool lenient;            /* what an operation cannot take is kept, as if no rule took it */
    bool aligned;            /* the template's prefix is known: leave it */
    bool failed;             /* an entry could not be kept */
    struct wfs_buf *explain; /* NULL, or where --explain writes */
    const char *explain_name;
    struct wfs_error *err;
};
void wfs_report(struct wfs_mapper *mapper, enum wfs_status status, const char *subject_path,
                const char *fmt, ...) WFS_PRINTF(4, 5);
/* Dotted, for messages: the path joined by '.'. In the arena; "?" when out of memory. */
const char *wfs_dotted(struct wfs_arena *arena, const char *path);

/* One set being applied. */
struct wfs_stage {
    struct wfs_mapper *mapper;
    const struct wfs_set *set;
    bool is_last; /* of the chain: the template is its target */
    struct wfs_table *in;
    struct wfs_arena *names;  /* the splits'; the paths themselves are the mapper's */
    struct wfs_split *splits; /* of in's items */
    struct wfs_strmap index;  /* path -> item */
    struct wfs_table out;
    struct wfs_value *lets;
    uint8_t *let_state;               /* 0 not yet, 1 being found, 2 found */
    struct wfs_any *anys;             /* cached any(PATTERN) */
    const char **operations;          /* per rule: the text, where it is always the same */
    struct wfs_candidate *candidates; /* the rules' source patterns, in order */
    size_t n_candidates;
    const char **was_called; /* per item: its path before renames; NULL: there were none */
    uint32_t *copy_of;       /* per item left out as a copy: of which one, plus 1; else 0 */
    struct wfs_hit *hits;    /* items that wait for a fan-in; malloc'd */
    size_t n_hits, cap_hits;
    struct wfs_buf scratch;
    uint32_t n_nested; /* values being evaluated, one for another */
};

/* Where an expression is evaluated. */
struct wfs_scope {
    struct wfs_stage *stage;
    const struct wfs_rule *rule;   /* or NULL */
    const struct wfs_match *match; /* or NULL */
    const struct wfs_item *item;   /* or NULL: no rank, dtype, name */
    const struct wfs_expr *expr;   /* rank, dtype, shape; as it is now */
    bool optimistic;               /* an inverse asks: names are not known yet */
};
/* kind NONE where a value is not known: the caller decides whether it is needed. */
int wfs_eval(const struct wfs_scope *scope, const struct wfs_vexpr *e, struct wfs_value *ret);
/* A needed whole number; -EINVAL names the option that gives it. */
int wfs_eval_int(const struct wfs_scope *scope, const struct wfs_vexpr *e, int64_t *ret);
int wfs_eval_real(const struct wfs_scope *scope, const struct wfs_vexpr *e, double *ret);
/* A condition; MAYBE counts as true. NULL is true. */
int wfs_eval_cond(const struct wfs_scope *scope, const struct wfs_vexpr *e, bool *ret);
/* Could the rule's condition hold for some tensor, whatever names there are? */
bool wfs_rule_may_hold(struct wfs_stage *stage, const struct wfs_rule *rule);
/* Writes a target's path. */
int wfs_render(const struct wfs_scope *scope, const struct wfs_name *name, struct wfs_buf *out);
/* A capture's text. */
void wfs_binding_text(const struct wfs_cap *cap, const struct wfs_binding *b, struct wfs_buf *out);
/* First item of the stage that the name's pattern matches, the captures in `match` being bound. */
int wfs_stage_find(struct wfs_stage *stage, const struct wfs_name *name, const struct wfs_cap *caps,
                   struct wfs_match *match, uint32_t *ret_item);

/* ---- operations ---------------------------------------------------------------------------- */

/* One tensor within a rule. */
struct wfs_val {
    struct wfs_match m;
    const struct wfs_expr *expr;
    uint32_t tag;  /* which & part, or which piece of a split */
    uint32_t item; /* the first of `sources`, as an item; for rank and name in expressions */
    uint32_t n_sources;
    const uint32_t *sources;
};
struct wfs_vals {
    struct wfs_val *v;
    size_t n, cap; /* malloc'd */
};
/* Orders what two matches bind to a capture: numbers and alternatives by value, as a number may
 * have been solved for and not read. */
int wfs_binding_compare(const struct wfs_cap *cap, const struct wfs_binding *x,
                        const struct wfs_binding *y);
int wfs_vals_add(struct wfs_vals *vals, const struct wfs_val *val, struct wfs_error *err);
/* Applies operations in order; *vals is replaced. Appends what was done to `text`, where given. */
int wfs_ops_run(struct wfs_stage *stage, const struct wfs_rule *rule, const struct wfs_ops *ops,
                struct wfs_vals *vals, struct wfs_buf *text);
/* One operation on one tensor (not a fan). */
int wfs_op_apply(struct wfs_stage *stage, const struct wfs_rule *rule, const struct wfs_op *op,
                 struct wfs_val *val);
/* A fan-in or fan-out. */
int wfs_op_fan(struct wfs_stage *stage, const struct wfs_rule *rule, const struct wfs_op *op,
               struct wfs_vals *vals);
/* The scope of one tensor within a rule. */
struct wfs_scope wfs_val_scope(struct wfs_stage *stage, const struct wfs_rule *rule,
                               const struct wfs_val *val);
/* -EINVAL "flax.map:3:9: WHAT" */
int wfs_op_error(struct wfs_stage *stage, const struct wfs_op *op, const char *fmt, ...)
    WFS_PRINTF(3, 4);
/* An axis argument; negative counts from the end. */
int wfs_op_axis(const struct wfs_scope *scope, const struct wfs_op *op, uint32_t arg, uint32_t ndim,
                uint32_t *ret);

/* ---- the stages ---------------------------------------------------------------------------- */

/* wfs_plan_view, with what wfs_plan_explain wants to know. */
int wfs_plan_make(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  struct wfs_buf *explain, const char *explain_path, struct wfs_plan **ret,
                  struct wfs_error *err);
/* The catalog as items, by the identity. */
int wfs_items_load(struct wfs_mapper *mapper, struct wfs_table *ret);
/* An inverse first of the chain: names that its set wrote with '/' are split there. */
int wfs_split_slashes(struct wfs_mapper *mapper, const struct wfs_set *set,
                      struct wfs_table *items);
/* Takes out what wrappers put into names; reports it. */
int wfs_unwrap(struct wfs_mapper *mapper, struct wfs_table *items);
/* Marks the modules whose weights are packed or scaled. */
int wfs_mark_packed(struct wfs_mapper *mapper, struct wfs_table *items);
/* -o dtype= on the items that are plain floats. */
int wfs_cast(struct wfs_mapper *mapper, struct wfs_table *items);
/* Fits the result to the template: prefix, collections, shapes, missing, unexpected. */
int wfs_template_fit(struct wfs_mapper *mapper, struct wfs_table *items);
/* Sorted targets with unique paths into the plan; collisions are reported. */
int wfs_assemble(struct wfs_mapper *mapper, struct wfs_table *items, struct wfs_plan *plan);
/* The sets to apply, in order, and what the plan says of them. */
struct wfs_chain {
    uint32_t n;
    const struct wfs_set *sets[8];
    const struct wfs_set *last; /* the set that the view is named after */
    const char *text;           /* "torch+mlx" */
};
int wfs_chain_find(struct wfs_mapper *mapper, struct wfs_chain *ret);
/* "torch", "flax", "gguf", ...; NULL where names do not tell. Works in `arena`. */
const char *wfs_convention_of(const struct wfs_catalog *catalog, struct wfs_arena *arena);
/* A convolution of PyTorch's names whose channels seem to come last, where nothing but names and
 * shapes tells; or NULL. */
const struct wfs_tensor *wfs_convention_channels_last(const struct wfs_catalog *catalog);
/* Names of PyTorch and of Flax side by side. */
bool wfs_convention_is_mixed(const struct wfs_catalog *catalog);

/* Applies a set to `in` and makes `out` (its items are sorted later). */
int wfs_stage_run(struct wfs_mapper *mapper, const struct wfs_set *set, bool is_last,
                  const struct wfs_table *in, struct wfs_table *ret_out);

#endif
