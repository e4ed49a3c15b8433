/*
 * node.c - reading nodes. Every function takes NULL and nodes of any kind, so that a reader asks for
 * what it expects and checks the answer once.
 */
#include "source/torch/pickle/node.h"

#include <string.h>

const char *wfs_node_text(const struct wfs_node *node)
{
    return node && node->kind == WFS_NODE_STR ? node->str->data : NULL;
}

bool wfs_node_is_str(const struct wfs_node *node, const char *s)
{
    const char *text = wfs_node_text(node);
    return text && node->str->len == strlen(s) && memcmp(text, s, node->str->len) == 0;
}

bool wfs_node_i64(const struct wfs_node *node, int64_t *ret)
{
    if (!node || (node->kind != WFS_NODE_INT && node->kind != WFS_NODE_BOOL))
        return false;
    *ret = node->i;
    return true;
}

bool wfs_node_u64(const struct wfs_node *node, uint64_t *ret)
{
    int64_t value;
    if (!wfs_node_i64(node, &value) || value < 0)
        return false;
    *ret = (uint64_t)value;
    return true;
}

const struct wfs_node *wfs_node_item(const struct wfs_node *node, uint32_t i)
{
    bool is_list = node && (node->kind == WFS_NODE_TUPLE || node->kind == WFS_NODE_LIST);
    return is_list && i < node->n ? node->items[i] : NULL;
}

const struct wfs_node *wfs_node_get(const struct wfs_node *node, const char *key)
{
    if (!node || node->kind != WFS_NODE_DICT)
        return NULL;
    for (size_t i = node->n; i-- > 0;)
        if (wfs_node_is_str(node->items[2 * i], key))
            return node->items[2 * i + 1];
    return NULL;
}
