/*
 * torch_tar.c - PyTorch's oldest files, tar archives (before 0.1.10).
 *
 *     sys_info   a pickle, optional
 *     pickle     the object; a persistent id is the number of a tensor or storage, as text
 *     storages   pickle n; n x [pickle (key, location, type), i64le n_elems, bytes];
 *                pickle [(target, root, offset, n_elems), ...]: storages that are parts of others
 *     tensors    pickle n; n x [pickle (key, storage key, type), i32le ndim, 4 bytes,
 *                i64le sizes[ndim], i64le strides[ndim], i64le offset]
 *
 * Every tensor becomes the call _rebuild_tensor(storage, offset, size, stride), so that the rest is
 * the same as for the newer formats. tar headers are 512 bytes (name, octal size, type), data is
 * padded to 512. Refused: members of the four names that are no regular files or are there twice.
 */
#include <stdlib.h>
#include <string.h>

#include "source/torch/objects.h"
#include "source/torch/torch_storage.h"

#define TAR_BLOCK       512u
#define TAR_MAX_MEMBERS 64u
#define TAR_MAX_ITEMS   (1u << 22)

enum { TAR_SYS_INFO, TAR_PICKLE, TAR_STORAGES, TAR_TENSORS, TAR_N_MEMBERS };
static const char *const member_names[TAR_N_MEMBERS] = {"sys_info", "pickle", "storages",
                                                        "tensors"};

struct torch_tar {
    struct {
        bool is_there;
        uint64_t off, size_bytes;
    } members[TAR_N_MEMBERS];
    struct wfs_strmap objects; /* key -> struct wfs_node *: a tensor's call or a storage's id */
    struct wfs_cursor cur;
};

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

/* ---- the archive --------------------------------------------------------------------------- */

/* Octal digits, or base 256 after 0x80. */
static bool parse_size(const uint8_t *field, uint64_t *ret)
{
    uint64_t v = 0;
    if (field[0] == 0x80) {
        for (int i = 4; i < 12; i++)
            v = v << 8 | field[i];
        *ret = v;
        return !(field[1] | field[2] | field[3]);
    }
    for (int i = 0; i < 12 && field[i] && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7')
            return false;
        v = v << 3 | (uint64_t)(field[i] - '0');
    }
    *ret = v;
    return true;
}

static int member_index(const uint8_t *header)
{
    char name[101] = {0};
    memcpy(name, header, 100);
    const char *bare = strncmp(name, "./", 2) == 0 ? name + 2 : name;
    for (int i = 0; i < TAR_N_MEMBERS; i++)
        if (strcmp(bare, member_names[i]) == 0)
            return i;
    return -1;
}

static int read_members(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    struct wfs_bytes *bytes = t->pickle_bytes;
    uint8_t header[TAR_BLOCK];
    uint64_t off = 0, size;
    for (uint32_t n = 0; n < TAR_MAX_MEMBERS; n++) {
        if (bytes->size_bytes - off < TAR_BLOCK)
            return 0;
        int r = wfs_bytes_read(bytes, header, sizeof(header), off, err);
        if (r || header[0] == 0)
            return r;
        if (!parse_size(header + 124, &size) || size > bytes->size_bytes - off - TAR_BLOCK)
            return wfs_error_set(err, EINVAL, "%s: tar header at byte %llu: a size beyond the file",
                                 t->name, (unsigned long long)off);
        int i = member_index(header);
        if (i >= 0 && (tar->members[i].is_there || (header[156] != '0' && header[156] != 0)))
            return wfs_error_set(err, EINVAL, "%s: tar member '%s' is ambiguous", t->name,
                                 member_names[i]);
        if (i >= 0) {
            tar->members[i].is_there = true;
            tar->members[i].off = off + TAR_BLOCK;
            tar->members[i].size_bytes = size;
        }
        size = wfs_round_up_u64(size, TAR_BLOCK);
        off += TAR_BLOCK + wfs_min_u64(size, bytes->size_bytes - off - TAR_BLOCK);
    }
    return 0;
}

static int open_member(struct wfs_torch *t, int member, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    if (!tar->members[member].is_there)
        return wfs_error_set(err, EINVAL, "%s: a tar archive without '%s': none of torch's",
                             t->name, member_names[member]);
    return wfs_cursor_init(&tar->cur, t->pickle_bytes, tar->members[member].off,
                           tar->members[member].size_bytes, err);
}

static int next_pickle(struct wfs_torch *t, struct wfs_pickle *ret, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    int r = wfs_pickle_parse(t->scratch, &tar->cur, ret, err);
    return r ? r : wfs_torch_note_dangers(t, ret, err);
}

/* The number of items that a member holds, and its first item. */
static int read_count(struct wfs_torch *t, int member, uint64_t *ret, struct wfs_error *err)
{
    struct wfs_pickle pickle;
    int r = open_member(t, member, err);
    if (!r)
        r = next_pickle(t, &pickle, err);
    if (!r && (!wfs_node_u64(pickle.root, ret) || *ret > TAR_MAX_ITEMS))
        r = wfs_error_set(err, EINVAL, "%s: '%s' does not begin with a count", t->name,
                          member_names[member]);
    return r;
}

