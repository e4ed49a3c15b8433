/*
 * unlisted.c - see unlisted.h.
 */
#include "tree/contents/unlisted.h"

#include <string.h>

/* Is a refused tensor's name inside of the tree `root`, or of the statistics beside it? */
static bool is_below(const struct wfs_catalog *catalog, const char *name,
                     const struct wfs_root *root)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf prefix = {0};
    wfs_path_join(&prefix, root->path, catalog->sep);
    wfs_buf_char(&prefix, catalog->sep);
    wfs_buf_char(&prefix, '\0');
    if (!wfs_buf_ok(&prefix) || strncmp(name, prefix.data, strlen(prefix.data)) == 0)
        return true;
    prefix.len = 0;
    wfs_buf_str(&prefix, name);
    wfs_buf_char(&prefix, '\0');
    for (char *c = prefix.data; wfs_buf_ok(&prefix) && *c; c++)
        *c = *c == catalog->sep ? WFS_SEP : *c;
    return !wfs_buf_ok(&prefix) || wfs_path_is_statistics_of(prefix.data, root->path);
}

/* Could a mapped view have had the refused tensor? Not where it lies beside the trees that views
 * map, as an optimizer's state does. A note on a whole file speaks of any of its tensors. */
static bool concerns_views(const struct wfs_catalog *catalog, const char *name)
{
    bool has_chosen = false;
    for (uint32_t i = 0; i < catalog->n_roots; i++) {
        const struct wfs_root *root = &catalog->roots[i];
        if (root->is_chosen && (root->is_whole || is_below(catalog, name, root)))
            return true;
        has_chosen |= root->is_chosen;
    }
    for (uint32_t i = 0; i < catalog->n_files; i++)
        if (strcmp(catalog->files[i].name, name) == 0)
            return true;
    return !has_chosen;
}

/* The first of n refused tensors that the view's files would lack; NULL: there is none. */
static const struct wfs_note *first_lost(const struct wfs_session *session, uint32_t plan,
                                         uint32_t *ret_n)
{
    const struct wfs_catalog *catalog = session->catalog;
    const struct wfs_note *first = NULL;
    *ret_n = 0;
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        const struct wfs_note *note = &catalog->notes[i];
        if (note->kind != WFS_NOTE_REFUSED ||
            (!session->plans[plan]->is_source && !concerns_views(catalog, note->subject)))
            continue;
        first = first ? first : note;
        ++*ret_n;
    }
    return first;
}

int wfs_tree_refuse_partial(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                            const char **ret)
{
    uint32_t n;
    const struct wfs_note *lost = first_lost(b->session, plan, &n);
    *ret = NULL;
    if (!lost)
        return 0;
    if (b->session->options.partial) {
        wfs_buf_printf(&b->renamed, "%s/%s\tlacks %u refused tensors (-o partial), the first: ",
                       b->session->plans[plan]->view, file_name, n);
        wfs_buf_visible(&b->renamed, lost->subject);
        wfs_buf_char(&b->renamed, '\n');
        return 0;
    }
    *ret = wfs_arena_printf(b->session->arena,
                            "it would lack %s, which was refused (%s)%s; -o partial lists it "
                            "without",
                            lost->subject, lost->text, n > 1 ? ", and others" : "");
    return *ret ? 0 : -ENOMEM;
}

int wfs_tree_remember_refusal(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                              const char *refusal)
{
    struct wfs_session *session = b->session;
    struct wfs_unlisted *unlisted = wfs_arena_alloc(session->arena, sizeof(*unlisted));
    char *why = wfs_arena_strdup(session->arena, refusal);
    if (!unlisted || !why)
        return -ENOMEM;
    *unlisted = (struct wfs_unlisted){
        .next = session->unlisted, .plan = plan, .name = file_name, .why = why};
    session->unlisted = unlisted;
    return 0;
}

int wfs_tree_note_refusal(struct wfs_tree_builder *b, uint32_t plan, const char *file_name,
                          const char *refusal)
{
    int r = wfs_tree_remember_refusal(b, plan, file_name, refusal);
    if (r)
        return r;
    wfs_buf_printf(&b->renamed, "%s/%s\tis not listed: ", b->session->plans[plan]->view, file_name);
    wfs_buf_visible(&b->renamed, refusal);
    wfs_buf_char(&b->renamed, '\n');
    return 0;
}

int wfs_tree_is_refused(struct wfs_tree_builder *b, uint32_t plan, const struct wfs_writer *writer,
                        const struct wfs_manifest *manifest, struct wfs_arena *arena, bool *ret)
{
    const char *refusal = NULL;
    if (manifest && writer->refuses(manifest, arena, &refusal))
        return -ENOMEM;
    if (!refusal && wfs_tree_refuse_partial(b, plan, writer->file_name, &refusal))
        return -ENOMEM;
    *ret = refusal != NULL;
    return refusal ? wfs_tree_note_refusal(b, plan, writer->file_name, refusal) : 0;
}
