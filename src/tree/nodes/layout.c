/*
 * layout.c - makes the finished tree of the builder's list of nodes. The children of a directory
 * become consecutive and sorted by name, for lookups; a second list has them in natural order, for
 * listings. Of equal names in one directory, all but one get a number.
 */
#include "tree/nodes/layout.h"

#include <stdlib.h>
#include <string.h>

#define TREE_NAME_MAX        255
#define COLLISION_MARK_BYTES 12 /* "%~" and a number */

static int by_name(const void *a, const void *b, void *nodes)
{
    const struct wfs_build_node *n = nodes;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    int c = strcmp(n[i].name, n[j].name);
    if (c)
        return c;
    bool i_dir = n[i].kind == WFS_NODE_DIR, j_dir = n[j].kind == WFS_NODE_DIR;
    return i_dir != j_dir ? j_dir - i_dir
                          : (i > j) - (i < j); /* a directory first: it keeps its name */
}

static int rename_collision(struct wfs_tree_builder *b, uint32_t index, unsigned number)
{
    struct wfs_build_node *node = &b->nodes[index];
    size_t stem = strlen(node->name) - node->suffix_len, keep = stem;
    size_t reserve = COLLISION_MARK_BYTES + node->suffix_len;
    if (keep > TREE_NAME_MAX - reserve)
        keep = wfs_name_cut(node->name, TREE_NAME_MAX - reserve);
    char *name = wfs_arena_printf(b->session->arena, "%.*s%%~%u%s", (int)keep, node->name, number,
                                  node->name + stem);
    if (!name)
        return -ENOMEM;
    wfs_buf_visible(&b->renamed, node->name);
    wfs_buf_str(&b->renamed, "\tis shown as ");
    wfs_buf_visible(&b->renamed, name);
    wfs_buf_str(&b->renamed, ": the name is taken in its directory\n");
    node->name = name;
    return 0;
}

/* Sorts a directory's children; equal names get numbers until all differ. */
static int sort_children(struct wfs_tree_builder *b, uint32_t *children, uint32_t n)
{
    for (unsigned number = 2;; number++) {
        qsort_r(children, n, sizeof(*children), by_name, b->nodes);
        bool collided = false;
        for (uint32_t i = n; i-- > 1;) {
            if (strcmp(b->nodes[children[i]].name, b->nodes[children[i - 1]].name) != 0)
                continue;
            if (rename_collision(b, children[i], number))
                return -ENOMEM;
            collided = true;
        }
        if (!collided)
            return 0;
    }
}

static int by_natural(const void *a, const void *b, void *nodes)
{
    const struct wfs_node *n = nodes;
    return wfs_natural_cmp(n[*(const uint32_t *)a].name, n[*(const uint32_t *)b].name);
}

static void place(struct wfs_tree *tree, const struct wfs_build_node *from, uint32_t at,
                  uint32_t parent)
{
    tree->nodes[at] = (struct wfs_node){.name = from->name,
                                        .parent = parent,
                                        .kind = from->kind,
                                        .size_bytes = from->size_bytes,
                                        .payload = from->payload,
                                        .plan = from->plan};
    if (from->kind == WFS_NODE_DIR && at != parent)
        tree->nodes[parent].n_subdirs++;
}

/* Goes through the directories breadth first, and places the children of each at the end. placed[i]
 * is the builder's index of node i. */
static int lay_out(struct wfs_tree_builder *b, struct wfs_tree *tree, uint32_t *placed)
{
    uint32_t end = 1;
    placed[0] = 0;
    place(tree, &b->nodes[0], 0, 0);
    for (uint32_t at = 0; at < end; at++) {
        const struct wfs_build_node *dir = &b->nodes[placed[at]];
        uint32_t first = end;
        for (uint32_t i = dir->first; i != WFS_NO_INDEX; i = b->nodes[i].next)
            placed[end++] = i;
        if (sort_children(b, placed + first, end - first))
            return -ENOMEM;
        tree->nodes[at].first_child = first;
        tree->nodes[at].n_children = end - first;
        for (uint32_t i = first; i < end; i++) {
            place(tree, &b->nodes[placed[i]], i, at);
            tree->natural[i] = i;
        }
        qsort_r(tree->natural + first, end - first, sizeof(uint32_t), by_natural, tree->nodes);
    }
    return 0;
}

int wfs_tree_finish(struct wfs_tree_builder *b, struct wfs_tree **ret, struct wfs_error *err)
{
    struct wfs_tree *tree = calloc(1, sizeof(*tree));
    uint32_t *placed wfs_cleanup(wfs_freep) = calloc(b->n, sizeof(*placed));
    if (!tree || !placed)
        goto fail;
    tree->session = b->session;
    tree->n_nodes = (uint32_t)b->n;
    tree->nodes = calloc(b->n, sizeof(*tree->nodes));
    tree->natural = calloc(b->n, sizeof(*tree->natural));
    if (!tree->nodes || !tree->natural || lay_out(b, tree, placed) || !wfs_buf_ok(&b->renamed))
        goto fail;
    tree->n_files = (uint32_t)b->n_files;
    tree->files = wfs_steal(&b->files);
    b->n_files = 0;
    *ret = tree;
    return 0;
fail:
    wfs_tree_free(tree);
    return wfs_error_nomem(err, "the tree");
}

void wfs_tree_free(struct wfs_tree *tree)
{
    if (!tree)
        return;
    for (uint32_t i = 0; i < tree->n_files; i++)
        wfs_tree_file_free(tree->files[i]);
    free(tree->files);
    free(tree->nodes);
    free(tree->natural);
    free(tree);
}
