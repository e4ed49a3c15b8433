/*
 * dcp_file.h - what a folder of torch.distributed.checkpoint holds: its metadata, its items and
 * its files.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_DCP_FILE_H
#define WEIGHTFS_SOURCE_SHARDED_DCP_FILE_H

#include "source/folder/listing.h"
#include "source/torch/torch.h"

#define DCP_METADATA       ".metadata"
#define DCP_COMMON         "common.pt" /* Megatron beside it: what is no sharded tensor */
#define DCP_MAX_CHUNKS     65536u
#define DCP_MAX_ATTRIBUTES 64u /* of an object in the metadata */

struct wfs_dcp_item {
    const char *path; /* of the file, relative */
    uint64_t off, len;
};

struct wfs_dcp_file {
    uint32_t file;
    struct wfs_catalog *safetensors; /* a catalog of its own, where it is of that kind */
};

struct wfs_dcp {
    struct wfs_torch t; /* first: the torch reader converts into it */
    const struct wfs_listing *listing;
    struct wfs_hash metadata_hash;
    const struct wfs_node *tensors, *storage; /* DICTs of the metadata */
    struct wfs_strmap paths; /* name -> its path in planner_data, struct wfs_node * */
    struct wfs_strmap items; /* "name offset offset ..." -> struct wfs_dcp_item * */
    struct wfs_strmap files; /* relative path -> index into file */
    struct wfs_dcp_file *file;
    size_t n_files, cap_files;
    struct wfs_strmap dicts; /* path of the state dict -> struct wfs_node *, NULL for a value */
};

/* -EINVAL: "FOLDER/.metadata: what". */
int wfs_dcp_refuse(const struct wfs_dcp *d, struct wfs_error *err, const char *what);
/* True of an object whose class has this name, in whatever module. */
bool wfs_dcp_is_class(const struct wfs_node *object, const char *name);
/* Where the chunk of a tensor that begins at `offsets` lies, or, with NULL, a plain object. *ret is
 * NULL where it is stored nowhere. */
int wfs_dcp_find_item(struct wfs_dcp *d, const char *name, const struct wfs_node *offsets,
                      const struct wfs_dcp_item **ret, struct wfs_error *err);
/* Opens a file of the folder once, and adds it to the catalog. */
int wfs_dcp_open_file(struct wfs_dcp *d, const char *name, struct wfs_dcp_file *ret,
                      struct wfs_error *err);
/* An attribute of an object that was not made, from its state. */
const struct wfs_node *wfs_dcp_attribute(const struct wfs_node *object, const char *name);
/* Fills d->items from d->storage. */
int wfs_dcp_read_items(struct wfs_dcp *d, struct wfs_error *err);

#endif
