/*
 * manifest.c - see manifest.h.
 */
#include "tree/contents/manifest.h"

#include <string.h>

int wfs_tree_manifest(const struct wfs_session *session, uint32_t plan_index,
                      struct wfs_arena *arena, struct wfs_manifest *ret, struct wfs_error *err)
{
    const struct wfs_plan *plan = session->plans[plan_index];
    struct wfs_manifest_entry *entries =
        wfs_arena_array(arena, plan->n_targets ? plan->n_targets : 1, sizeof(*entries));
    if (!entries)
        return wfs_error_nomem(err, "a manifest");
    for (uint32_t i = 0; i < plan->n_targets; i++)
        entries[i] = (struct wfs_manifest_entry){.path = plan->targets[i].path,
                                                 .expr = plan->targets[i].expr};
    *ret = (struct wfs_manifest){.n = plan->n_targets,
                                 .entries = entries,
                                 .sep = plan->file_sep,
                                 .format_tag = plan->format_tag,
                                 .n_metadata = session->catalog->n_metadata,
                                 .metadata = session->catalog->metadata,
                                 .is_export = session->options.is_export};
    return 0;
}

/* Whether a comma-separated list has the writer's name, or that of its file. */
static bool list_names(const char *list, const struct wfs_writer *writer)
{
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        if ((len == strlen(writer->name) && memcmp(p, writer->name, len) == 0) ||
            (len == strlen(writer->file_name) && memcmp(p, writer->file_name, len) == 0))
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

bool wfs_tree_wants_file(const struct wfs_session *session, const struct wfs_plan *plan,
                         const struct wfs_writer *writer)
{
    const char *files = session->options.files;
    if (files && strcmp(files, "none") == 0)
        return false;
    if (files)
        return strcmp(files, "all") == 0 || list_names(files, writer);
    for (const char *const *name = plan->files; name && *name; name++)
        if (strcmp(*name, writer->name) == 0)
            return true;
    return false;
}
