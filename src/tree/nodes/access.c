/*
 * access.c - who may see what: owners, modes and times of the nodes. A mount shows nobody more than
 * the source does. Where it serves others than the user who mounts, more than mode bits says who
 * may read a file of the source: the directories above it, and access control lists.
 */
#include "tree/nodes/access.h"

/* ---- times --------------------------------------------------------------------------------- */

static void latest_mtime(int64_t *mtime_ns, const char *path)
{
    struct stat st;
    if (!path || stat(path, &st))
        return;
    int64_t ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    *mtime_ns = ns > *mtime_ns ? ns : *mtime_ns;
}

static void set_mtime(struct wfs_tree *tree, const struct wfs_session *session)
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
}

/* ---- what the way to a file takes from its mode (where others are served) -------------------- */

/* The warnings that were given: each path is named once, however many files lie below it. */
struct ways {
    struct wfs_session *session;
    struct wfs_strmap said; /* path -> nothing */
    bool is_silent;
};

static int say(struct ways *ways, const char *path, const char *what)
{
    uint64_t known;
    char *key = wfs_arena_printf(ways->session->arena, "%s%c%s", what, WFS_SEP, path);
    if (!key)
        return -ENOMEM;
    if (wfs_strmap_get(&ways->said, key, &known))
        return 0;
    wfs_catalog_note(ways->session->catalog, WFS_NOTE_WARNING, path, "%s", what);
    return wfs_strmap_set(&ways->said, key, 1);
}

static int say_lost(struct ways *ways, const struct wfs_way *way, mode_t lost)
{
    int r = 0;
    if (ways->is_silent)
        return 0;
    if (way->has_acl && lost)
        r = say(ways, way->has_acl,
                "it has an access control list, which a mount cannot show: only the owner reads "
                "what it speaks of");
    if (!r && way->denies_others && lost & S_IROTH)
        r = say(ways, way->denies_others,
                "others may not search it, so they may not read here what lies below it");
    if (!r && way->denies_group && lost & S_IRGRP)
        r = say(ways, way->denies_group,
                "a file's group may not search it, so it may not read here what lies below it");
    return r;
}

/* Looks at the way to a file, warns of what it takes from `mode`, and returns what is left. Where
 * it cannot be looked at (any more), only the owner's bits are left. */
static int look(struct ways *ways, const char *path, gid_t gid, mode_t mode, struct wfs_way *way,
                mode_t *ret, struct wfs_error *err)
{
    struct wfs_error why = {0};
    *way = (struct wfs_way){.denies_others = path, .denies_group = path};
    int r = wfs_way_look(ways->session->arena, path, gid, way, &why);
    if (r == -ENOMEM)
        return wfs_error_set(err, ENOMEM, "%s", why.message);
    *ret = wfs_way_mode(way, mode);
    return say_lost(ways, way, mode & ~*ret) ? wfs_error_nomem(err, path) : 0;
}

/* The nodes show one mode for all weight files, and the owner and group of the first. Where another
 * file has another owner or group, they are among the others of that file. */
static int look_at_weights(struct ways *ways, mode_t *mode, struct wfs_error *err)
{
    const struct wfs_catalog *catalog = ways->session->catalog;
    int r = 0;
    for (uint32_t i = 0; i < catalog->n_files && !r; i++) {
        const struct wfs_file_info *info = wfs_bytes_file_info(catalog->files[i].bytes);
        struct wfs_way way;
        mode_t left;
        if (!info)
            continue;
        r = look(ways, catalog->files[i].path, info->gid, catalog->mode, &way, &left, err);
        if (r)
            break;
        bool is_closed = way.denies_others || way.has_acl;
        if (is_closed && info->uid != catalog->uid)
            left &= ~(mode_t)S_IRWXU;
        if (is_closed && info->gid != catalog->gid)
            left &= ~(mode_t)S_IRWXG;
        *mode &= left;
    }
    return r;
}

static int look_at_side_files(struct ways *ways, mode_t *modes, struct wfs_error *err)
{
    const struct wfs_catalog *catalog = ways->session->catalog;
    int r = 0;
    for (uint32_t i = 0; i < catalog->n_side_files && !r; i++) {
        const struct wfs_side_file *side = &catalog->side_files[i];
        struct wfs_way way;
        r = look(ways, side->path, side->gid, modes[i], &way, &modes[i], err);
    }
    return r;
}

