/*
 * msgpack_tree.c - groups paths into modules.
 *
 * A natural order does not keep a module's tensors together ("a/01/x", "a/1/y", "a/01/z"), so nodes
 * are found in a map, after a first look at the path before: neighbours share most
 * of their modules, and that look costs one comparison a component.
 */
#include "file/writers/msgpack_tree.h"

#include <string.h>

struct builder {
    struct wfs_arena *arena;
    struct wfs_strmap children;                                /* parent and component -> node */
    struct wfs_msgpack_node *chain[WFS_MSGPACK_MAX_DEPTH + 1]; /* nodes of the path before */
    size_t chain_len;
    uint32_t n_nodes; /* made so far, without the root */
};

static struct wfs_msgpack_node *append_child(struct builder *b, struct wfs_msgpack_node *parent,
                                             const char *key, size_t key_len)
{
    struct wfs_msgpack_node *node = wfs_arena_alloc(b->arena, sizeof(*node));
    if (!node)
        return NULL;
    *node = (struct wfs_msgpack_node){
        .key = key, .key_len = key_len, .entry = WFS_MSGPACK_MODULE, .number = ++b->n_nodes};
    if (parent->last_child)
        parent->last_child->next = node;
    else
        parent->first_child = node;
    parent->last_child = node;
    parent->n_children++;
    return node;
}

static bool chain_has(const struct builder *b, size_t depth, const char *key, size_t key_len)
{
    return depth < b->chain_len && b->chain[depth]->key_len == key_len &&
           memcmp(b->chain[depth]->key, key, key_len) == 0;
}

/* The key under which the map holds a child: its parent's number and its own component. With whole
 * prefixes for keys a hostile path would cost its length times its depth. */
#define PARENT_DIGITS 8
static char *child_key(struct wfs_arena *arena, const struct wfs_msgpack_node *parent,
                       const char *key, size_t key_len)
{
    char *text = wfs_arena_alloc(arena, PARENT_DIGITS + key_len + 1);
    if (!text)
        return NULL;
    snprintf(text, PARENT_DIGITS + 1, "%08x", parent->number);
    memcpy(text + PARENT_DIGITS, key, key_len);
    return text;
}

/* The child of `parent` for this component, found or made. */
static struct wfs_msgpack_node *child(struct builder *b, struct wfs_msgpack_node *parent,
                                      const char *key, size_t key_len)
{
    char *name = child_key(b->arena, parent, key, key_len);
    uint64_t found;
    if (!name)
        return NULL;
    if (wfs_strmap_get(&b->children, name, &found))
        return (struct wfs_msgpack_node *)(uintptr_t)found;
    struct wfs_msgpack_node *node = append_child(b, parent, key, key_len);
    if (!node || wfs_strmap_add(&b->children, name, (uintptr_t)node))
        return NULL;
    return node;
}

static int add_path(struct builder *b, struct wfs_msgpack_node *root, const char *path,
                    uint32_t entry)
{
    struct wfs_msgpack_node *node = root;
    bool shared = true; /* all components so far are those of the path before */
    size_t depth = 0;
    for (const char *key = path;; depth++) {
        const char *end = strchrnul(key, WFS_SEP);
        size_t key_len = (size_t)(end - key);
        if (depth >= WFS_MSGPACK_MAX_DEPTH)
            return -E2BIG;
        if (node->entry != WFS_MSGPACK_MODULE)
            return -EEXIST;
        shared = shared && chain_has(b, depth, key, key_len);
        if (!shared)
            b->chain_len = depth;
        node = shared ? b->chain[depth] : child(b, node, key, key_len);
        if (!node)
            return -ENOMEM;
        b->chain[depth] = node;
        if (!*end)
            break;
        key = end + 1;
    }
    b->chain_len = depth + 1;
    if (node->n_children > 0 || node->entry != WFS_MSGPACK_MODULE)
        return -EEXIST;
    node->entry = entry;
    return 0;
}

int wfs_msgpack_tree(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                     struct wfs_msgpack_node *ret_root, uint32_t *ret_conflict)
{
    struct builder *b = wfs_arena_alloc(arena, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->arena = arena;
    *ret_root = (struct wfs_msgpack_node){.entry = WFS_MSGPACK_MODULE};
    int r = 0;
    for (uint32_t i = 0; i < manifest->n && r == 0; i++) {
        *ret_conflict = i;
        r = add_path(b, ret_root, manifest->entries[i].path, i);
    }
    wfs_strmap_free(&b->children);
    return r;
}
