/*
 * access.c - who may see what: owners, modes and times of the nodes. A mount shows nobody more than
 * the source does.
 */
#include "tree/nodes/access.h"

static void latest_mtime(int64_t *mtime_ns, const char *path)
{
    struct stat st;
    if (!path || stat(path, &st))
        return;
    int64_t ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    *mtime_ns = ns > *mtime_ns ? ns : *mtime_ns;
}

void wfs_tree_set_access(struct wfs_tree *tree, const struct wfs_session *session)
{
    const struct wfs_session_options *o = &session->options;
    const struct wfs_catalog *catalog = session->catalog;
    tree->mtime_ns = catalog->mtime_ns;
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        if (catalog->side_files[i].identity.mtime_ns > tree->mtime_ns)
            tree->mtime_ns = catalog->side_files[i].identity.mtime_ns;
    for (uint32_t i = 0; i < o->n_views; i++) {
        latest_mtime(&tree->mtime_ns, o->views[i].rules);
        latest_mtime(&tree->mtime_ns, o->views[i].template_path);
    }
    tree->file_mode = catalog->mode & 0444 & ~o->umask;
    /* Who may read the files may list the directories. */
    tree->dir_mode = (0555 & (tree->file_mode | tree->file_mode >> 2)) & ~o->umask;
    tree->uid = o->uid == (uid_t)-1 ? catalog->uid : o->uid;
    tree->gid = o->gid == (gid_t)-1 ? catalog->gid : o->gid;
}

/* The passed-through file that a node is, or NULL. */
static const struct wfs_side_file *side_of(const struct wfs_node *node)
{
    return node->kind == WFS_NODE_VFILE ? ((const struct wfs_tree_file *)node->payload)->side
                                        : NULL;
}

/* A passed-through file keeps its own owner: the same mode under another one would show it to
 * somebody else. */
void wfs_tree_show_access(const struct wfs_tree *tree, const struct wfs_node *node,
                          struct stat *ret)
{
    const struct wfs_session_options *options = &tree->session->options;
    const struct wfs_side_file *side = side_of(node);
    bool is_dir = node->kind == WFS_NODE_DIR;
    ret->st_mode = is_dir ? S_IFDIR | tree->dir_mode : S_IFREG | tree->file_mode;
    ret->st_uid = tree->uid;
    ret->st_gid = tree->gid;
    if (!side)
        return;
    ret->st_mode = S_IFREG | (side->mode & 0444 & ~options->umask);
    /* What a link led to outside of the checkpoint is not given away by uid= and gid=. */
    if (options->uid == (uid_t)-1 || side->leads_out)
        ret->st_uid = side->uid;
    if (options->gid == (gid_t)-1 || side->leads_out)
        ret->st_gid = side->gid;
}