/* ---- objects by number --------------------------------------------------------------------- */

/* A key as text; keys are numbers, and persistent ids are their digits. */
static const char *key_text(struct wfs_torch *t, const struct wfs_node *key)
{
    int64_t number;
    if (wfs_node_i64(key, &number))
        return wfs_arena_printf(t->scratch, "%lld", (long long)number);
    return wfs_node_text(key);
}

static int add_object(struct wfs_torch *t, const char *key, const struct wfs_node *node,
                      struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    int r = wfs_strmap_add(&tar->objects, key, (uint64_t)(uintptr_t)node);
    if (r == -EEXIST)
        return wfs_error_set(err, EINVAL, "%s: number %.64s is there twice", t->name, key);
    return r ? wfs_error_nomem(err, "a PyTorch file") : 0;
}

static const struct wfs_node *find_object(struct wfs_torch *t, const char *key)
{
    struct torch_tar *tar = t->format;
    uint64_t node;
    return key && wfs_strmap_get(&tar->objects, key, &node)
               ? (const struct wfs_node *)(uintptr_t)node
               : NULL;
}

static const struct wfs_node *resolve(struct wfs_torch *t, const struct wfs_node *persid)
{
    return find_object(t, wfs_node_text(persid->items[0]));
}

/* A persistent id as the newer formats have it. */
static struct wfs_node *storage_id(struct wfs_torch *t, const struct wfs_node *type,
                                   const char *key, uint64_t n_elems, const struct wfs_node *view)
{
    const struct wfs_node *items[] = {wfs_torch_text(t, "storage"),
                                      type,
                                      wfs_torch_text(t, key),
                                      wfs_torch_node(t, WFS_NODE_NONE),
                                      wfs_torch_int(t, (int64_t)n_elems),
                                      view};
    struct wfs_node *id = wfs_torch_tuple(t, view ? 6 : 5, items);
    struct wfs_node *node = id ? wfs_torch_node(t, WFS_NODE_PERSID) : NULL;
    if (!node || !(node->items = wfs_arena_array(t->scratch, 1, sizeof(struct wfs_node *))))
        return NULL;
    node->items[0] = id;
    node->n = 1;
    return node;
}

/* ---- storages ------------------------------------------------------------------------------ */

static int read_storage(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    struct wfs_pickle pickle;
    struct wfs_torch_storage *storage = NULL;
    uint64_t n_elems, off, size;
    int r = next_pickle(t, &pickle, err);
    if (!r)
        r = wfs_cursor_u64le(&tar->cur, &n_elems, err);
    if (r)
        return r;
    const char *key = key_text(t, wfs_node_item(pickle.root, 0));
    const struct wfs_node *type = wfs_node_item(pickle.root, 2);
    if (!key || !type || n_elems > INT64_MAX)
        return refuse(t, err, "a storage without key, type or size");
    struct wfs_node *id = storage_id(t, type, key, n_elems, NULL);
    if (!id)
        return wfs_error_nomem(err, "a PyTorch file");
    r = wfs_torch_storage_of(t, id, &storage, &off, &size, err);
    if (!r && storage->why)
        r = refuse(t, err, storage->why);
    if (!r && storage->size_bytes > wfs_cursor_left(&tar->cur))
        r = wfs_error_set(err, EINVAL, "%s: storage %s at byte %llu is cut off", t->name, key,
                          (unsigned long long)tar->cur.pos);
    if (r)
        return r;
    wfs_torch_storage_place(t, storage, t->pickle_bytes, tar->cur.pos, storage->size_bytes);
    r = wfs_cursor_skip(&tar->cur, storage->size_bytes, err);
    return r ? r : add_object(t, key, id, err);
}

/* (target, root, offset, n_elems): a part of a storage under a number of its own. */
static int read_part(struct wfs_torch *t, const struct wfs_node *part, struct wfs_error *err)
{
    const char *target = key_text(t, wfs_node_item(part, 0));
    const char *root = key_text(t, wfs_node_item(part, 1));
    const struct wfs_node *id = find_object(t, root);
    const struct wfs_node *view_items[] = {wfs_node_item(part, 0), wfs_node_item(part, 2),
                                           wfs_node_item(part, 3)};
    uint64_t n_elems;
    if (!target || !id || id->kind != WFS_NODE_PERSID || !view_items[1] || !view_items[2])
        return refuse(t, err, "a part of a storage that is not there");
    const struct wfs_node *tuple = id->items[0];
    if (tuple->n != 5 || !wfs_node_u64(tuple->items[4], &n_elems))
        return refuse(t, err, "a part of a part of a storage");
    struct wfs_node *view = wfs_torch_tuple(t, 3, view_items);
    struct wfs_node *own = view ? storage_id(t, tuple->items[1], root, n_elems, view) : NULL;
    return own ? add_object(t, target, own, err) : wfs_error_nomem(err, "a PyTorch file");
}

