/*
 * torch_storage.c - storages of PyTorch files: what a persistent id names.
 *
 *     ('storage', torch.FloatStorage, '0', 'cpu', 15)                     ZIP
 *     ('storage', torch.FloatStorage, '0', 'cpu', 15, None)               legacy
 *     ('storage', torch.FloatStorage, '0', 'cpu', 15, ('1', 5, 10))       legacy: elements 5..14
 *
 * Invariant: a key has one storage, the one of the first id that names it, as torch has it; a
 * later id that says something else is reported. A storage whose bytes are fewer than declared is
 * never read from.
 */
#include "source/torch/torch_storage.h"

#include <stdlib.h>
#include <string.h>

#define TORCH_MAX_STORAGE_BYTES (UINT64_C(1) << 56)

/* The class of an id: a typed storage of the dtype table, or the untyped one. */
static const char *read_class(const struct wfs_node *cls, struct wfs_torch_storage *s)
{
    s->dtype = WFS_U8;
    if (!cls || cls->kind != WFS_NODE_GLOBAL || cls->global_kind != WFS_GLOBAL_TORCH_STORAGE)
        return "its storage class is none of torch's";
    const char *name = cls->global->name;
    s->is_untyped = strcmp(name, "UntypedStorage") == 0 || strcmp(name, "_UntypedStorage") == 0;
    if (!s->is_untyped && !wfs_dtype_by_torch_storage(name, &s->dtype))
        return "its storage has an element type that is not supported";
    return NULL;
}

static int refuse_id(struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: a persistent id %s", t->name, what);
}

/* The declared storage of an id tuple. */
static int parse_id(struct wfs_torch *t, const struct wfs_node *id, struct wfs_torch_storage *ret,
                    struct wfs_error *err)
{
    uint64_t numel, n_bits;
    const struct wfs_node *key = wfs_node_item(id, 2);
    if (!id || id->kind != WFS_NODE_TUPLE || id->n < 5 || !wfs_node_is_str(id->items[0], "storage"))
        return refuse_id(t, err, "that is not ('storage', class, key, location, numel)");
    if (!wfs_node_text(key) || strlen(key->str->data) != key->str->len)
        return refuse_id(t, err, "whose key is no text");
    if (!wfs_node_u64(id->items[4], &numel))
        return refuse_id(t, err, "whose size is no number of elements");
    *ret = (struct wfs_torch_storage){.key = key->str->data};
    ret->why = read_class(id->items[1], ret);
    if (!wfs_mul_u64(numel, wfs_dtype_bits(ret->dtype), &n_bits) ||
        n_bits / 8 > TORCH_MAX_STORAGE_BYTES)
        return refuse_id(t, err, "whose size overflows");
    ret->size_bytes = n_bits / 8;
    ret->is_swapped = t->is_big_endian && !ret->is_untyped;
    return 0;
}

static int add_storage(struct wfs_torch *t, const struct wfs_torch_storage *storage,
                       struct wfs_torch_storage **ret, struct wfs_error *err)
{
    struct wfs_torch_storage *own = wfs_arena_memdup(t->scratch, storage, sizeof(*storage));
    if (!own || wfs_grow(&t->storage, &t->cap_storages, t->n_storages + 1, sizeof(*t->storage)) ||
        wfs_strmap_add(&t->storages, own->key, t->n_storages))
        return wfs_error_nomem(err, "the list of storages");
    t->storage[t->n_storages++] = own;
    *ret = own;
    return 0;
}

/* (key, offset, numel) of a legacy view, in elements of the storage's type. */
static int read_view(struct wfs_torch *t, const struct wfs_node *id,
                     const struct wfs_torch_storage *s, uint64_t *ret_off, uint64_t *ret_size,
                     struct wfs_error *err)
{
    const struct wfs_node *view = wfs_node_item(id, 5);
    uint64_t off, n, width = wfs_dtype_bits(s->dtype) / 8, end;
    *ret_off = 0;
    *ret_size = s->size_bytes;
    if (!view || view->kind == WFS_NODE_NONE)
        return 0;
    if (!wfs_node_u64(wfs_node_item(view, 1), &off) || !wfs_node_u64(wfs_node_item(view, 2), &n) ||
        !wfs_mul_u64(off, width, &off) || !wfs_mul_u64(n, width, &n) || !wfs_add_u64(off, n, &end))
        return refuse_id(t, err, "with a view that is none");
    if (end > s->size_bytes)
        return refuse_id(t, err, "with a view beyond its storage");
    *ret_off = off;
    *ret_size = n;
    return 0;
}

int wfs_torch_storage_of(struct wfs_torch *t, const struct wfs_node *persid,
                         struct wfs_torch_storage **ret, uint64_t *ret_off_bytes,
                         uint64_t *ret_size_bytes, struct wfs_error *err)
{
    struct wfs_torch_storage said, *storage = NULL;
    uint64_t known;
    if (!persid || persid->kind != WFS_NODE_PERSID)
        return wfs_error_set(err, EINVAL, "%s: a tensor whose storage is no persistent id",
                             t->name);
    const struct wfs_node *id = persid->items[0];
    int r = parse_id(t, id, &said, err);
    if (r)
        return r;
    if (wfs_strmap_get(&t->storages, said.key, &known)) {
        storage = t->storage[known];
        if (storage->dtype != said.dtype || storage->size_bytes != said.size_bytes ||
            storage->is_untyped != said.is_untyped)
            wfs_catalog_note(t->catalog, WFS_NOTE_WARNING, t->name,
                             "storage '%s' is named with two types or sizes; the first counts",
                             said.key);
    } else {
        r = add_storage(t, &said, &storage, err);
    }
    if (!r)
        r = read_view(t, id, storage, ret_off_bytes, ret_size_bytes, err);
    if (!r)
        *ret = storage;
    return r;
}

void wfs_torch_storage_place(struct wfs_torch *t, struct wfs_torch_storage *storage,
                             struct wfs_bytes *bytes, uint64_t off, uint64_t size_bytes)
{
    if (size_bytes < storage->size_bytes) {
        storage->why = wfs_arena_printf(
            t->scratch, "its storage '%s' has %llu bytes, %llu are declared", storage->key,
            (unsigned long long)size_bytes, (unsigned long long)storage->size_bytes);
        if (!storage->why)
            storage->why = "its storage is shorter than declared";
        return;
    }
    if (size_bytes > storage->size_bytes)
        wfs_catalog_note(t->catalog, WFS_NOTE_WARNING, t->name,
                         "storage '%s' has %llu bytes, %llu are declared; the rest is not shown",
                         storage->key, (unsigned long long)size_bytes,
                         (unsigned long long)storage->size_bytes);
    storage->bytes = bytes;
    storage->off = off;
}
