/*
 * all.c - the tree of a session: a directory for each view, with tensors/, loader files and the
 * checkpoint's own files, and info/.
 */
#include "tree/contents/all.h"

#include <stdlib.h>

#include "tree/nodes/access.h"
#include "tree/contents/tensors.h"
#include "tree/contents/loader_files.h"
#include "tree/contents/gguf_texts.h"
#include "tree/contents/plain_config.h"
#include "tree/contents/passed_through.h"
#include "tree/contents/info.h"

static int add_view_dir(struct wfs_tree_builder *b, uint32_t plan, struct wfs_error *err)
{
    uint32_t dir = wfs_tree_add_dir(b, 0, b->session->plans[plan]->view);
    uint32_t tensors = dir == WFS_NO_INDEX ? dir : wfs_tree_add_dir(b, dir, "tensors");
    if (tensors == WFS_NO_INDEX)
        return wfs_error_nomem(err, "the tree");
    int r = wfs_tree_add_tensors(b, tensors, plan, err);
    if (!r)
        r = wfs_tree_add_loader_files(b, dir, plan, err);
    if (!r)
        r = wfs_tree_add_gguf_texts(b, dir, plan, err);
    if (!r)
        r = wfs_tree_add_plain_config(b, dir, plan, err);
    return r ? r : wfs_tree_add_passed_through(b, dir, plan, err);
}

static int add_all(struct wfs_tree_builder *b, struct wfs_error *err)
{
    if (wfs_tree_add(b, 0, "", WFS_NODE_DIR) == WFS_NO_INDEX)
        return wfs_error_nomem(err, "the tree");
    int r = 0;
    for (uint32_t i = 0; i < b->session->n_plans && !r; i++)
        r = add_view_dir(b, i, err);
    uint32_t info = r ? WFS_NO_INDEX : wfs_tree_add_dir(b, 0, "info");
    if (!r && info == WFS_NO_INDEX)
        r = wfs_error_nomem(err, "the tree");
    return r ? r : wfs_tree_add_info(b, info, err);
}

int wfs_tree_build(struct wfs_session *session, struct wfs_error *err)
{
    struct wfs_tree_builder b = {.session = session};
    int r = add_all(&b, err);
    if (!r)
        r = wfs_tree_finish(&b, &session->tree, err);
    if (!r)
        r = wfs_tree_set_access(session->tree, session, err);
    if (!r && b.renamed.len)
        session->tree_report = wfs_arena_strndup(session->arena, b.renamed.data, b.renamed.len);
    for (size_t i = 0; i < b.n_files; i++)
        wfs_tree_file_free(b.files[i]);
    free(b.files);
    free(b.nodes);
    wfs_buf_free(&b.renamed);
    return r;
}
