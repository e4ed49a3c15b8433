/*
 * dcp_state.c - the state dict of a DCP folder as it was nested when it was saved: dicts along the
 * paths of planner_data, whose leaves are persistent ids (tensors, by their row of
 * state_dict_metadata) and the plain objects that have items of their own.
 */
#include "source/sharded/dcp_state.h"

#include <string.h>

#include "source/torch/torch.h"
#include "source/torch/torch_zip.h"

/* ---- the state dict ------------------------------------------------------------------------ */

static int put(struct wfs_dcp *d, struct wfs_node *dict, const char *key,
               const struct wfs_node *value, struct wfs_error *err)
{
    uint32_t room = 8;
    while (room < dict->n)
        room *= 2;
    struct wfs_node *text = wfs_torch_text(&d->t, key);
    if (dict->n == 0 || dict->n == room) {
        uint32_t cap = dict->n ? 2 * room : room;
        struct wfs_node **items =
            wfs_arena_array(d->t.scratch, 2 * (size_t)cap, sizeof(struct wfs_node *));
        if (items && dict->n)
            memcpy(items, dict->items, 2 * (size_t)dict->n * sizeof(struct wfs_node *));
        dict->items = items;
    }
    if (!text || !dict->items)
        return wfs_error_nomem(err, "a state dict");
    dict->items[2 * (size_t)dict->n] = text;
    dict->items[2 * (size_t)dict->n + 1] = (struct wfs_node *)value;
    dict->n++;
    return 0;
}

/* Finds the dict at a path of the state dict; where it is not there yet it is made, with those
 * above it. */
static int find_dict(struct wfs_dcp *d, const char *path, struct wfs_node **ret,
                     struct wfs_error *err)
{
    uint64_t known;
    if (wfs_strmap_get(&d->dicts, path, &known)) {
        *ret = (struct wfs_node *)(uintptr_t)known;
        return *ret ? 0 : wfs_dcp_refuse(d, err, "a value on the path of another");
    }
    const char *last = strrchr(path, WFS_SEP);
    struct wfs_node *parent = NULL, *dict = wfs_torch_node(&d->t, WFS_NODE_DICT);
    const char *above = last ? wfs_arena_strndup(d->t.scratch, path, (size_t)(last - path)) : "";
    if (!dict || !above)
        return wfs_error_nomem(err, "a state dict");
    int r = *path ? find_dict(d, above, &parent, err) : 0;
    if (!r && parent)
        r = put(d, parent, last ? last + 1 : path, dict, err);
    if (!r && wfs_strmap_add(&d->dicts, path, (uint64_t)(uintptr_t)dict))
        r = wfs_error_nomem(err, "a state dict");
    if (!r)
        *ret = dict;
    return r;
}

/* Takes a path for a value: no other value may have it, and nothing may lie below it. */
static int take_path(struct wfs_dcp *d, const char *above, const char *key, struct wfs_error *err)
{
    const char *path =
        above ? wfs_arena_printf(d->t.scratch, "%s" WFS_SEP_STR "%s", above, key) : key;
    int r = path ? wfs_strmap_add(&d->dicts, path, 0) : -ENOMEM;
    if (r == -EEXIST)
        return wfs_dcp_refuse(d, err, "two values of one path");
    return r ? wfs_error_nomem(err, "a state dict") : 0;
}

#define DCP_MAX_DEPTH 64