static int read_storages(struct wfs_torch *t, struct wfs_error *err)
{
    uint64_t n;
    struct wfs_pickle parts;
    int r = read_count(t, TAR_STORAGES, &n, err);
    for (uint64_t i = 0; !r && i < n; i++)
        r = read_storage(t, err);
    if (!r)
        r = next_pickle(t, &parts, err);
    if (!r && parts.root->kind != WFS_NODE_LIST)
        r = refuse(t, err, "'storages' without its list of parts");
    for (uint32_t i = 0; !r && i < parts.root->n; i++)
        r = read_part(t, parts.root->items[i], err);
    return r;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static int read_numbers(struct wfs_torch *t, uint32_t n, const struct wfs_node **ret,
                        struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    const struct wfs_node *items[WFS_MAX_NDIM];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t value;
        int r = wfs_cursor_u64le(&tar->cur, &value, err);
        if (r)
            return r;
        items[i] = wfs_torch_int(t, (int64_t)value);
    }
    *ret = wfs_torch_tuple(t, n, items);
    return *ret ? 0 : wfs_error_nomem(err, "a PyTorch file");
}

/* The call that makes a tensor of a storage. */
static int add_tensor(struct wfs_torch *t, const char *key, const struct wfs_node *id,
                      uint64_t offset, const struct wfs_node *size, const struct wfs_node *stride,
                      struct wfs_error *err)
{
    const struct wfs_node *args[] = {id, wfs_torch_int(t, (int64_t)offset), size, stride};
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_CALL);
    struct wfs_node_call *call = wfs_arena_alloc(t->scratch, sizeof(*call));
    if (!node || !call || !(call->args = wfs_torch_tuple(t, 4, args)))
        return wfs_error_nomem(err, "a PyTorch file");
    call->callee = id;
    node->call = call;
    node->global_kind = WFS_GLOBAL_REBUILD_TENSOR;
    return add_object(t, key, node, err);
}

static int read_tensor(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    struct wfs_pickle pickle;
    const struct wfs_node *size, *stride;
    uint32_t ndim, padding;
    uint64_t offset;
    int r = next_pickle(t, &pickle, err);
    if (!r)
        r = wfs_cursor_u32le(&tar->cur, &ndim, err);
    if (!r)
        r = wfs_cursor_u32le(&tar->cur, &padding, err);
    if (r)
        return r;
    const char *key = key_text(t, wfs_node_item(pickle.root, 0));
    const struct wfs_node *id = find_object(t, key_text(t, wfs_node_item(pickle.root, 1)));
    if (!key || !id || id->kind != WFS_NODE_PERSID)
        return refuse(t, err, "a tensor of a storage that is not there");
    if (ndim > WFS_MAX_NDIM)
        return refuse(t, err, "a tensor of more than 64 axes");
    r = read_numbers(t, ndim, &size, err);
    if (!r)
        r = read_numbers(t, ndim, &stride, err);
    if (!r)
        r = wfs_cursor_u64le(&tar->cur, &offset, err);
    return r ? r : add_tensor(t, key, id, offset, size, stride, err);
}

static int read_tensors(struct wfs_torch *t, struct wfs_error *err)
{
    uint64_t n;
    int r = read_count(t, TAR_TENSORS, &n, err);
    for (uint64_t i = 0; !r && i < n; i++)
        r = read_tensor(t, err);
    return r;
}

static int locate(struct wfs_torch *t, struct wfs_torch_storage *storage, struct wfs_error *err)
{
    (void)t;
    (void)err;
    storage->why = "its storage is not in the archive";
    return 0;
}

static int scan_archive(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_tar *tar = t->format;
    int r = read_members(t, err);
    if (!r)
        r = read_storages(t, err);
    if (!r)
        r = read_tensors(t, err);
    if (!r)
        r = open_member(t, TAR_PICKLE, err);
    if (!r)
        r = wfs_pickle_parse(t->scratch, &tar->cur, &t->pickle, err);
    return r ? r : wfs_torch_catalog(t, err);
}

static int torch_tar_scan(struct wfs_catalog *catalog, uint32_t file,
                          const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_torch t;
    int r = wfs_torch_init(&t, catalog, file, options, err);
    struct torch_tar *tar = r ? NULL : wfs_arena_alloc(t.scratch, sizeof(*tar));
    if (!r && !tar)
        r = wfs_error_nomem(err, "a PyTorch file");
    t.format = tar;
    t.locate = locate;
    t.resolve = resolve;
    t.pickle_bytes = catalog->files[file].bytes;
    if (!r)
        r = scan_archive(&t, err);
    if (tar)
        wfs_strmap_free(&tar->objects);
    wfs_torch_close(&t);
    return r;
}

static bool torch_tar_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    (void)size_bytes;
    return len >= TAR_BLOCK && memcmp(head + 257, "ustar", 5) == 0 && member_index(head) >= 0;
}

const struct wfs_format wfs_format_torch_tar = {
    .name = "torch-tar",
    .sep = '.',
    .probe = torch_tar_probe,
    .scan = torch_tar_scan,
};
