/*
 * torch.c - one PyTorch file while it is read: its state, and nodes of our own, which stand for what
 * the pickle would have made of others.
 */
#include "source/torch/torch.h"

#include <stdlib.h>
#include <string.h>

int wfs_torch_init(struct wfs_torch *t, struct wfs_catalog *catalog, uint32_t file,
                   const struct wfs_source_options *options, struct wfs_error *err)
{
    *t = (struct wfs_torch){.catalog = catalog,
                            .file = file,
                            .options = options,
                            .name = catalog->files[file].name,
                            .scratch = wfs_arena_new()};
    return t->scratch ? 0 : wfs_error_nomem(err, "a PyTorch file");
}

void wfs_torch_close(struct wfs_torch *t)
{
    wfs_strmap_free(&t->storages);
    wfs_strmap_free(&t->views);
    free(t->storage);
    wfs_arena_freep(&t->scratch);
}

int wfs_torch_note_dangers(struct wfs_torch *t, const struct wfs_pickle *pickle,
                           struct wfs_error *err)
{
    for (uint32_t i = 0; i < pickle->n_dangers; i++)
        wfs_catalog_note(t->catalog, WFS_NOTE_DANGER, t->name,
                         "the pickle names %s at byte %llu, which attacks call; nothing was run, "
                         "but torch.load(weights_only=False) would run it",
                         pickle->dangers[i].name, (unsigned long long)pickle->dangers[i].file_off);
    if (pickle->n_dangers && t->options && t->options->strict)
        return wfs_error_set(
            err, EINVAL, "%s: the pickle names %s at byte %llu, which attacks call", t->name,
            pickle->dangers[0].name, (unsigned long long)pickle->dangers[0].file_off);
    return 0;
}

/* ---- nodes of our own ---------------------------------------------------------------------- */

struct wfs_node *wfs_torch_node(struct wfs_torch *t, enum wfs_node_kind kind)
{
    struct wfs_node *node = wfs_arena_alloc(t->scratch, sizeof(*node));
    if (node)
        node->kind = (uint8_t)kind;
    return node;
}

struct wfs_node *wfs_torch_int(struct wfs_torch *t, int64_t value)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_INT);
    if (node)
        node->i = value;
    return node;
}

struct wfs_node *wfs_torch_text(struct wfs_torch *t, const char *text)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_STR);
    struct wfs_node_str *str = wfs_arena_alloc(t->scratch, sizeof(*str));
    if (!node || !str)
        return NULL;
    *str = (struct wfs_node_str){.data = text, .len = strlen(text)};
    node->str = str;
    return node;
}

struct wfs_node *wfs_torch_tuple(struct wfs_torch *t, uint32_t n,
                                 const struct wfs_node *const *items)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_TUPLE);
    struct wfs_node **own = wfs_arena_array(t->scratch, n ? n : 1, sizeof(struct wfs_node *));
    if (!node || !own)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!items[i])
            return NULL;
        own[i] = (struct wfs_node *)items[i];
    }
    node->items = own;
    node->n = n;
    return node;
}

/* A DICT of n parts; parts that are NULL are left out. */
int wfs_torch_parts(struct wfs_torch *t, size_t n, const char *const *names,
                    const struct wfs_node *const *parts, const struct wfs_node **ret,
                    struct wfs_error *err)
{
    struct wfs_node *dict = wfs_torch_node(t, WFS_NODE_DICT);
    if (dict)
        dict->items = wfs_arena_array(t->scratch, 2 * n, sizeof(struct wfs_node *));
    if (!dict || !dict->items)
        return wfs_error_nomem(err, "a tensor of parts");
    for (size_t i = 0; i < n; i++) {
        if (!parts[i])
            continue;
        struct wfs_node *name = wfs_torch_text(t, names[i]);
        if (!name)
            return wfs_error_nomem(err, "a tensor of parts");
        dict->items[2 * (size_t)dict->n] = name;
        dict->items[2 * (size_t)dict->n + 1] = (struct wfs_node *)parts[i];
        dict->n++;
    }
    *ret = dict;
    return 0;
}
