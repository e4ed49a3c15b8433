/*
 * evaluator.c - expressions outside of rule sets. A name's value is a `let` of an otherwise empty set, whose
 * expression is a constant: so all of the language's evaluation serves, and its messages.
 */
#include "mapping/eval/evaluator.h"

#include <string.h>

#include "mapping/eval/eval.h"

struct wfs_evaluator {
    struct wfs_world world;
    struct wfs_memo memo;
    struct wfs_set set;
    struct wfs_table items;
    struct wfs_name_index names;
    struct wfs_config *config;
    struct wfs_let lets[WFS_EVALUATOR_MAX_NAMES];
    struct wfs_vexpr constants[WFS_EVALUATOR_MAX_NAMES];
    struct wfs_value values[WFS_EVALUATOR_MAX_NAMES];
    uint8_t states[WFS_EVALUATOR_MAX_NAMES];
};

int wfs_evaluator_new(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                      struct json_t *root, const char *const *set, struct wfs_evaluator **ret,
                      struct wfs_error *err)
{
    struct wfs_evaluator *f = wfs_arena_alloc(arena, sizeof(*f));
    if (!f)
        return wfs_error_nomem(err, "expressions");
    int r = wfs_config_of(arena, catalog, root, set, &f->config, err);
    if (r)
        return r;
    f->set.lets = f->lets;
    f->memo = (struct wfs_memo){.lets = f->values, .let_state = f->states};
    f->world = (struct wfs_world){.arena = arena,
                                  .catalog = catalog,
                                  .config = f->config,
                                  .set = &f->set,
                                  .items = &f->items,
                                  .names = &f->names,
                                  .memo = &f->memo};
    *ret = f;
    return 0;
}

int wfs_evaluator_let(struct wfs_evaluator *f, const char *name, struct wfs_value value,
                      struct wfs_error *err)
{
    uint32_t i = 0;
    while (i < f->set.n_lets && strcmp(f->lets[i].name, name) != 0)
        i++;
    if (i == WFS_EVALUATOR_MAX_NAMES)
        return wfs_error_set(err, EINVAL, "%s: more than %d names", name, WFS_EVALUATOR_MAX_NAMES);
    if (value.kind == WFS_VALUE_STR) {
        value.s = wfs_arena_strndup(f->world.arena, value.s, value.len);
        if (!value.s)
            return wfs_error_nomem(err, name);
    }
    f->constants[i] = (struct wfs_vexpr){.kind = WFS_V_CONST, .value = value};
    f->lets[i] = (struct wfs_let){.name = name, .expr = &f->constants[i]};
    f->states[i] = 0;
    if (i == f->set.n_lets)
        f->set.n_lets++;
    return 0;
}

static struct wfs_scope scope_of(struct wfs_evaluator *f, struct wfs_sink *sink)
{
    return (struct wfs_scope){.run = {.world = &f->world, .sink = sink}};
}

int wfs_evaluator_value(struct wfs_evaluator *f, const struct wfs_vexpr *e, struct wfs_value *ret,
                        struct wfs_error *err)
{
    struct wfs_sink sink = {.err = err};
    struct wfs_scope scope = scope_of(f, &sink);
    return wfs_eval(&scope, e, ret);
}

int wfs_evaluator_needed(struct wfs_evaluator *f, const struct wfs_vexpr *e, struct wfs_value *ret,
                         struct wfs_error *err)
{
    struct wfs_sink sink = {.err = err};
    struct wfs_scope scope = scope_of(f, &sink);
    struct wfs_value v;
    int64_t unused;
    int r = wfs_eval(&scope, e, &v);
    if (!r && wfs_value_is_unknown(&v))
        r = wfs_eval_int(&scope, e, &unused); /* says what is missing */
    if (!r)
        *ret = v;
    return r;
}

int wfs_evaluator_holds(struct wfs_evaluator *f, const struct wfs_vexpr *cond, bool *ret,
                        struct wfs_error *err)
{
    struct wfs_sink sink = {.err = err};
    struct wfs_scope scope = scope_of(f, &sink);
    return wfs_eval_cond(&scope, cond, ret);
}

const struct json_t *wfs_evaluator_json(const struct wfs_evaluator *f, const char *path)
{
    return wfs_config_json(f->config, path);
}
