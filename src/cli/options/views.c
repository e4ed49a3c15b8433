/*
 * views.c - which options reach which view. --view NAME:key=value speaks to one view; a
 * plain -o of the kind that every view takes (rules, template, dtype, set, outtype) to all; a plain key of a
 * view's own to the one view that takes it, and it is an error where that is not exactly one.
 * `--view source` says that no view is wanted beside source/, which takes none of them.
 */
#include "cli/options/views.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE "source" /* the directory that is always there */

/* ---- the options of every view ------------------------------------------------------------- */

static int set_rules(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
                     struct wfs_error *err)
{
    return wfs_options_set_path(options->arena, &spec->rules, value, err);
}

static int set_template(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
                        struct wfs_error *err)
{
    return wfs_options_set_path(options->arena, &spec->template_path, value, err);
}

static int set_dtype(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
                     struct wfs_error *err)
{
    return wfs_options_set_string(options->arena, &spec->dtype, value, err);
}

static int set_outtype(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
                       struct wfs_error *err)
{
    return wfs_options_set_string(options->arena, &spec->outtype, value, err);
}

static int set_setting(struct wfs_options *options, struct wfs_view_spec *spec, const char *value,
                       struct wfs_error *err)
{
    if (!strchr(value, '='))
        return wfs_error_set(err, EINVAL, "-o set=%s: NAME=VALUE is expected", value);
    return wfs_strings_add_setting(&spec->set, options->arena, value, err);
}

static const struct wfs_view_option view_options[] = {
    {"rules", set_rules}, {"template", set_template}, {"dtype", set_dtype},
    {"set", set_setting}, {"outtype", set_outtype},
};

const struct wfs_view_option *wfs_view_option_find(const char *key)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(view_options); i++)
        if (strcmp(view_options[i].key, key) == 0)
            return &view_options[i];
    return NULL;
}

/* ---- --view NAME:key=value ----------------------------------------------------------------- */

/* Whether an item "key=value" is of a key that this view has for itself. */
static bool takes(const char *view, const char *item)
{
    size_t len = strcspn(item, "=");
    for (const char *const *key = wfs_view_option_keys(view); *key; key++)
        if (strlen(*key) == len && memcmp(*key, item, len) == 0)
            return true;
    return false;
}

struct spec_scope {
    struct wfs_options *options;
    struct wfs_view_spec *spec;
};

static int add_spec_item(void *ctx, char *item, struct wfs_error *err)
{
    struct spec_scope *scope = ctx;
    struct wfs_view_spec *spec = scope->spec;
    char *value = strchr(item, '=');
    if (!value || !value[1])
        return wfs_error_set(err, EINVAL, "--view %s: %s: key=value is expected", spec->name, item);
    if (takes(spec->name, item))
        return wfs_strings_add(&spec->own, scope->options->arena, item, err);
    *value++ = '\0';
    const struct wfs_view_option *option = wfs_view_option_find(item);
    if (!option)
        return wfs_error_set(err, EINVAL, "--view %s: it has no option %s", spec->name, item);
    return option->set(scope->options, spec, value, err);
}

/* Of NAME=SET+SET, `chain` is what begins at '='. False where a set's name is empty. */
static bool has_all_sets(const char *chain)
{
    for (; *chain; chain++) {
        const char *set = chain + 1 + (chain[1] == '~');
        if ((*chain == '=' || *chain == '+') && (*set == '+' || *set == '\0'))
            return false;
    }
    return true;
}

/* The name is a directory of the mount, beside source/ and info/. */
static int check_name(const struct wfs_options *options, const char *name, struct wfs_error *err)
{
    size_t len = strcspn(name, "=");
    if (len == 0 || strchr(name, '/') || name[0] == '.')
        return wfs_error_set(err, EINVAL, "--view %s: not a name of a view", name);
    if (!has_all_sets(name + len))
        return wfs_error_set(err, EINVAL, "--view %s: the name of a rule set is missing", name);
    if ((len == strlen(SOURCE) && !strncmp(name, SOURCE, len)) ||
        (len == 4 && !strncmp(name, "info", 4)))
        return wfs_error_set(err, EINVAL, "--view %s: not a name of a view", name);
    for (size_t i = 0; i < options->n_views; i++)
        if (strcspn(options->views[i].name, "=") == len &&
            strncmp(options->views[i].name, name, len) == 0)
            return wfs_error_set(err, EINVAL, "--view %.*s: named twice", (int)len, name);
    return 0;
}

