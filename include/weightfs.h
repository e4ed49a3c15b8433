/*
 * weightfs.h - a machine-learning checkpoint read as the mount shows it, without a mount: its
 * tensors under their own names or under another framework's, and the directories and virtual
 * files of `weightfs SOURCE MOUNTPOINT`.
 *
 *   struct wfs_failure why;
 *   struct wfs_checkpoint *checkpoint;
 *   const char *options[] = {"view=flax", NULL};
 *   if (wfs_checkpoint_open("bert-base", options, &checkpoint, &why))
 *       fprintf(stderr, "%s\n", why.message);
 *
 * Link with -lweightfs (pkg-config weightfs).
 *
 * Results. A function that can fail returns 0 or a negative errno, and says why in the caller's
 * struct wfs_failure, which may be NULL. What a ret_ pointer points at is set on success alone.
 *
 * Lifetime. Every string and array that a description points at belongs to the checkpoint and lives
 * until it is closed. The strings that are passed in are not kept.
 *
 * Threads. Any number of threads may use one checkpoint, and one open file, at the same time. Only
 * the closing functions want to be alone: close a file when nobody reads it, and a checkpoint after
 * its files. A checkpoint does not survive fork(): the child may only exit or exec.
 *
 * What the library does to its process: nothing is executed and no file is written or modified. It
 * handles SIGBUS, which a source that is truncated while it is read causes, and hands every SIGBUS
 * of the program's own to the handler that was there before. Rare warnings go to stderr.
 *
 * ABI. Structures grow at their end only, and struct_size says which of them the program knows; all
 * else is opaque. What is incompatible has another soname.
 */
#ifndef WEIGHTFS_H
#define WEIGHTFS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WFS_API __attribute__((visibility("default")))
#else
#define WFS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Why a call failed. Only a call that fails writes it. The size never changes. */
#define WFS_FAILURE_MESSAGE_MAX 1020
struct wfs_failure {
    int code;                              /* a positive errno */
    char message[WFS_FAILURE_MESSAGE_MAX]; /* one line that names the file, the tensor, the byte */
};

/* The version of the library, "0.1.0". */
WFS_API const char *wfs_library_version(void);

/* ---- a checkpoint -------------------------------------------------------------------------- */

struct wfs_checkpoint;

/* Opens a file, a directory or an index, whose format is told by its content. `options` is a list
 * of "key=value" strings that ends with NULL, or NULL:
 *
 *   view=NAME         the tensors as this view has them ("flax", "torch+mlx"); without it, or with
 *                     view=source, as the source has them
 *   rules=FILE        the view's rules, dtype=float32|float16|bfloat16 its floating types,
 *   narrow            a dtype= of smaller range (float16 from float32) is no problem of the view
 *   template=FILE     names and shapes that it shall have; KEY=VALUE: a view's own options
 *   set=NAME=VALUE    settles what the rules or the source's shards leave open; repeatable
 *   root=PATH         which state dict is mapped; repeatable
 *   weights=GLOB      which weight files of a directory are meant
 *   files=LIST        loader files: names with commas between, "all" or "none"
 *   shards=BYTES      model.safetensors in shards of this size
 *   partial           loader files are there although a tensor was refused, and lack it
 *   format=npy|raw    what a tensor's file holds
 *   memory=BYTES      for computed blocks (default: 256 MiB, or an eighth of the machine's memory)
 *
 * They mean what `-o` of the program means. -EINVAL: an option or the checkpoint is malformed. */
WFS_API int wfs_checkpoint_open(const char *path, const char *const *options,
                                struct wfs_checkpoint **ret_checkpoint,
                                struct wfs_failure *failure);
/* NULL is allowed. */
WFS_API void wfs_checkpoint_close(struct wfs_checkpoint *checkpoint);
/* What was not explained, left out or refused, one line each; "" where there is nothing to say.
 * info/report.txt in the tree has the details. */
WFS_API const char *wfs_checkpoint_warnings(const struct wfs_checkpoint *checkpoint);

