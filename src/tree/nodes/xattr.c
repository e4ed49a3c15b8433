/*
 * xattr.c - user.weightfs.* of tensors: cheap facts only, nothing that reads a tensor.
 */
#include "tree/tree.h"

#include <string.h>

#include "tree/nodes/layout.h"

#define XATTR_PREFIX "user.weightfs."

struct xattr {
    const char *name; /* after the prefix */
    bool (*get)(const struct wfs_session *session, const struct wfs_plan *plan,
                const struct wfs_target *target, struct wfs_buf *out);
};

static bool get_name(const struct wfs_session *session, const struct wfs_plan *plan,
                     const struct wfs_target *target, struct wfs_buf *out)
{
    (void)session;
    wfs_path_join(out, target->path, plan->sep);
    return true;
}

static bool get_dtype(const struct wfs_session *session, const struct wfs_plan *plan,
                      const struct wfs_target *target, struct wfs_buf *out)
{
    (void)session;
    (void)plan;
    wfs_buf_str(out, wfs_dtype_info(target->expr->dtype)->name);
    return true;
}

static bool get_shape(const struct wfs_session *session, const struct wfs_plan *plan,
                      const struct wfs_target *target, struct wfs_buf *out)
{
    (void)session;
    (void)plan;
    wfs_shape_format(out, target->expr->ndim, target->expr->shape);
    return true;
}

static bool get_source(const struct wfs_session *session, const struct wfs_plan *plan,
                       const struct wfs_target *target, struct wfs_buf *out)
{
    (void)plan;
    for (uint32_t i = 0; i < target->n_sources; i++) {
        if (i)
            wfs_buf_char(out, '\n');
        wfs_buf_str(out, session->catalog->tensors[target->sources[i]].name);
    }
    return true;
}

static bool get_operations(const struct wfs_session *session, const struct wfs_plan *plan,
                           const struct wfs_target *target, struct wfs_buf *out)
{
    (void)session;
    (void)plan;
    wfs_buf_str(out, target->operations);
    return true;
}

/* "axis 0, 4 parts" of a source tensor that was assembled from shards. */
static bool get_sharding(const struct wfs_session *session, const struct wfs_plan *plan,
                         const struct wfs_target *target, struct wfs_buf *out)
{
    if (!plan->is_source || target->n_sources != 1)
        return false;
    const struct wfs_tensor *t = &session->catalog->tensors[target->sources[0]];
    if (t->n_shards <= 1)
        return false;
    wfs_sharding_format(out, t->shard_axis, t->n_shards);
    return true;
}

/* "per_tensor_affine(scale=0.5, zero_point=3)": what makes numbers of the integers. */
static bool get_quantised(const struct wfs_session *session, const struct wfs_plan *plan,
                          const struct wfs_target *target, struct wfs_buf *out)
{
    (void)plan;
    const struct wfs_quantised *q =
        target->n_sources == 1 ? session->catalog->tensors[target->sources[0]].quantised : NULL;
    if (q)
        wfs_buf_str(out, q->text);
    return q != NULL;
}

static const struct xattr xattrs[] = {
    {"name", get_name},           {"dtype", get_dtype},           {"shape", get_shape},
    {"source", get_source},       {"operations", get_operations}, {"sharding", get_sharding},
    {"quantised", get_quantised},
};

int wfs_tree_xattr(const struct wfs_tree *tree, uint32_t index, const char *name,
                   struct wfs_buf *out, struct wfs_error *err)
{
    const struct wfs_node *node = &tree->nodes[index];
    size_t prefix = strlen(XATTR_PREFIX);
    if (node->kind != WFS_NODE_TENSOR || strncmp(name, XATTR_PREFIX, prefix) != 0)
        return -ENODATA;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(xattrs); i++) {
        if (strcmp(xattrs[i].name, name + prefix) != 0)
            continue;
        if (!xattrs[i].get(tree->session, tree->session->plans[node->plan], node->payload, out))
            return -ENODATA;
        return wfs_buf_ok(out) ? 0 : wfs_error_nomem(err, "an attribute");
    }
    return -ENODATA;
}

void wfs_tree_xattr_list(const struct wfs_tree *tree, uint32_t index, struct wfs_buf *out)
{
    const struct wfs_node *node = &tree->nodes[index];
    if (node->kind != WFS_NODE_TENSOR)
        return;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(xattrs); i++) {
        struct wfs_buf value wfs_cleanup(wfs_buf_free) = {0};
        if (!xattrs[i].get(tree->session, tree->session->plans[node->plan], node->payload, &value))
            continue;
        wfs_buf_str(out, XATTR_PREFIX);
        wfs_buf_add(out, xattrs[i].name, strlen(xattrs[i].name) + 1);
    }
}
