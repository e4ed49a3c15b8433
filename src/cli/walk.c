/*
 * walk.c - see walk.h. For each directory that is being walked there is a level: which child comes
 * next, and how long the path to the directory is.
 */
#include "cli/walk.h"

#include <stdlib.h>

struct level {
    uint32_t dir, next;
    size_t path_len;
};

struct walk {
    const struct wfs_tree *tree;
    struct level *levels;
    size_t n, cap;
    struct wfs_buf path;
};

static int enter(struct walk *w, uint32_t dir, struct wfs_error *err)
{
    if (wfs_grow(&w->levels, &w->cap, w->n + 1, sizeof(*w->levels)))
        return wfs_error_nomem(err, "a walk of the tree");
    w->levels[w->n++] = (struct level){.dir = dir, .path_len = w->path.len};
    return 0;
}

static int visit(struct walk *w, uint32_t node, wfs_walk_fn fn, void *ctx, struct wfs_error *err)
{
    if (!wfs_buf_ok(&w->path))
        return wfs_error_nomem(err, "a walk of the tree");
    int r = fn(ctx, node, w->path.len ? w->path.data : "", err);
    if (r || wfs_tree_node(w->tree, node)->kind != WFS_NODE_DIR)
        return r;
    return enter(w, node, err);
}

static int step(struct walk *w, wfs_walk_fn fn, void *ctx, struct wfs_error *err)
{
    struct level *level = &w->levels[w->n - 1];
    w->path.len = level->path_len;
    if (w->path.data)
        w->path.data[w->path.len] = '\0';
    if (level->next == wfs_tree_node(w->tree, level->dir)->n_children) {
        w->n--;
        return 0;
    }
    uint32_t child = wfs_tree_child(w->tree, level->dir, level->next++);
    wfs_buf_printf(&w->path, "%s%s", w->path.len ? "/" : "", wfs_tree_node(w->tree, child)->name);
    return visit(w, child, fn, ctx, err);
}

int wfs_walk(const struct wfs_tree *tree, uint32_t root, wfs_walk_fn fn, void *ctx,
             struct wfs_error *err)
{
    struct walk w = {.tree = tree};
    int r = visit(&w, root, fn, ctx, err);
    while (!r && w.n)
        r = step(&w, fn, ctx, err);
    free(w.levels);
    wfs_buf_free(&w.path);
    return r;
}
