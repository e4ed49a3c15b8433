/*
 * session.c - opens a checkpoint with its views: catalog, plans, tree. It reads metadata only and
 * starts no thread, so it may be called before or after a fork. The caller adds the cache, which
 * has threads.
 */
#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"
#include "tree/contents/all.h"
#include "tree/nodes/layout.h"

void wfs_session_free(struct wfs_session *session)
{
    if (!session)
        return;
    wfs_cache_free(session->cache); /* The cache goes first, since its threads read expressions. */
    wfs_tree_free(session->tree);
    for (uint32_t i = 0; i < session->n_plans; i++)
        wfs_plan_free(session->plans[i]);
    wfs_catalog_free(session->catalog);
    wfs_arena_free(session->arena);
    free(session);
}

void wfs_session_freep(struct wfs_session **session)
{
    wfs_session_free(*session);
}

/* ---- views --------------------------------------------------------------------------------- */

static int check_view_name(const struct wfs_session *session, const struct wfs_plan *plan,
                           struct wfs_error *err)
{
    if (strcmp(plan->view, "info") == 0 || strcmp(plan->view, "source") == 0 ||
        strchr(plan->view, '/') || plan->view[0] == '.' || !*plan->view)
        return wfs_error_set(err, EINVAL, "a view cannot be called '%s'", plan->view);
    for (uint32_t i = 0; i + 1 < session->n_plans; i++)
        if (strcmp(session->plans[i]->view, plan->view) == 0)
            return wfs_error_set(err, EINVAL, "the view '%s' was asked for twice", plan->view);
    return 0;
}

static int add_view(struct wfs_session *session, const struct wfs_view_options *options,
                    struct wfs_error *err)
{
    int r = wfs_plan_view(session->catalog, options, &session->plans[session->n_plans], err);
    if (r)
        return r;
    session->n_plans++;
    return check_view_name(session, session->plans[session->n_plans - 1], err);
}

/* Adds the source's default views. `options` are those that were given without a view's name;
 * `asked` says whether there were any: then a source without such a view is an error. */
static int add_default_views(struct wfs_session *session, const struct wfs_view_options *options,
                             bool asked, struct wfs_error *err)
{
    struct wfs_default_views found;
    if (options->rules) /* the view is the rules' own, under their name */
        return add_view(session, options, err);
    int r = wfs_plan_default_views(session->catalog, options, &found, err);
    for (uint32_t i = 0; !r && i < found.n; i++)
        session->plans[session->n_plans++] = found.plans[i];
    if (!r && asked && found.n == 0)
        return wfs_error_set(err, EINVAL,
                             "%s: its names do not tell which view it wants; name one (--view)",
                             session->options.source);
    return r;
}

static int add_plans(struct wfs_session *session, const struct wfs_session_options *options,
                     struct wfs_error *err)
{
    session->plans = wfs_arena_array(session->arena, options->n_views + 1 + WFS_DEFAULT_VIEWS_MAX,
                                     sizeof(*session->plans));
    if (!session->plans)
        return wfs_error_nomem(err, "the views");
    int r = wfs_plan_source(session->catalog, &session->plans[0], err);
    if (r)
        return r;
    session->n_plans = 1;
    struct wfs_view_options plain = {.strict = options->strict};
    if (options->n_views == 0 && options->source_only)
        return 0;
    if (options->n_views == 0)
        return add_default_views(session, &plain, false, err);
    for (uint32_t i = 0; i < options->n_views && !r; i++)
        r = options->views[i].name ? add_view(session, &options->views[i], err)
                                   : add_default_views(session, &options->views[i], true, err);
    return r;
}

/* ---- opening ------------------------------------------------------------------------------- */

static const char *keep(struct wfs_session *session, const char *s)
{
    return s ? wfs_arena_strdup(session->arena, s) : NULL;
}

/* Copies the options that are used after opening, since the caller's strings may be freed. */
static int keep_options(struct wfs_session *session, const struct wfs_session_options *options,
                        struct wfs_error *err)
{
    struct wfs_session_options *o = &session->options;
    *o = *options;
    o->source = keep(session, options->source);
    o->files = keep(session, options->files);
    struct wfs_view_options *views =
        wfs_arena_array(session->arena, options->n_views + 1, sizeof(*views));
    if (!o->source || !views || (options->files && !o->files))
        return wfs_error_nomem(err, "options");
    for (uint32_t i = 0; i < options->n_views; i++)
        views[i] = (struct wfs_view_options){.name = keep(session, options->views[i].name),
                                             .rules = keep(session, options->views[i].rules),
                                             .template_path =
                                                 keep(session, options->views[i].template_path)};
    o->views = views;
    o->source_options = (struct wfs_source_options){.strict = options->source_options.strict};
    return 0;
}

