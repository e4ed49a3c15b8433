/*
 * evaluator.h - expressions of the rules language outside of rule sets: over a JSON object and values
 * that the caller names, without tensors. Public to the stages above.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_EVALUATOR_H
#define WEIGHTFS_MAPPING_EVAL_EVALUATOR_H

#include "rules/rules.h"
#include "source/source.h"

#define WFS_EVALUATOR_MAX_NAMES 64

struct json_t;
/* Values by name, and what `config.` asks. Lives in the arena. */
struct wfs_evaluator;

/* `root` is the caller's, who may go on changing it; `set` is -o set=NAME=VALUE, which wins over both
 * config and names, NULL-terminated or NULL. */
int wfs_evaluator_new(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                      struct json_t *root, const char *const *set, struct wfs_evaluator **ret,
                      struct wfs_error *err);
/* Gives a name a value, or another one. Texts are copied. `name` must live on. */
int wfs_evaluator_let(struct wfs_evaluator *f, const char *name, struct wfs_value value,
                      struct wfs_error *err);
/* kind NONE where a value is not known. */
int wfs_evaluator_value(struct wfs_evaluator *f, const struct wfs_vexpr *e, struct wfs_value *ret,
                        struct wfs_error *err);
/* The same; what is not known is -EINVAL and named. */
int wfs_evaluator_needed(struct wfs_evaluator *f, const struct wfs_vexpr *e, struct wfs_value *ret,
                         struct wfs_error *err);
/* NULL is true. */
int wfs_evaluator_holds(struct wfs_evaluator *f, const struct wfs_vexpr *cond, bool *ret,
                        struct wfs_error *err);
/* What the object has at a dotted path, whatever its type; NULL: nothing. Not what -o set= says. */
const struct json_t *wfs_evaluator_json(const struct wfs_evaluator *f, const char *path);

#endif
