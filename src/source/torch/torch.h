/*
 * torch.h - what the readers of PyTorch files share: storages, tensors rebuilt from what a pickle
 * would have called, and the walk over the object that turns a checkpoint into a catalog.
 *
 * A reader (torch_zip.c, torch_legacy.c, torch_tar.c) parses its pickle, says where the bytes of a
 * storage lie (`locate`) and calls wfs_torch_catalog; no tensor byte is read.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_H
#define WEIGHTFS_SOURCE_TORCH_H

#include "source/torch/pickle/pickle.h"
#include "source/source.h"

/* One storage of the file: `bytes[off, off + size_bytes)` once it is located. */
struct wfs_torch_storage {
    const char *key;
    enum wfs_dtype dtype; /* WFS_U8 where it is untyped */
    bool is_untyped;
    bool is_swapped;         /* typed and written on a big-endian machine */
    uint64_t size_bytes;     /* declared by the pickle */
    struct wfs_bytes *bytes; /* owned by the catalog's arena; NULL: see `why` */
    uint64_t off;
    const char *why; /* why its tensors cannot be shown */
};

struct wfs_torch_tensor;

struct wfs_torch {
    struct wfs_catalog *catalog;
    uint32_t file;
    const struct wfs_source_options *options;
    struct wfs_arena *scratch;      /* lives while the file is scanned: nodes, storages */
    struct wfs_pickle pickle;       /* the object */
    struct wfs_bytes *pickle_bytes; /* where it was read; lives with the catalog */
    const char *name;               /* of the file, for messages */
    bool is_big_endian;
    /* Fills bytes and off, or why. 0; negative where the file itself cannot be read. */
    int (*locate)(struct wfs_torch *t, struct wfs_torch_storage *storage, struct wfs_error *err);
    /* Tar files: the node a persistent id stands for, or NULL. */
    const struct wfs_node *(*resolve)(struct wfs_torch *t, const struct wfs_node *persid);
    /* DCP: the tensor of a persistent id, assembled. -EINVAL and the like: refused. */
    int (*assemble)(struct wfs_torch *t, const struct wfs_node *persid,
                    struct wfs_torch_tensor *ret, struct wfs_error *err);
    void *format;               /* the reader's own */
    struct wfs_strmap storages; /* key -> index into storage */
    struct wfs_torch_storage **storage;
    size_t n_storages, cap_storages;
    struct wfs_strmap views; /* storage, offset, shape, strides -> tensor index */
};

/* Zeroes *t and gives it a scratch arena. Free with wfs_torch_close, also after a failure. */
int wfs_torch_init(struct wfs_torch *t, struct wfs_catalog *catalog, uint32_t file,
                   const struct wfs_source_options *options, struct wfs_error *err);
void wfs_torch_close(struct wfs_torch *t);

/* ---- storages (torch_storage.c) ------------------------------------------------------------ */

/* The storage of ('storage', class, key, location, numel[, view]); the first id of a key counts, as
 * for torch. -EINVAL: it is no such tuple, or the sizes are impossible. *ret_off_elems and
 * *ret_n_elems: the legacy view of it (whole: 0 and all). Not located yet. */
int wfs_torch_storage_of(struct wfs_torch *t, const struct wfs_node *persid,
                         struct wfs_torch_storage **ret, uint64_t *ret_off_bytes,
                         uint64_t *ret_size_bytes, struct wfs_error *err);
/* bytes[off, off + size) is all there is of the storage: checks it against the declared size. */
void wfs_torch_storage_place(struct wfs_torch *t, struct wfs_torch_storage *storage,
                             struct wfs_bytes *bytes, uint64_t off, uint64_t size_bytes);

/* ---- tensors (torch_tensor.c, torch_object.c) ---------------------------------------------- */

struct wfs_torch_tensor {
    const struct wfs_expr *expr; /* in the catalog's arena */
    uint64_t file_off;           /* UINT64_MAX: not one place */
    const char *quantised;       /* in the catalog's arena, or NULL */
    const char *view;            /* key of what bytes it shows, in scratch; NULL: no bytes */
    uint32_t file;               /* where file_off counts, unless it is the scanned file: + 1 */
    uint32_t n_shards;           /* 0 and 1: whole */
    int32_t shard_axis;          /* of n_shards > 1; -1: cut along several */
};