/* Puts a value where planner_data says that its name lies, or at the top under the name itself. */
static int place(struct wfs_dcp *d, const char *name, const struct wfs_node *value,
                 struct wfs_error *err)
{
    uint64_t found = 0;
    const struct wfs_node *path =
        wfs_strmap_get(&d->paths, name, &found) ? (const struct wfs_node *)(uintptr_t)found : NULL;
    wfs_cleanup(wfs_buf_free) struct wfs_buf above = {0}, key = {0};
    struct wfs_node *dict = NULL;
    uint32_t n = path && path->kind == WFS_NODE_TUPLE ? path->n : 0;
    if (n > DCP_MAX_DEPTH)
        return wfs_dcp_refuse(d, err, "a path of more than 64 keys");
    for (uint32_t i = 0; i < n; i++) {
        int64_t number;
        const char *text = wfs_node_text(path->items[i]);
        struct wfs_buf *out = i + 1 < n ? &above : &key;
        if (i && i + 1 < n)
            wfs_buf_char(out, WFS_SEP);
        if (text)
            wfs_buf_str(out, text);
        else if (wfs_node_i64(path->items[i], &number))
            wfs_buf_printf(out, "%lld", (long long)number);
        else
            return wfs_dcp_refuse(d, err, "a path of keys that are no names");
    }
    if (above.failed || key.failed)
        return wfs_error_nomem(err, "a state dict");
    const char *own = wfs_arena_strdup(d->t.scratch, n ? (key.len ? key.data : "") : name);
    const char *own_above = wfs_arena_strdup(d->t.scratch, above.len ? above.data : "");
    if (!own || !own_above)
        return wfs_error_nomem(err, "a state dict");
    int r = find_dict(d, own_above, &dict, err);
    if (!r)
        r = take_path(d, n > 1 ? own_above : NULL, own, err);
    return r ? r : put(d, dict, own, value, err);
}

static int make_tensor_node(struct wfs_dcp *d, uint32_t row, const struct wfs_node **ret,
                            struct wfs_error *err)
{
    struct wfs_node *node = wfs_torch_node(&d->t, WFS_NODE_PERSID);
    struct wfs_node *number = wfs_torch_int(&d->t, row);
    if (!node || !number ||
        !(node->items = wfs_arena_array(d->t.scratch, 1, sizeof(struct wfs_node *))))
        return wfs_error_nomem(err, "a state dict");
    node->items[0] = number;
    node->n = 1;
    node->is_mapped = true;
    *ret = node;
    return 0;
}

/* Reads a plain value, which is an object of its own in a file. One that cannot be read is noted,
 * and is None. */
static int make_object_node(struct wfs_dcp *d, const char *name, const struct wfs_node **ret,
                            struct wfs_error *err)
{
    const struct wfs_dcp_item *item;
    struct wfs_dcp_file file = {0};
    struct wfs_error why = {0};
    int r = wfs_dcp_find_item(d, name, NULL, &item, &why);
    if (!r && !item)
        r = wfs_error_set(&why, EINVAL, "it is stored nowhere");
    if (!r)
        r = wfs_dcp_open_file(d, item->path, &file, &why);
    if (!r && file.safetensors)
        r = wfs_error_set(&why, EINVAL, "an object in a safetensors file");
    if (!r)
        r = wfs_torch_zip_object(&d->t, file.file, item->off, item->len, ret, &why);
    if (!r || !wfs_torch_is_refusal(r))
        return r ? wfs_error_set(err, -r, "%s", why.message) : 0;
    wfs_catalog_note(d->t.catalog, WFS_NOTE_WARNING, name, "its value is not shown: %s",
                     why.message);
    *ret = wfs_torch_node(&d->t, WFS_NODE_NONE);
    return *ret ? 0 : wfs_error_nomem(err, "a state dict");
}

int wfs_dcp_build_state_dict(struct wfs_dcp *d, struct wfs_error *err)
{
    struct wfs_node *root = NULL;
    int r = find_dict(d, "", &root, err);
    for (uint32_t i = 0; !r && i < d->tensors->n; i++) {
        const struct wfs_node *key = d->tensors->items[2 * (size_t)i], *value = NULL;
        const struct wfs_node *metadata = d->tensors->items[2 * (size_t)i + 1];
        const char *name = wfs_node_text(key);
        if (!name || strlen(name) != key->str->len)
            return wfs_dcp_refuse(d, err, "a name that is none");
        if (wfs_dcp_is_class(metadata, "TensorStorageMetadata"))
            r = make_tensor_node(d, i, &value, err);
        else if (wfs_dcp_is_class(metadata, "BytesStorageMetadata"))
            r = make_object_node(d, name, &value, err);
        else
            r = wfs_dcp_refuse(d, err, "a value that is neither a tensor nor bytes");
        if (!r)
            r = place(d, name, value, err);
    }
    d->t.pickle.root = root;
    d->t.pickle.n_nodes += 4 * d->tensors->n;
    return r;
}
