/*
 * torch.h - what the readers of PyTorch files share: storages, tensors rebuilt from what a pickle
 * would have called, and the walk over the object that turns a checkpoint into a catalog.
 *
 * A reader (torch_zip.c, torch_legacy.c, torch_tar.c) parses its pickle, says where the bytes of a
 * storage lie (`locate`) and calls wfs_torch_catalog; no tensor byte is read.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_H

#include "source/source.h"
#include "source/torch/pickle/pickle.h"

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
/* Notes the globals of a pickle that attacks use; -EINVAL under --strict. */
int wfs_torch_note_dangers(struct wfs_torch *t, const struct wfs_pickle *pickle,
                           struct wfs_error *err);

/* ---- tensors ------------------------------------------------------------------------------- */

struct wfs_torch_tensor {
    const struct wfs_expr *expr;           /* in the catalog's arena */
    uint64_t file_off;                     /* UINT64_MAX: not one place */
    const struct wfs_quantised *quantised; /* in the catalog's arena, or NULL */
    const char *view;   /* key of what bytes it shows, in scratch; NULL: no bytes */
    uint32_t file;      /* where file_off counts, unless it is the scanned file: + 1 */
    uint32_t n_shards;  /* 0 and 1: whole */
    int32_t shard_axis; /* of n_shards > 1; -1: cut along several */
};

/* True where an error concerns one tensor, not the file. */
static inline bool wfs_torch_is_refusal(int r)
{
    return r == -EINVAL || r == -EOVERFLOW || r == -EFBIG || r == -ENOTSUP;
}

/* ---- nodes of our own, in scratch; NULL when out of memory --------------------------------- */

struct wfs_node *wfs_torch_node(struct wfs_torch *t, enum wfs_node_kind kind);
struct wfs_node *wfs_torch_int(struct wfs_torch *t, int64_t value);
struct wfs_node *wfs_torch_text(struct wfs_torch *t, const char *text);
/* Items are borrowed; NULL where one of them is. */
struct wfs_node *wfs_torch_tuple(struct wfs_torch *t, uint32_t n,
                                 const struct wfs_node *const *items);
/* A DICT of n parts; parts that are NULL are left out. */
int wfs_torch_parts(struct wfs_torch *t, size_t n, const char *const *names,
                    const struct wfs_node *const *parts, const struct wfs_node **ret,
                    struct wfs_error *err);

#endif
