/*
 * tensors.c - tensors/ of a view: a directory for each module, a file for each tensor. Names come
 * from files and are made safe here, visibly.
 */
#include "tree/contents/tensors.h"

#include <stdlib.h>
#include <string.h>

/* Of a name with more components, the rest of them, joined by '.', is the file's name. So a name of
 * a million dots does not make a million directories. */
#define TENSORS_MAX_DEPTH 4096

/* The directories that were made. Targets are sorted, so a tensor mostly lies in the directory of
 * the one before it; else its directories are looked up one by one. */
struct tensor_dirs {
    struct wfs_tree_builder *b;
    uint32_t root;
    struct wfs_strmap by_step; /* "PARENT/component" -> node, PARENT being a node's number */
    const char *last_path;
    size_t last_prefix_len; /* of its directory part; 0: the root */
    uint32_t last_dir;
};

bool wfs_tree_is_npy(const struct wfs_session *session, const struct wfs_expr *expr)
{
    return session->options.format == WFS_FORMAT_NPY &&
           wfs_dtype_info(expr->dtype)->npy_descr != NULL;
}

static void report_escaped(struct wfs_tree_builder *b, const char *path, const char *shown)
{
    struct wfs_buf joined wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&joined, path, '.');
    wfs_buf_visible(&b->renamed, joined.data ? joined.data : "");
    wfs_buf_str(&b->renamed, "\thas a component that is shown as ");
    wfs_buf_visible(&b->renamed, shown);
    wfs_buf_char(&b->renamed, '\n');
}

/* A component as a file name with a suffix, in the session's arena. */
static char *safe_name(struct wfs_tree_builder *b, const char *path, const char *component,
                       size_t len, const char *suffix)
{
    struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
    bool changed = wfs_name_escape(&name, component, len, strlen(suffix));
    wfs_buf_str(&name, suffix);
    if (!wfs_buf_ok(&name))
        return NULL;
    if (changed)
        report_escaped(b, path, name.data);
    return wfs_arena_strndup(b->session->arena, name.data, name.len);
}

/* The directory of one component in `parent`, made where it is missing. */
static uint32_t dir_in(struct tensor_dirs *d, uint32_t parent, const char *path, const char *name,
                       size_t len)
{
    struct wfs_buf key wfs_cleanup(wfs_buf_free) = {0};
    uint64_t found;
    wfs_buf_printf(&key, "%u/", parent);
    wfs_buf_add(&key, name, len);
    if (!wfs_buf_ok(&key))
        return WFS_NO_INDEX;
    if (wfs_strmap_get(&d->by_step, key.data, &found))
        return (uint32_t)found;
    char *kept = wfs_arena_strndup(d->b->session->arena, key.data, key.len);
    char *shown = kept ? safe_name(d->b, path, name, len, "") : NULL;
    uint32_t dir = wfs_tree_add_dir(d->b, parent, shown);
    if (dir == WFS_NO_INDEX || wfs_strmap_set(&d->by_step, kept, dir))
        return WFS_NO_INDEX;
    return dir;
}

/* The directory for path[0..prefix_len), which ends behind a separator. */
static uint32_t dir_for(struct tensor_dirs *d, const char *path, size_t prefix_len)
{
    uint32_t dir = d->root;
    for (const char *p = path; p < path + prefix_len && dir != WFS_NO_INDEX;) {
        size_t len = strcspn(p, WFS_SEP_STR);
        dir = dir_in(d, dir, path, p, len);
        p += len + 1;
    }
    return dir;
}

/* The part of the path that is the file's name: what follows the last separator, or the 4096th. */
static const char *file_part(const char *path)
{
    const char *p = path;
    for (unsigned depth = 0; depth < TENSORS_MAX_DEPTH; depth++) {
        const char *sep = strchr(p, WFS_SEP);
        if (!sep)
            break;
        p = sep + 1;
    }
    return p;
}

/* The name of the tensor's file; NULL when out of memory. */
static char *file_name(struct wfs_tree_builder *b, const char *path, const char *last,
                       const char *suffix)
{
    if (!strchr(last, WFS_SEP))
        return safe_name(b, path, last, strlen(last), suffix);
    struct wfs_buf rest wfs_cleanup(wfs_buf_free) = {0};
    wfs_path_join(&rest, last, '.');
    if (!wfs_buf_ok(&rest))
        return NULL;
    char *name = safe_name(b, path, rest.data, rest.len, suffix);
    if (name) {
        wfs_buf_visible(&b->renamed, name);
        wfs_buf_printf(&b->renamed, "\tis the rest of a name of more than %d components\n",
                       TENSORS_MAX_DEPTH);
    }
    return name;
}

static uint32_t dir_of_target(struct tensor_dirs *d, const char *path, size_t len)
{
    if (!d->last_path || len != d->last_prefix_len || memcmp(path, d->last_path, len) != 0) {
        d->last_dir = dir_for(d, path, len);
        d->last_path = path;
        d->last_prefix_len = len;
    }
    return d->last_dir;
}

static int add_tensor(struct tensor_dirs *d, const struct wfs_target *target, uint32_t plan)
{
    struct wfs_tree_builder *b = d->b;
    const char *last = file_part(target->path);
    uint32_t dir = dir_of_target(d, target->path, (size_t)(last - target->path));
    if (dir == WFS_NO_INDEX)
        return -ENOMEM;
    bool npy = wfs_tree_is_npy(b->session, target->expr);
    char suffix[48] = ".npy";
    if (!npy)
        snprintf(suffix, sizeof(suffix), ".%s.raw", wfs_dtype_info(target->expr->dtype)->name);
    char *name = file_name(b, target->path, last, suffix);
    uint32_t node = wfs_tree_add(b, dir, name, WFS_NODE_TENSOR);
    if (node == WFS_NO_INDEX)
        return -ENOMEM;
    struct wfs_build_node *made = &b->nodes[node];
    made->suffix_len = (uint16_t)strlen(suffix);
    made->plan = plan;
    made->payload = (void *)target;
    made->size_bytes = npy ? wfs_npy_size(target->expr) : target->expr->size_bytes;
    return 0;
}

int wfs_tree_add_tensors(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                         struct wfs_error *err)
{
    const struct wfs_plan *p = b->session->plans[plan];
    struct tensor_dirs d = {.b = b, .root = dir};
    int r = 0;
    for (uint32_t i = 0; i < p->n_targets && !r; i++)
        r = add_tensor(&d, &p->targets[i], plan);
    wfs_strmap_free(&d.by_step);
    return r ? wfs_error_nomem(err, "the tree") : 0;
}