/* ---- modes --------------------------------------------------------------------------------- */

static bool is_given(const struct wfs_session_options *o)
{
    return o->has_umask || o->has_mode;
}

/* The bits of a mode that umask= and mode= let be shown. */
static mode_t limit(const struct wfs_session_options *o, mode_t mode)
{
    return mode & (o->has_mode ? o->mode : 0777) & ~o->umask;
}

/* Warns where others are let in by allow_other, and no file may be read by them. Where it is the
 * way that is closed, and not the file, there was a warning before. */
static void say_closed(struct wfs_session *session)
{
    struct wfs_catalog *catalog = session->catalog;
    for (uint32_t i = 0; i < catalog->n_files; i++) {
        const struct wfs_file_info *info = wfs_bytes_file_info(catalog->files[i].bytes);
        if (!info || info->mode & S_IROTH)
            continue;
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, catalog->files[i].name,
                         "others may not read it (its mode is %04o), so they are shown nothing; "
                         "umask=022 or mode=0444 lets them",
                         (unsigned)info->mode & 0777);
        return;
    }
}

/* Without umask= and mode=, files are shown with the modes that they have in the source, less what
 * the way to them takes. With one of them, that is what the checkpoint's own files are shown with;
 * files outside of the checkpoint can only lose by it. */
static int set_file_modes(struct wfs_tree *tree, struct wfs_session *session, mode_t *side_modes,
                          struct wfs_error *err)
{
    const struct wfs_session_options *o = &session->options;
    const struct wfs_catalog *catalog = session->catalog;
    struct ways ways = {.session = session, .is_silent = is_given(o)};
    mode_t mode = catalog->mode;
    int r = o->is_shared ? look_at_weights(&ways, &mode, err) : 0;
    if (!r && o->is_shared)
        r = look_at_side_files(&ways, side_modes, err);
    wfs_strmap_free(&ways.said);
    tree->file_mode = limit(o, is_given(o) ? 0444 : mode & 0444);
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        side_modes[i] =
            limit(o, is_given(o) && !catalog->side_files[i].leads_out ? 0444 : side_modes[i]);
    return r;
}

static int set_modes(struct wfs_tree *tree, struct wfs_session *session, struct wfs_error *err)
{
    const struct wfs_session_options *o = &session->options;
    const struct wfs_catalog *catalog = session->catalog;
    mode_t *side_modes =
        wfs_arena_array(session->arena, (size_t)catalog->n_side_files + 1, sizeof(*side_modes));
    if (!side_modes)
        return wfs_error_nomem(err, "the tree");
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        side_modes[i] = catalog->side_files[i].mode & 0444;
    int r = set_file_modes(tree, session, side_modes, err);
    /* Whoever may read the files may list and search the directories. */
    mode_t listing = tree->file_mode | tree->file_mode >> 2;
    tree->dir_mode = 0555 & (o->has_umask && !o->has_mode ? 0777 : listing) & ~o->umask;
    tree->side_modes = side_modes;
    if (!r && o->allow_other && !is_given(o) && !(catalog->mode & S_IROTH))
        say_closed(session);
    return r;
}

int wfs_tree_set_access(struct wfs_tree *tree, struct wfs_session *session, struct wfs_error *err)
{
    const struct wfs_session_options *o = &session->options;
    set_mtime(tree, session);
    tree->uid = o->uid == (uid_t)-1 ? session->catalog->uid : o->uid;
    tree->gid = o->gid == (gid_t)-1 ? session->catalog->gid : o->gid;
    return set_modes(tree, session, err);
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* The passed-through file that a node is, or NULL. */
static const struct wfs_side_file *side_of(const struct wfs_node *node)
{
    return node->kind == WFS_NODE_VFILE ? ((const struct wfs_tree_file *)node->payload)->side
                                        : NULL;
}

/* A passed-through file is shown with its own owner and mode: its mode would mean other people
 * under the owner of the weights. */
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
    ret->st_mode = S_IFREG | tree->side_modes[side - tree->session->catalog->side_files];
    /* uid= and gid= do not give away what a link leads to outside of the checkpoint. */
    if (options->uid == (uid_t)-1 || side->leads_out)
        ret->st_uid = side->uid;
    if (options->gid == (gid_t)-1 || side->leads_out)
        ret->st_gid = side->gid;
}