/* ---- tensors ------------------------------------------------------------------------------- */

/* A tensor of the view. Its bytes are its elements in row-major order, little-endian; elements of 4
 * and 6 bits are packed as safetensors packs them. */
struct wfs_checkpoint_tensor {
    size_t struct_size; /* sizeof(struct wfs_checkpoint_tensor), set by the caller */
    const char *name;   /* components joined by the view's separator: "encoder/layer/0/kernel" */
    const char *dtype;  /* "float32", "bfloat16", "float8_e4m3fn", "bool" ... */
    uint32_t ndim;
    uint32_t n_sources;
    const uint64_t *shape; /* [ndim] */
    uint64_t size_bytes;
    const char *const *sources; /* [n_sources]: the names of the source's tensors that it shows */
    const char *operations;     /* what makes it of them: "transpose"; "" where untouched */
};

/* Tensors are numbered from 0 in natural order of their names (layer 2 before layer 10). */
WFS_API uint32_t wfs_checkpoint_n_tensors(const struct wfs_checkpoint *checkpoint);
/* -ENOENT: there is none. -ENOTUNIQ: several have names that are joined to this one. */
WFS_API int wfs_checkpoint_find_tensor(const struct wfs_checkpoint *checkpoint, const char *name,
                                       uint32_t *ret_tensor, struct wfs_failure *failure);
WFS_API int wfs_checkpoint_tensor(const struct wfs_checkpoint *checkpoint, uint32_t tensor,
                                  struct wfs_checkpoint_tensor *ret, struct wfs_failure *failure);
/* Reads the tensor's bytes [off, off + len), all of them. -ERANGE: they are not inside the tensor.
 * -EIO: the source changed since it was opened, or its disk failed. */
WFS_API int wfs_checkpoint_read_tensor(struct wfs_checkpoint *checkpoint, uint32_t tensor,
                                       void *buf, size_t len, uint64_t off,
                                       struct wfs_failure *failure);

/* ---- the tree ------------------------------------------------------------------------------ */

/* A directory or a file of the tree that a mount shows: source/, the view's directory, info/. */
struct wfs_checkpoint_node {
    size_t struct_size; /* sizeof(struct wfs_checkpoint_node), set by the caller */
    const char *name;   /* "" for the root */
    int is_directory;
    uint32_t n_children; /* of a directory */
    uint64_t size_bytes; /* of a file */
};

/* The node of a path from the root, "flax/model.safetensors"; "" is the root. -ENOENT, -ENOTDIR. */
WFS_API int wfs_checkpoint_find_node(const struct wfs_checkpoint *checkpoint, const char *path,
                                     uint32_t *ret_node, struct wfs_failure *failure);
WFS_API int wfs_checkpoint_node(const struct wfs_checkpoint *checkpoint, uint32_t node,
                                struct wfs_checkpoint_node *ret, struct wfs_failure *failure);
/* The i-th child of a directory, in natural order. -ENOTDIR, -ERANGE. */
WFS_API int wfs_checkpoint_child(const struct wfs_checkpoint *checkpoint, uint32_t directory,
                                 uint32_t i, uint32_t *ret_node, struct wfs_failure *failure);

struct wfs_checkpoint_file;

/* Opens a file of the tree. -EISDIR. */
WFS_API int wfs_checkpoint_open_file(struct wfs_checkpoint *checkpoint, uint32_t node,
                                     struct wfs_checkpoint_file **ret_file,
                                     struct wfs_failure *failure);
/* Reads up to len bytes at off: *ret_n is less only where the file ends, and 0 past its end. */
WFS_API int wfs_checkpoint_file_read(struct wfs_checkpoint_file *file, void *buf, size_t len,
                                     uint64_t off, size_t *ret_n, struct wfs_failure *failure);
/* NULL is allowed. */
WFS_API void wfs_checkpoint_file_close(struct wfs_checkpoint_file *file);

#ifdef __cplusplus
}
#endif

#endif
