/*
 * passed_through.c - the files of the checkpoint that hold no weights, shown in every view. A
 * virtual file of the same name hides one; the report says so.
 */
#include "tree/contents/passed_through.h"

#include <string.h>

#include "tree/contents/plain_config.h"

struct side_names {
    struct wfs_tree_builder *b;
    uint32_t dir, plan;       /* of the view */
    struct wfs_strmap by_rel; /* path below the view's directory -> node */
};

/* Enters tensors/ and the loader files, which are in the view's directory already. */
static int know_own_names(struct side_names *names)
{
    const struct wfs_build_node *nodes = names->b->nodes;
    int r = 0;
    for (uint32_t i = nodes[names->dir].first; i != WFS_NO_INDEX && !r; i = nodes[i].next)
        r = wfs_strmap_set(&names->by_rel, nodes[i].name, i);
    return r;
}

static uint32_t rel_node(const struct side_names *names, const char *rel)
{
    uint64_t node;
    return wfs_strmap_get(&names->by_rel, rel, &node) ? (uint32_t)node : WFS_NO_INDEX;
}

/* Finds or makes the directory that the file is in. *ret is WFS_NO_INDEX where a virtual file or
 * tensors/ has the name of a directory on the way. */
static int side_dir(struct side_names *names, const char *name, uint32_t n_own, uint32_t *ret)
{
    struct wfs_arena *arena = names->b->session->arena;
    uint32_t dir = names->dir;
    const char *start = name;
    for (const char *slash; (slash = strchr(start, '/')); start = slash + 1) {
        char *rel = wfs_arena_strndup(arena, name, (size_t)(slash - name));
        if (!rel)
            return -ENOMEM;
        uint32_t found = rel_node(names, rel);
        if (found != WFS_NO_INDEX &&
            (found < n_own || names->b->nodes[found].kind != WFS_NODE_DIR)) {
            *ret = WFS_NO_INDEX;
            return 0;
        }
        dir = found != WFS_NO_INDEX ? found : wfs_tree_add_dir(names->b, dir, rel + (start - name));
        if (dir == WFS_NO_INDEX ||
            (found == WFS_NO_INDEX && wfs_strmap_set(&names->by_rel, rel, dir)))
            return -ENOMEM;
    }
    *ret = dir;
    return 0;
}

static int add_side_file(struct side_names *names, const struct wfs_side_file *side, uint32_t n_own)
{
    struct wfs_tree_builder *b = names->b;
    const char *slash = strrchr(side->name, '/');
    uint32_t dir;
    int r = side_dir(names, side->name, n_own, &dir);
    if (r)
        return r;
    if (b->session->plans[names->plan]->is_dequantised && strcmp(side->name, "config.json") == 0)
        return 0; /* the view has one without what says that its weights are quantised */
    if (dir == WFS_NO_INDEX || rel_node(names, side->name) != WFS_NO_INDEX) {
        wfs_buf_printf(&b->renamed, "%s/", b->session->plans[names->plan]->view);
        wfs_buf_visible(&b->renamed, side->name);
        wfs_buf_str(&b->renamed, "\tof the source is hidden by a virtual file of that name\n");
        return 0;
    }
    uint32_t node = (uint32_t)b->n;
    struct wfs_tree_file *file =
        wfs_tree_add_file(b, dir, slash ? slash + 1 : side->name, NULL, NULL, names->plan);
    if (!file)
        return -ENOMEM;
    file->side = side;
    return wfs_strmap_set(&names->by_rel, side->name, node);
}

int wfs_tree_add_passed_through(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                                struct wfs_error *err)
{
    const struct wfs_catalog *catalog = b->session->catalog;
    struct side_names names = {.b = b, .dir = dir, .plan = plan};
    uint32_t n_own = (uint32_t)b->n; /* nodes from here on are of side files */
    int r = know_own_names(&names);
    bool is_plain = b->session->plans[plan]->is_dequantised;
    for (uint32_t i = 0; i < catalog->n_side_files && !r; i++)
        if (!is_plain || !wfs_is_quantiser_file(catalog->side_files[i].name))
            r = add_side_file(&names, &catalog->side_files[i], n_own);
    wfs_strmap_free(&names.by_rel);
    return r ? wfs_error_nomem(err, "the tree") : 0;
}
