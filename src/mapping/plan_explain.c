/*
 * plan_explain.c - `map --explain NAME`: what each set of a view's chain says to one tensor, and
 * what became of it.
 */
#include <string.h>

#include "mapping/apply/explain.h"
#include "mapping/plan.h"

/* A target's first source is what the rules saw. */
static const char *explained_path(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                                  struct wfs_arena *arena, const char *name)
{
    const struct wfs_tensor *tensor = wfs_catalog_find(catalog, name);
    if (tensor)
        return tensor->path;
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[i];
        const char *joined = wfs_path_join_dup(arena, t->path, plan->sep);
        bool is_it =
            (joined && strcmp(joined, name) == 0) || strcmp(wfs_dotted(arena, t->path), name) == 0;
        if (is_it && t->n_sources)
            return catalog->tensors[t->sources[0]].path;
        if (is_it)
            return t->path;
    }
    return NULL;
}

static void explain_result(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                           const char *path, struct wfs_buf *out)
{
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[i];
        bool is_it = t->n_sources == 0 && strcmp(t->path, path) == 0;
        for (uint32_t s = 0; s < t->n_sources; s++)
            is_it |= strcmp(catalog->tensors[t->sources[s]].path, path) == 0;
        if (!is_it)
            continue;
        wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
        wfs_path_join(&name, t->path, plan->sep);
        wfs_buf_str(out, "-> ");
        wfs_buf_visible(out, wfs_buf_ok(&name) && name.data ? name.data : "?");
        wfs_buf_printf(out, " (%s%s%s%s%s)\n", wfs_status_name(t->status), t->rule[0] ? ", " : "",
                       t->rule, t->operations[0] ? ": " : "", t->operations);
    }
}

struct question {
    const char *path;
    struct wfs_buf *out;
    struct wfs_error *err;
};

static int explain_set(void *user, const struct wfs_set *set, struct wfs_apply *apply)
{
    const struct question *q = user;
    wfs_buf_printf(q->out, "%s:\n", set->name);
    return apply ? wfs_explain_apply(apply, q->path, q->out, q->err) : 0;
}

/* Two plans: the first says which source tensor a target's name means. */
int wfs_plan_explain(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                     const char *name, struct wfs_buf *out, struct wfs_error *err)
{
    wfs_cleanup(wfs_plan_freep) struct wfs_plan *plan = NULL, *again = NULL;
    struct wfs_view_options lenient = *options;
    lenient.strict = false;
    int r = wfs_plan_make(catalog, &lenient, NULL, &plan, err);
    if (r)
        return r;
    struct question question = {explained_path(catalog, plan, plan->arena, name), out, err};
    struct wfs_watch watch = {explain_set, &question};
    if (!question.path)
        return wfs_error_set(err, ENOENT,
                             "%s: no such tensor in the source, no such target in "
                             "view %s",
                             name, plan->view);
    wfs_buf_printf(out, "%s\n", wfs_dotted(plan->arena, question.path));
    r = wfs_plan_make(catalog, &lenient, &watch, &again, err);
    if (!r)
        explain_result(catalog, plan, question.path, out);
    return r;
}
