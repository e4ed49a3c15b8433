/*
 * split.c - a name's components, each with the hash by which most patterns refuse it.
 */
#include "rules/split.h"

int wfs_split_path(struct wfs_arena *arena, const char *path, struct wfs_split *ret,
                   struct wfs_error *err)
{
    uint32_t n = 1;
    for (const char *c = path; *c; c++)
        n += *c == WFS_SEP;
    struct wfs_component *components = wfs_arena_array(arena, n, sizeof(*components));
    if (!components)
        return wfs_error_nomem(err, "names");
    const char *s = path;
    for (uint32_t i = 0; i < n; i++) {
        const char *end = strchrnul(s, WFS_SEP);
        size_t len = (size_t)(end - s);
        components[i] = (struct wfs_component){s, (uint32_t)len, wfs_component_hash(s, len)};
        s = end + 1;
    }
    *ret = (struct wfs_split){path, n, components};
    return 0;
}