/* A view of a storage, as _rebuild_tensor* describe it. */
struct wfs_torch_view {
    const struct wfs_node *persid, *offset, *size, *stride;
    const struct wfs_node *metadata; /* {'conj': True, 'neg': True}, or NULL */
    bool has_dtype;                  /* v3: of this type; else the storage's */
    enum wfs_dtype dtype;
};
/* -EINVAL, -EOVERFLOW: this tensor cannot be shown, and why; other codes: the file cannot be
 * read. */
int wfs_torch_view_tensor(struct wfs_torch *t, const struct wfs_torch_view *view,
                          struct wfs_torch_tensor *ret, struct wfs_error *err);
bool wfs_torch_shape_of(const struct wfs_node *node, uint32_t *ret_ndim,
                        uint64_t shape[WFS_MAX_NDIM]);

enum wfs_torch_what {
    WFS_TORCH_OTHER,   /* no tensor: *ret_node is what to show (itself, or what it wraps) */
    WFS_TORCH_TENSOR,  /* *ret; and *ret_node, where not NULL, a DICT of parts beside it */
    WFS_TORCH_WRAPPER, /* of other tensors: *ret_node has them, or is NULL; err says what it is */
};
/* What a node is. -EINVAL and the like: a tensor that cannot be shown, and why. */
int wfs_torch_object(struct wfs_torch *t, const struct wfs_node *node,
                     enum wfs_torch_what *ret_what, struct wfs_torch_tensor *ret,
                     const struct wfs_node **ret_node, struct wfs_error *err);
/* True where an error of the functions above concerns one tensor, not the file. */
static inline bool wfs_torch_is_refusal(int rc)
{
    return rc == -EINVAL || rc == -EOVERFLOW || rc == -EFBIG || rc == -ENOTSUP;
}

/* One tensor that torch.save wrote as a ZIP at bytes[off, off + len) of a file of the catalog,:
 * DCP's items. The second: any object without tensors; its nodes live in into->scratch. */
int wfs_torch_zip_item(struct wfs_catalog *catalog, uint32_t file, uint64_t off, uint64_t len,
                       struct wfs_torch_tensor *ret, struct wfs_error *err);
int wfs_torch_zip_object(struct wfs_torch *into, uint32_t file, uint64_t off, uint64_t len,
                         const struct wfs_node **ret_root, struct wfs_error *err);

/* numpy arrays and scalars inside a pickle (torch_numpy.c). False: not of that form. */
bool wfs_torch_numpy_scalar(const struct wfs_node *call, double *ret_f, int64_t *ret_i,
                            bool *ret_is_int);
int wfs_torch_numpy_array(struct wfs_torch *t, const struct wfs_node *call,
                          struct wfs_torch_tensor *ret, struct wfs_error *err);

/* ---- the walk (objects.c) ------------------------------------------------------------------ */

/* Adds every tensor of t->pickle.root to the catalog, the plain values to objects_json, the trees
 * to the roots, and notes. */
int wfs_torch_catalog(struct wfs_torch *t, struct wfs_error *err);

/* Notes the globals of a pickle that attacks use; -EINVAL under --strict. */
int wfs_torch_note_dangers(struct wfs_torch *t, const struct wfs_pickle *pickle,
                           struct wfs_error *err);

/* ---- nodes of our own, in scratch; NULL when out of memory (torch_object.c) ---------------- */

struct wfs_node *wfs_torch_node(struct wfs_torch *t, enum wfs_node_kind kind);
struct wfs_node *wfs_torch_int(struct wfs_torch *t, int64_t value);
struct wfs_node *wfs_torch_text(struct wfs_torch *t, const char *text);
/* Items are borrowed; NULL where one of them is. */
struct wfs_node *wfs_torch_tuple(struct wfs_torch *t, uint32_t n,
                                 const struct wfs_node *const *items);

#endif
