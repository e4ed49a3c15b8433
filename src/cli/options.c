/*
 * options.c - gathering options. Every string is copied into one arena, paths are absolute when
 * they get there: the server works elsewhere than where it was started.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

int wfs_options_init(struct wfs_options *options, struct wfs_error *err)
{
    *options = (struct wfs_options){.arena = wfs_arena_new()};
    options->mount.session.uid = (uid_t)-1;
    options->mount.session.gid = (gid_t)-1;
    return options->arena ? 0 : wfs_error_nomem(err, "options");
}

static void free_spec(struct wfs_view_spec *spec)
{
    free(spec->set.list);
    free(spec->own.list);
}

void wfs_options_free(struct wfs_options *options)
{
    for (size_t i = 0; i < options->n_views; i++)
        free_spec(&options->views[i]);
    free_spec(&options->every);
    free(options->views);
    free(options->view_options);
    free(options->roots.list);
    wfs_buf_free(&options->fuse);
    wfs_arena_free(options->arena);
    *options = (struct wfs_options){0};
}

int wfs_options_add_string(struct wfs_options *options, struct wfs_strings *strings,
                           const char *value, struct wfs_error *err)
{
    char *copy = wfs_arena_strdup(options->arena, value);
    if (!copy || wfs_grow(&strings->list, &strings->cap, strings->n + 2, sizeof(char *)))
        return wfs_error_nomem(err, "options");
    strings->list[strings->n++] = copy;
    strings->list[strings->n] = NULL;
    return 0;
}

/* tp.GLOB=AXIS: the glob may hold a '='. */
static size_t setting_name_len(const char *setting)
{
    const char *eq = strncmp(setting, "tp.", 3) == 0 ? strrchr(setting, '=') : NULL;
    return eq ? (size_t)(eq - setting) : strcspn(setting, "=");
}

int wfs_options_add_setting(struct wfs_options *options, struct wfs_strings *strings,
                            const char *value, struct wfs_error *err)
{
    size_t len = setting_name_len(value);
    for (size_t i = 0; i < strings->n; i++)
        if (setting_name_len(strings->list[i]) == len && memcmp(strings->list[i], value, len) == 0)
            return wfs_error_set(err, EINVAL, "-o set=%s: it is set=%s already", value,
                                 strings->list[i]);
    return wfs_options_add_string(options, strings, value, err);
}

const char *wfs_options_absolute(struct wfs_options *options, const char *path,
                                 struct wfs_error *err)
{
    char *cwd wfs_cleanup(wfs_freep) = NULL;
    const char *ret;
    if (!*path) {
        wfs_error_set(err, EINVAL, "'': the name of a file or directory is expected");
        return NULL;
    }
    if (*path == '/') {
        ret = wfs_arena_strdup(options->arena, path);
    } else {
        cwd = getcwd(NULL, 0);
        if (!cwd) {
            wfs_error_set(err, errno, "%s: the working directory: %s", path, strerror(errno));
            return NULL;
        }
        ret = wfs_arena_printf(options->arena, "%s/%s", strcmp(cwd, "/") ? cwd : "", path);
    }
    if (!ret)
        wfs_error_nomem(err, path);
    return ret;
}

int wfs_options_split(char *list, int (*fn)(void *ctx, char *item, struct wfs_error *err),
                      void *ctx, struct wfs_error *err)
{
    int r = 0;
    while (!r && *list) {
        char *item = list, *out = list;
        for (; *list && *list != ','; list++) {
            if (*list == '\\' && (list[1] == ',' || list[1] == '\\'))
                list++;
            *out++ = *list;
        }
        bool more = *list == ',';
        *out = '\0';
        list += more;
        if (*item)
            r = fn(ctx, item, err);
    }
    return r;
}

/* A key without a row may belong to a view: known when all views are. */
static int add_item(void *ctx, char *item, struct wfs_error *err)
{
    struct wfs_options *options = ctx;
    char *whole = wfs_arena_strdup(options->arena, item);
    char *equals = strchr(item, '=');
    if (!whole)
        return wfs_error_nomem(err, "options");
    if (equals)
        *equals = '\0';
    int r = wfs_options_apply(options, item, equals ? equals + 1 : NULL, err);
    if (r != -ENOENT || (err && err->code))
        return r;
    return wfs_options_add_string(options, &options->every.own, whole, err);
}

int wfs_options_add_list(struct wfs_options *options, const char *list, struct wfs_error *err)
{
    char *copy = wfs_arena_strdup(options->arena, list);
    return copy ? wfs_options_split(copy, add_item, options, err) : wfs_error_nomem(err, "options");
}

int wfs_options_finish(struct wfs_options *options, const char *source, struct wfs_error *err)
{
    struct wfs_session_options *session = &options->mount.session;
    int r = wfs_options_finish_views(options, err);
    if (r)
        return r;
    session->source = wfs_options_absolute(options, source, err);
    if (!session->source)
        return -err->code;
    session->source_options.roots = options->roots.list;
    session->source_options.set = options->every.set.list;
    if (!wfs_buf_ok(&options->fuse))
        return wfs_error_nomem(err, "options");
    options->mount.fuse_options = options->fuse.data;
    options->mount.cache.source = session->source;
    return 0;
}
