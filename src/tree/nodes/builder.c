/*
 * builder.c - see builder.h.
 */
#include "tree/nodes/builder.h"

#include <stdlib.h>

uint32_t wfs_tree_add(struct wfs_tree_builder *b, uint32_t parent, const char *name,
                      enum wfs_node_kind kind)
{
    if (!name || b->n >= WFS_NO_INDEX - 1 ||
        wfs_grow(&b->nodes, &b->cap, b->n + 1, sizeof(*b->nodes)))
        return WFS_NO_INDEX;
    uint32_t index = (uint32_t)b->n++;
    b->nodes[index] = (struct wfs_build_node){.name = name,
                                              .parent = parent,
                                              .first = WFS_NO_INDEX,
                                              .last = WFS_NO_INDEX,
                                              .next = WFS_NO_INDEX,
                                              .kind = kind,
                                              .plan = WFS_NO_INDEX};
    if (index == parent)
        return index; /* the root */
    struct wfs_build_node *dir = &b->nodes[parent];
    if (dir->last == WFS_NO_INDEX)
        dir->first = index;
    else
        b->nodes[dir->last].next = index;
    dir->last = index;
    dir->n_children++;
    return index;
}

uint32_t wfs_tree_add_dir(struct wfs_tree_builder *b, uint32_t parent, const char *name)
{
    return wfs_tree_add(b, parent, name, WFS_NODE_DIR);
}

struct wfs_tree_file *wfs_tree_add_file(struct wfs_tree_builder *b, uint32_t parent,
                                        const char *name, wfs_tree_plan_fn plan_fn, const void *ctx,
                                        uint32_t plan)
{
    struct wfs_tree_file *file = calloc(1, sizeof(*file));
    if (!file ||
        wfs_grow(&b->files, &b->files_cap, b->n_files + 1, sizeof(struct wfs_tree_file *))) {
        free(file);
        return NULL;
    }
    pthread_mutex_init(&file->lock, NULL);
    file->plan_fn = plan_fn;
    file->ctx = ctx;
    file->plan = plan;
    b->files[b->n_files++] = file;
    uint32_t node = wfs_tree_add(b, parent, name, WFS_NODE_VFILE);
    if (node == WFS_NO_INDEX)
        return NULL;
    b->nodes[node].payload = file;
    b->nodes[node].plan = plan;
    return file;
}
