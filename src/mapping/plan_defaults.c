/*
 * plan_defaults.c - the views of a source for which none is named.
 *
 * A convention's row names one where its loaders read another framework's checkpoints anyway (torch
 * for Flax's names). Of PyTorch's names the sets tell: each that has a `default if` is planned, and
 * refuses where that does not hold, so a set that learns an architecture needs no line here. `nnx`
 * stands in for all of them, since its names and layouts are every Flax module's.
 */
#include "mapping/mapping.h"

#include <string.h>

#include "mapping/chain/convention.h"

#define FALLBACK "nnx"
/* Of a source with quantised weights; it refuses any other. */
#define QUANTISED "dequantized"

struct defaults {
    struct wfs_catalog *catalog;
    struct wfs_view_options options; /* without a name */
    bool is_asked;                   /* somebody waits for the first of them */
    struct wfs_default_views *ret;
    struct wfs_error *err;
};

/* Plans one. What refuses it is a warning, or where the set says that it is no default view,
 * nothing. */
static int try_view(struct defaults *d, const char *name)
{
    struct wfs_error why = {0};
    uint32_t max = d->options.template_path ? 1 : WFS_DEFAULT_VIEWS_MAX;
    d->options.name = name;
    if (d->ret->n == max)
        return 0;
    int r = wfs_plan_view(d->catalog, &d->options, &d->ret->plans[d->ret->n], &why);
    if (!r) {
        d->ret->n++;
        return 0;
    }
    if (r == -EOPNOTSUPP)
        return 0;
    if (r == -ENOMEM || d->options.strict || (d->is_asked && d->ret->n == 0))
        return wfs_error_set(d->err, why.code, "%s", why.message);
    wfs_catalog_note(d->catalog, WFS_NOTE_WARNING, name, "this view is not shown: %s", why.message);
    return 0;
}

static bool has_default(const struct wfs_set *set)
{
    for (uint32_t i = 0; i < set->n_requires; i++)
        if (set->requires[i].is_default)
            return true;
    return false;
}

/* The sets that read these names and say when they are shown. */
static int try_sets(struct defaults *d, const char *convention)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    int r = arena ? 0 : wfs_error_nomem(d->err, "rules");
    for (size_t i = 0; !r && i < wfs_n_rule_texts; i++) {
        struct wfs_set *set;
        r = wfs_set_load(arena, wfs_rule_texts[i].name, NULL, &set, d->err);
        if (!r && set->from && strcmp(set->from, convention) == 0 && has_default(set))
            r = try_view(d, wfs_rule_texts[i].name);
    }
    return r;
}

static int try_all(struct defaults *d)
{
    const char *name;
    int r = wfs_convention_of(d->catalog, &name, d->err);
    const struct wfs_convention *c = r ? NULL : wfs_convention_find(name);
    bool has_own = c && c->default_view;
    if (!r && has_own)
        r = try_view(d, c->default_view);
    else if (!r && name)
        r = try_sets(d, name);
    if (!r)
        r = try_view(d, QUANTISED);
    return r || d->ret->n || has_own ? r : try_view(d, FALLBACK);
}

int wfs_plan_default_views(struct wfs_catalog *catalog, const struct wfs_view_options *options,
                           struct wfs_default_views *ret, struct wfs_error *err)
{
    struct wfs_default_views found = {0};
    struct defaults d = {.catalog = catalog,
                         .options = *options,
                         .is_asked = options->template_path || options->dtype || options->set,
                         .ret = &found,
                         .err = err};
    d.options.is_default = true;
    int r = try_all(&d);
    if (r) {
        wfs_default_views_free(&found);
        return r;
    }
    *ret = found;
    return 0;
}

void wfs_default_views_free(struct wfs_default_views *views)
{
    for (uint32_t i = 0; i < views->n; i++)
        wfs_plan_free(views->plans[i]);
    views->n = 0;
}

int wfs_plan_convention(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err)
{
    return wfs_convention_of(catalog, ret, err);
}