int wfs_options_add_view(struct wfs_options *options, const char *text, struct wfs_error *err)
{
    if (strcmp(text, SOURCE) == 0) {
        options->source_view = true;
        return 0;
    }
    if (strncmp(text, SOURCE ":", strlen(SOURCE ":")) == 0)
        return wfs_error_set(err, EINVAL, "--view %s: the source is shown as it is", text);
    char *name = wfs_arena_strdup(options->arena, text);
    if (!name || wfs_grow(&options->views, &options->views_cap, options->n_views + 1,
                          sizeof(*options->views)))
        return wfs_error_nomem(err, "options");
    char *rest = strchr(name, ':');
    if (rest)
        *rest++ = '\0';
    int r = check_name(options, name, err);
    if (r)
        return r;
    struct wfs_view_spec *spec = &options->views[options->n_views++];
    *spec = (struct wfs_view_spec){.name = name};
    struct spec_scope scope = {options, spec};
    return rest ? wfs_options_split(rest, add_spec_item, &scope, err) : 0;
}

/* ---- what a plain -o says -------------------------------------------------------------------- */

static int give_own(struct wfs_options *options, const char *item, struct wfs_error *err)
{
    struct wfs_view_spec *taker = NULL;
    int len = (int)strcspn(item, "=");
    for (size_t i = 0; i < options->n_views; i++) {
        if (!takes(options->views[i].name, item))
            continue;
        if (taker)
            return wfs_error_set(err, EINVAL, "-o %.*s: both %s and %s take it; say --view NAME:%s",
                                 len, item, taker->name, options->views[i].name, item);
        taker = &options->views[i];
    }
    if (!taker)
        return wfs_error_set(err, EINVAL, "-o %.*s: no such option", len, item);
    return wfs_strings_add(&taker->own, options->arena, item, err);
}

static int merge_set(struct wfs_options *options, struct wfs_view_spec *spec, struct wfs_error *err)
{
    int r = 0;
    for (size_t i = 0; !r && i < options->every.set.n; i++)
        r = wfs_strings_add(&spec->set, options->arena, options->every.set.list[i], err);
    return r;
}

static void fill(const struct wfs_view_spec *spec, const struct wfs_view_spec *every,
                 struct wfs_view_options *ret)
{
    static const char *const none[] = {NULL};
    *ret = (struct wfs_view_options){
        .name = spec->name,
        .options = spec->own.n ? (const char *const *)spec->own.list : none,
        .rules = spec->rules ? spec->rules : every->rules,
        .template_path = spec->template_path ? spec->template_path : every->template_path,
        .dtype = spec->dtype ? spec->dtype : every->dtype,
        .outtype = spec->outtype ? spec->outtype : every->outtype,
        .narrow = every->narrow,
        .packed = every->packed,
        .set = (const char *const *)spec->set.list};
}

/* Where no view was named, what was said to all of them is for the default view, whose name is
 * decided when the source is open. */
static int finish_default(struct wfs_options *options, struct wfs_error *err)
{
    const struct wfs_view_spec *every = &options->every;
    bool is_plain =
        !every->rules && !every->template_path && !every->dtype && !every->outtype && !every->set.n;
    options->mount.session.source_only = options->source_view;
    if (every->own.n)
        return give_own(options, every->own.list[0], err);
    if (options->source_view && !is_plain)
        return wfs_error_set(err, EINVAL,
                             "--view source: the source is shown as it is, without rules, "
                             "template, dtype or set");
    if (options->source_view || (is_plain && !every->packed && !every->narrow))
        return 0;
    fill(every, every, &options->view_options[0]);
    options->mount.session.views = options->view_options;
    options->mount.session.n_views = 1;
    return 0;
}

int wfs_options_finish_views(struct wfs_options *options, struct wfs_error *err)
{
    size_t n = options->n_views;
    options->view_options = calloc(n + 1, sizeof(*options->view_options));
    if (!options->view_options)
        return wfs_error_nomem(err, "options");
    if (n == 0)
        return finish_default(options, err);
    int r = 0;
    for (size_t i = 0; !r && i < options->every.own.n; i++)
        r = give_own(options, options->every.own.list[i], err);
    for (size_t i = 0; !r && i < n; i++) {
        r = merge_set(options, &options->views[i], err);
        fill(&options->views[i], &options->every, &options->view_options[i]);
    }
    options->mount.session.views = options->view_options;
    options->mount.session.n_views = (uint32_t)n;
    return r;
}

void wfs_options_default_view(struct wfs_options *options, const char *name)
{
    if (options->n_views || options->source_view || options->every.rules)
        return;
    fill(&options->every, &options->every, &options->view_options[0]);
    options->view_options[0].name = name;
    options->mount.session.views = options->view_options;
    options->mount.session.n_views = 1;
}
