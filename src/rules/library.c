/*
 * library.c - rule sets by name, compiled in or from files.
 */
#include <string.h>
#include "rules/rules.h"

static const struct wfs_rule_text *find_text(const char *name)
{
    for (size_t i = 0; i < wfs_n_rule_texts; i++)
        if (strcmp(wfs_rule_texts[i].name, name) == 0)
            return &wfs_rule_texts[i];
    return NULL;
}

static int unknown_set(const char *name, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf names = {0};
    for (size_t i = 0; i < wfs_n_rule_texts; i++)
        wfs_buf_printf(&names, "%s%s", i ? ", " : "", wfs_rule_texts[i].name);
    return wfs_error_set(err, EINVAL, "%s: no such rule set; there are %s", name,
                         wfs_buf_ok(&names) && names.data ? names.data : "");
}

int wfs_set_load(struct wfs_arena *arena, const char *name, struct wfs_including *in,
                 struct wfs_set **ret, struct wfs_error *err)
{
    if (name[0] == '~') {
        struct wfs_set *set;
        int r = wfs_set_load(arena, name + 1, in, &set, err);
        return r ? r : wfs_set_invert(arena, set, ret, err);
    }
    const struct wfs_rule_text *text = find_text(name);
    if (!text)
        return unknown_set(name, err);
    const char *file = wfs_arena_printf(arena, "%s.map", name);
    if (!file)
        return wfs_error_nomem(err, "rules");
    return wfs_set_parse(arena, file, text->text, text->len, in, ret, err);
}

int wfs_set_load_file(struct wfs_arena *arena, const char *path, struct wfs_including *in,
                      struct wfs_set **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    wfs_cleanup(wfs_freep) char *text = NULL;
    int r = wfs_bytes_open(path, &bytes, err);
    if (!r)
        r = wfs_bytes_read_text(bytes, WFS_RULES_MAX_BYTES, &text, err);
    if (r)
        return r;
    size_t len = (size_t)bytes->size_bytes;
    const char *kept = wfs_arena_memdup(arena, text, len + 1); /* the set points into its text */
    return kept ? wfs_set_parse(arena, path, kept, len, in, ret, err)
                : wfs_error_nomem(err, "rules");
}

int wfs_set_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                  struct wfs_including *in, struct wfs_set **ret, struct wfs_error *err)
{
    struct wfs_including none = {.load = wfs_set_load, .load_file = wfs_set_load_file};
    struct wfs_set *set, *inverse;
    int r = wfs_set_parse_text(arena, file, text, len, in ? in : &none, &set, err);
    if (!r && set->invertible)
        r = wfs_set_invert(arena, set, &inverse, err);
    if (!r)
        *ret = set;
    return r;
}

bool wfs_set_is_view(const char *name)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_set *set;
    return arena && wfs_set_load(arena, name, NULL, &set, NULL) == 0 && (set->to || set->program);
}
