/*
 * list.c - see list.h. Every string is copied into the arena, and paths are absolute when they get
 * there: the server works elsewhere than where it was started.
 */
#include "cli/options/list.h"

#include <string.h>
#include <unistd.h>

int wfs_strings_add(struct wfs_strings *strings, struct wfs_arena *arena, const char *value,
                    struct wfs_error *err)
{
    char *copy = wfs_arena_strdup(arena, value);
    if (!copy || wfs_grow(&strings->list, &strings->cap, strings->n + 2, sizeof(char *)))
        return wfs_error_nomem(err, "options");
    strings->list[strings->n++] = copy;
    strings->list[strings->n] = NULL;
    return 0;
}

/* The name ends at the first '='; that of tp.GLOB=AXIS at the last one, since the glob may hold a
 * '='. */
static size_t setting_name_len(const char *setting)
{
    const char *eq = strncmp(setting, "tp.", 3) == 0 ? strrchr(setting, '=') : NULL;
    return eq ? (size_t)(eq - setting) : strcspn(setting, "=");
}

int wfs_strings_add_setting(struct wfs_strings *strings, struct wfs_arena *arena, const char *value,
                            struct wfs_error *err)
{
    size_t len = setting_name_len(value);
    for (size_t i = 0; i < strings->n; i++)
        if (setting_name_len(strings->list[i]) == len && memcmp(strings->list[i], value, len) == 0)
            return wfs_error_set(err, EINVAL, "-o set=%s: it is set=%s already", value,
                                 strings->list[i]);
    return wfs_strings_add(strings, arena, value, err);
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

int wfs_options_set_string(struct wfs_arena *arena, const char **field, const char *value,
                           struct wfs_error *err)
{
    const char *copy = wfs_arena_strdup(arena, value);
    if (!copy)
        return wfs_error_nomem(err, "options");
    *field = copy;
    return 0;
}

int wfs_options_set_path(struct wfs_arena *arena, const char **field, const char *value,
                         struct wfs_error *err)
{
    if (!*value)
        return wfs_error_set(err, EINVAL, "'': the name of a file or directory is expected");
    if (*value == '/')
        return wfs_options_set_string(arena, field, value, err);
    char *cwd wfs_cleanup(wfs_freep) = getcwd(NULL, 0);
    if (!cwd)
        return wfs_error_set(err, errno, "%s: the working directory: %s", value, strerror(errno));
    const char *path = wfs_arena_printf(arena, "%s/%s", strcmp(cwd, "/") ? cwd : "", value);
    if (!path)
        return wfs_error_nomem(err, value);
    *field = path;
    return 0;
}