static int open_source(struct wfs_session *session, const struct wfs_session_options *options,
                       struct wfs_error *err)
{
    struct wfs_source_options source_options = options->source_options;
    source_options.is_shared = options->is_shared;
    return wfs_catalog_open(options->source, &source_options, &session->catalog, err);
}

int wfs_session_open(const struct wfs_session_options *options, struct wfs_session **ret,
                     struct wfs_error *err)
{
    struct wfs_session *session wfs_cleanup(wfs_session_freep) = calloc(1, sizeof(*session));
    if (!session || !(session->arena = wfs_arena_new()))
        return wfs_error_nomem(err, "a session");
    int r = keep_options(session, options, err);
    if (!r)
        r = open_source(session, options, err);
    if (!r)
        r = add_plans(session, options, err);
    if (!r)
        r = wfs_tree_build(session, err);
    if (r)
        return r;
    *ret = wfs_steal(&session);
    return 0;
}

void wfs_session_cache_options(const struct wfs_session *session, struct wfs_cache_options *ret)
{
    wfs_inspect_cache_options(session->catalog, session->arena, ret);
}

int wfs_session_prove_casts(struct wfs_session *session, const struct wfs_cache_options *cache,
                            struct wfs_error *err)
{
    return wfs_prove_casts(session->catalog, session->plans, session->n_plans, cache, err);
}

/* ---- files that are not listed --------------------------------------------------------------- */

const char *wfs_session_why_unlisted(const struct wfs_session *session, uint32_t plan,
                                     const char *name)
{
    for (const struct wfs_unlisted *u = session->unlisted; u; u = u->next)
        if (u->plan == plan && strcmp(u->name, name) == 0)
            return u->why;
    return NULL;
}

int wfs_session_resolve(const struct wfs_session *session, const char *path, uint32_t *ret_node,
                        struct wfs_error *err)
{
    struct wfs_error not_there = {0};
    int r = wfs_tree_resolve(session->tree, path, ret_node, &not_there);
    const char *view = path + strspn(path, "/");
    size_t len = strcspn(view, "/");
    const char *name = view + len + strspn(view + len, "/");
    for (uint32_t i = 0; r == -ENOENT && i < session->n_plans; i++) {
        const char *of = session->plans[i]->view;
        const char *why = strlen(of) == len && memcmp(of, view, len) == 0
                              ? wfs_session_why_unlisted(session, i, name)
                              : NULL;
        if (why)
            return wfs_error_set(err, ENOENT, "%s is not listed: %s", path, why);
    }
    return r ? wfs_error_set(err, -r, "%s", not_there.message) : 0;
}

/* ---- warnings ------------------------------------------------------------------------------ */

static void add_view_warning(const struct wfs_plan *plan, struct wfs_buf *out)
{
    uint32_t n = 0;
    for (int s = 0; s < WFS_N_STATUSES; s++)
        n += wfs_status_is_problem((enum wfs_status)s) ? plan->n_by_status[s] : 0;
    if (n == 0)
        return;
    wfs_buf_printf(out, "view %s: ", plan->view);
    const char *comma = "";
    for (int s = 0; s < WFS_N_STATUSES; s++) {
        if (!wfs_status_is_problem((enum wfs_status)s) || plan->n_by_status[s] == 0)
            continue;
        wfs_buf_printf(out, "%s%u %s", comma, plan->n_by_status[s],
                       wfs_status_name((enum wfs_status)s));
        comma = ", ";
    }
    wfs_buf_str(out, " (see info/report.txt)\n");
}

void wfs_session_warnings(const struct wfs_session *session, struct wfs_buf *out)
{
    const struct wfs_catalog *catalog = session->catalog;
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        const struct wfs_note *note = &catalog->notes[i];
        if (note->kind == WFS_NOTE_INFO)
            continue;
        wfs_buf_str(out, note->kind == WFS_NOTE_DANGER ? "DANGER: " : "");
        wfs_buf_visible(out, note->subject);
        wfs_buf_str(out, *note->subject ? ": " : "");
        wfs_buf_visible(out, note->text);
        wfs_buf_char(out, '\n');
    }
    for (uint32_t i = 1; i < session->n_plans; i++)
        add_view_warning(session->plans[i], out);
}
