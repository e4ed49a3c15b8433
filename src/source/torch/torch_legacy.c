/*
 * torch_legacy.c - PyTorch's legacy stream (before 1.6, and _use_new_zipfile_serialization=False).
 *
 *     pickle 0x1950a86a20f9469cfc6c      magic, of any protocol
 *     pickle 1001                        protocol
 *     pickle {'little_endian': ...}      the writer's machine; the data is little-endian anyway
 *     pickle OBJECT                      persistent ids name storages by key
 *     pickle [key, ...]
 *     i64le n_elems, bytes               per key, in the list's order
 *
 * Where a storage lies follows from the sizes of those before it, so the whole list is passed over
 * here (the data is skipped, not read). A file that ends early shows the tensors of the storages
 * that are there whole. A key that the object never names has no type, hence no size: refused.
 */
#include <stdlib.h>
#include <string.h>

#include "source/torch/objects.h"
#include "source/torch/torch_storage.h"

/* The magic's pickle: PROTO n from 2 on, FRAME from 4 on; protocols 0 and 1 have it in digits. */
static const uint8_t magic_number[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                       0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
static const uint8_t magic_frame[] = {0x95, sizeof(magic_number), 0, 0, 0, 0, 0, 0, 0};
static const char magic_text[] = "L119547037146038801333356L\n.";
#define LEGACY_PROTOCOL   1001
#define LEGACY_HASH_BYTES (1u << 16)

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

static int next_pickle(struct wfs_torch *t, struct wfs_pickle *ret, struct wfs_error *err)
{
    int r = wfs_pickle_parse(t->scratch, t->format, ret, err);
    return r ? r : wfs_torch_note_dangers(t, ret, err);
}

static int read_frame(struct wfs_torch *t, struct wfs_error *err)
{
    struct wfs_pickle pickle;
    int64_t protocol;
    int r = next_pickle(t, &pickle, err); /* the probe has compared the magic */
    if (!r)
        r = next_pickle(t, &pickle, err);
    if (r)
        return r;
    if (!wfs_node_i64(pickle.root, &protocol) || protocol != LEGACY_PROTOCOL)
        return refuse(t, err, "a legacy stream whose protocol is not 1001");
    r = next_pickle(t, &pickle, err);
    if (!r && pickle.root->kind != WFS_NODE_DICT)
        r = refuse(t, err, "a legacy stream without the writer's facts");
    return r;
}

/* Declares the storages of every persistent id; the others refuse their tensors later. */
static int declare_storages(struct wfs_torch *t, struct wfs_error *err)
{
    for (uint32_t i = 0; i < t->pickle.n_persids; i++) {
        struct wfs_torch_storage *storage;
        struct wfs_error why = {0};
        uint64_t off, size;
        int r = wfs_torch_storage_of(t, t->pickle.persids[i], &storage, &off, &size, &why);
        if (r && !wfs_torch_is_refusal(r))
            return wfs_error_set(err, -r, "%s", why.message);
    }
    return 0;
}

static int storage_of_key(struct wfs_torch *t, const struct wfs_node *key,
                          struct wfs_torch_storage **ret, struct wfs_error *err)
{
    uint64_t i;
    const char *text = wfs_node_text(key);
    if (!text)
        return refuse(t, err, "a storage key that is no text");
    if (!wfs_strmap_get(&t->storages, text, &i))
        return wfs_error_set(err, EINVAL, "%s: storage '%.64s' is listed, but no tensor names it",
                             t->name, text);
    if (t->storage[i]->bytes)
        return wfs_error_set(err, EINVAL, "%s: storage '%.64s' is listed twice", t->name, text);
    *ret = t->storage[i];
    return 0;
}

/* Takes the storage at the cursor; *ret_cut where the file ends inside it. */
static int place_storage(struct wfs_torch *t, struct wfs_torch_storage *s, bool *ret_cut,
                         struct wfs_error *err)
{
    struct wfs_cursor *cur = t->format;
    uint64_t n_elems, size, left;
    *ret_cut = wfs_cursor_left(cur) < 8;
    if (*ret_cut)
        return 0;
    int r = wfs_cursor_u64le(cur, &n_elems, err);
    if (r)
        return r;
    if (!wfs_mul_u64(n_elems, wfs_dtype_bits(s->dtype) / 8, &size))
        return refuse(t, err, "a storage whose size overflows");
    left = wfs_cursor_left(cur);
    *ret_cut = size > left;
    wfs_torch_storage_place(t, s, cur->bytes, cur->pos, wfs_min_u64(size, left));
    return wfs_cursor_skip(cur, wfs_min_u64(size, left), err);
}

static int place_storages(struct wfs_torch *t, const struct wfs_node *keys, struct wfs_error *err)
{
    bool is_cut = false;
    for (uint32_t i = 0; i < keys->n; i++) {
        struct wfs_torch_storage *storage = NULL;
        int r = storage_of_key(t, keys->items[i], &storage, err);
        if (!r && is_cut)
            storage->why = "its storage lies beyond the end of the file, which is cut off";
        if (!r && !is_cut) {
            r = storage->why ? refuse(t, err, storage->why)
                             : place_storage(t, storage, &is_cut, err);
            if (is_cut && !storage->bytes && !storage->why)
                storage->why = "its storage lies beyond the end of the file, which is cut off";
        }
        if (r)
            return r;
    }
    return 0;
}

static int locate(struct wfs_torch *t, struct wfs_torch_storage *storage, struct wfs_error *err)
{
    (void)t;
    (void)err;
    storage->why = "its storage is not in the stream";
    return 0;
}

/* Makes a hash of everything before the first storage a part of the file's identity. */
static int hash_header(struct wfs_torch *t, uint64_t len, struct wfs_error *err)
{
    struct wfs_cursor *cur = t->format;
    struct wfs_hash chain = {{0}};
    wfs_cleanup(wfs_freep) uint8_t *buf = malloc(LEGACY_HASH_BYTES + sizeof(chain));
    if (!buf)
        return wfs_error_nomem(err, "a PyTorch file");
    for (uint64_t at = 0; at < len; at += LEGACY_HASH_BYTES) {
        size_t n = (size_t)wfs_min_u64(LEGACY_HASH_BYTES, len - at);
        memcpy(buf, chain.bytes, sizeof(chain));
        int r = wfs_bytes_read(cur->bytes, buf + sizeof(chain), n, at, err);
        if (r)
            return r;
        chain = wfs_hash_bytes(buf, n + sizeof(chain));
    }
    wfs_bytes_mix_id(cur->bytes, &chain);
    return 0;
}

static int scan_stream(struct wfs_torch *t, struct wfs_error *err)
{
    struct wfs_cursor *cur = t->format;
    struct wfs_pickle keys;
    int r = wfs_cursor_init(cur, t->pickle_bytes, 0, t->pickle_bytes->size_bytes, err);
    if (!r)
        r = read_frame(t, err);
    if (!r)
        r = wfs_pickle_parse(t->scratch, cur, &t->pickle, err);
    if (!r)
        r = declare_storages(t, err);
    if (!r)
        r = next_pickle(t, &keys, err);
    if (!r && keys.root->kind != WFS_NODE_LIST)
        r = refuse(t, err, "a legacy stream without its list of storages");
    if (!r)
        r = hash_header(t, cur->pos, err);
    if (!r)
        r = place_storages(t, keys.root, err);
    if (!r && wfs_cursor_left(cur) && keys.root->n)
        wfs_catalog_note(t->catalog, WFS_NOTE_WARNING, t->name,
                         "%llu bytes after its last storage are not read",
                         (unsigned long long)wfs_cursor_left(cur));
    return r ? r : wfs_torch_catalog(t, err);
}

static int torch_legacy_scan(struct wfs_catalog *catalog, uint32_t file,
                             const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_torch t;
    int r = wfs_torch_init(&t, catalog, file, options, err);
    if (!r && !(t.format = wfs_arena_alloc(t.scratch, sizeof(struct wfs_cursor))))
        r = wfs_error_nomem(err, "a PyTorch file");
    t.locate = locate;
    t.pickle_bytes = catalog->files[file].bytes;
    if (!r)
        r = scan_stream(&t, err);
    wfs_torch_close(&t);
    return r;
}

static bool starts_with(const uint8_t *head, size_t len, const void *with, size_t n)
{
    return len >= n && memcmp(head, with, n) == 0;
}

static bool torch_legacy_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    (void)size_bytes;
    if (starts_with(head, len, magic_text, sizeof(magic_text) - 1))
        return true;
    if (len < 2 || head[0] != 0x80 || head[1] < 2 || head[1] > 5)
        return false;
    size_t at = 2;
    if (head[1] >= 4 && starts_with(head + at, len - at, magic_frame, sizeof(magic_frame)))
        at += sizeof(magic_frame);
    else if (head[1] >= 4)
        return false;
    return starts_with(head + at, len - at, magic_number, sizeof(magic_number));
}

const struct wfs_format wfs_format_torch_legacy = {
    .name = "torch-legacy",
    .sep = '.',
    .probe = torch_legacy_probe,
    .scan = torch_legacy_scan,
};
