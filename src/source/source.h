/*
 * source.h - from files to a catalog. One reader per format scans METADATA ONLY: no tensor byte is
 * read to mount. Formats are recognised by content, never by name alone.
 */
#ifndef WEIGHTFS_SOURCE_SOURCE_H
#define WEIGHTFS_SOURCE_SOURCE_H

#include "tensor/tensor.h"

/* ---- the catalog --------------------------------------------------------------------------- */

/* Something the user should know about the source; shown in info/report.txt, and on stderr from
 * warning up. */
enum wfs_note_kind {
    WFS_NOTE_INFO,     /* a choice that was made: which weights, what was passed over */
    WFS_NOTE_WARNING,  /* an oddity that costs nothing: a record longer than its storage */
    WFS_NOTE_DANGER,   /* a pickle that calls what attacks call; --strict refuses the file */
    WFS_NOTE_REFUSED,  /* one tensor that was not shown, and why */
    WFS_NOTE_LEFT_OUT, /* parameters that no view maps; a problem of --strict */
};
/* "note", "warning", "DANGER", "refused", "left out". */
const char *wfs_note_kind_name(enum wfs_note_kind kind);
struct wfs_note {
    enum wfs_note_kind kind;
    const char *subject; /* a tensor or file name; may be "" */
    const char *text;
};

/* torch's own quantised tensors: what makes numbers of their integers q. Either
 * scale * (q - zero_point); or, of slice i along `axis`, scales[i] * (q - zero_points[i]), and these
 * two are tensors of the catalog whose paths are the tensor's and a component more. */
struct wfs_quantised {
    const char *text; /* "per_tensor_affine(scale=0.5, zero_point=3)" */
    int64_t axis;     /* -1: one scale for all */
    double scale;
    int64_t zero_point;
};

struct wfs_tensor {
    const char *name; /* as the file has it: joined by the catalog's separator */
    const char *path; /* its components, see WFS_SEP in base.h; unique in the catalog */
    const struct wfs_expr *expr;
    uint32_t file;      /* index of the (first) file it lies in; WFS_NO_INDEX: none (filled) */
    uint64_t file_off;  /* of its first byte there; UINT64_MAX: not one place */
    uint32_t alias_of;  /* index of the earlier tensor with the same storage, offset, shape and
                           strides (tied weights), else WFS_NO_INDEX */
    int32_t shard_axis; /* -1: not sharded, or over several axes */
    uint32_t n_shards;  /* 1: not sharded */
    const char *axes;   /* axis names where the file records them ("embed,mlp"), else NULL */
    uint32_t root;      /* index into roots: the tree (state dict) it belongs to */
    const struct wfs_quantised *quantised; /* NULL: its bytes are plain numbers */
};

/* A source file whose bytes are shown; kept open. */
struct wfs_source_file {
    const char *path; /* as opened */
    const char *name; /* relative to the source, for messages and tables */
    struct wfs_bytes *bytes;
};

/* A file of the checkpoint's directory that holds no weights: passed through into every view. */
/* How the checkpoint's links are judged (access/links.h). */
struct wfs_home;
struct wfs_side_file {
    const char *name; /* relative path, '/'-separated, safe components */
    const char *path; /* where to open it */
    struct wfs_identity identity;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool leads_out; /* by a link out of the checkpoint; false where nobody else is served */
    /* Kept open, so that one which is replaced by rename is shown as it was, like weights; NULL: it is
     * one of many, or leads out, and is opened by its path when it is read. */
    struct wfs_bytes *bytes;
};

/* A tree of tensors inside a source ("state_dict", "optimizer.state"); roots[0] is the whole. */
struct wfs_root {
    const char *path; /* WFS_SEP path of the prefix; "" with is_whole */
    bool is_whole;
    bool is_chosen; /* a view maps this one */
};

/* Is `path` (of a tensor or a tree) in the running statistics beside the parameters `root`? In Flax
 * {"params": ..., "batch_stats": ...} are collections of one model: who maps the one maps both. */
bool wfs_path_is_statistics_of(const char *path, const char *root);

/* What later stages found out about a complete catalog, once. Both are set by whoever asks first, to
 * the same value whoever that is. */
struct wfs_catalog_memo {
    _Atomic(const char *) convention; /* NULL: not asked; "": names do not tell */
};

struct wfs_catalog {
    struct wfs_arena *arena;
    const char *source; /* the path that was opened */
    const char *format; /* "safetensors", "torch-zip", ... of the (first) weight file */
    char sep;           /* '.' or '/': joins a name from its components */
    bool is_flat;       /* names are one text each: wfs_catalog_finish settles sep and the paths */
    /* Whose names these are ("torch", "flax") as the format or its metadata says; NULL: names may
     * tell (wfs_convention_of). */
    const char *convention;
    struct wfs_catalog_memo *memo;
    uint32_t n_tensors;
    struct wfs_tensor *tensors; /* in file order; wfs_tensor.path unique */
    uint32_t n_files;
    struct wfs_source_file *files;
    uint32_t n_side_files;
    struct wfs_side_file *side_files;
    uint32_t n_roots;
    struct wfs_root *roots;
    uint32_t n_metadata;
    const char *(*metadata)[2]; /* safetensors' __metadata__, GGUF's KVs ... */
    uint32_t n_notes;
    struct wfs_note *notes;
    const char *objects_json;    /* plain values beside the tensors (info/objects.json), or NULL */
    const struct wfs_home *home; /* NULL: nobody else is served, all links are followed */
    const char *config_path;     /* config.json (or params.json) beside the weights, or NULL */
    /* The whole checkpoint is this one safetensors file: source/model.safetensors is it. */
    uint32_t whole_safetensors_file; /* or WFS_NO_INDEX */
    int64_t mtime_ns;                /* latest of the files */
    mode_t mode;                     /* strictest of the files, & 0444 */
    uid_t uid;
    gid_t gid;
    struct wfs_hash id; /* identity of the checkpoint: of all its files */
    bool is_network;
    bool is_set; /* several files are one checkpoint: no file alone tells the roots */
};

struct wfs_source_options {
    const char *weights;      /* -o weights=GLOB, or NULL */
    const char *const *roots; /* -o root=PATH, dotted; NULL-terminated or NULL */
    const char *const *set;   /* -o set=NAME=VALUE (Megatron dimensions and the like), likewise */
    bool strict;
    /* Others than this process's user may be served (allow_other, root with uid=): links that lead
     * out of the checkpoint are followed only where that gives nobody anything. */
    bool is_shared;
};

/* Opens a file, a directory or an index. On failure nothing is left open; the message names the
 * file, the tensor and the byte. */
int wfs_catalog_open(const char *path, const struct wfs_source_options *options,
                     struct wfs_catalog **ret, struct wfs_error *err);
void wfs_catalog_free(struct wfs_catalog *catalog);
void wfs_catalog_freep(struct wfs_catalog **catalog);

/* "axis 0, 4 parts", "several axes, 4 parts" or "Replicated". */
void wfs_sharding_format(struct wfs_buf *out, int32_t shard_axis, uint32_t n_shards);
struct stat;
/* True where the file is one of the checkpoint's own, under whatever name. */
bool wfs_catalog_has_file(const struct wfs_catalog *catalog, const struct stat *st);
/* By joined name or by path; NULL when there is none. */
const struct wfs_tensor *wfs_catalog_find(const struct wfs_catalog *catalog, const char *name);

/* ---- who may reach a file (access/way.c) ---------------------------------------------------- */

/* What the directories above a file and access control lists take from its mode. A mount shows the
 * file at another place, where none of them is in the way. */
struct wfs_way {
    /* The first directory from "/" on that others, or the group, may not search; NULL: none. */
    const char *denies_others, *denies_group;
    /* The first path, the file's own included, that has an access control list. */
    const char *has_acl;
};
/* `path` is looked at where it really is, links followed; `gid` is the file's group. The result's
 * strings lie in the arena. A directory that cannot be looked at denies both. */
int wfs_way_look(struct wfs_arena *arena, const char *path, gid_t gid, struct wfs_way *ret,
                 struct wfs_error *err);
/* What the way leaves of a mode: no bits of others, or of the group, where it denies them; those of
 * the owner alone where a list speaks of people whom mode bits do not know. */
mode_t wfs_way_mode(const struct wfs_way *way, mode_t mode);

/* ---- for readers --------------------------------------------------------------------------- */

/* How every tensor begins: in no file, tied to none, in one piece. The reader sets the expression and
 * whatever else it knows. A tensor of zeros is none: it would be tied to the first. */
struct wfs_tensor wfs_tensor_init(const char *name, const char *path);

/* Appends while scanning. add_file takes a reference of its own on `bytes` and copies its strings,
 * add_metadata and note copy theirs; a tensor's strings and expression are NOT copied: they lie in
 * catalog->arena already. The catalog's separator is the format's; names
 * of a flat format are split at it, until wfs_catalog_finish knows all of them. -EEXIST from add_tensor: the
 * path is there already (the message names both files). Metadata that an earlier file has with
 * another value keeps the first, with a note. Returns the index. */
int wfs_catalog_add_file(struct wfs_catalog *catalog, const char *path, const char *name,
                         struct wfs_bytes *bytes, uint32_t *ret_file, struct wfs_error *err);
/* -EACCES where `path`, opened as `bytes`, is reached by a link that is not followed for others. */
int wfs_catalog_check_link(const struct wfs_catalog *catalog, const char *path,
                           const struct wfs_bytes *bytes, struct wfs_error *err);
int wfs_catalog_add_tensor(struct wfs_catalog *catalog, const struct wfs_tensor *tensor,
                           uint32_t *ret_index, struct wfs_error *err);
int wfs_catalog_add_metadata(struct wfs_catalog *catalog, const char *key, const char *value,
                             struct wfs_error *err);
void wfs_catalog_note(struct wfs_catalog *catalog, enum wfs_note_kind kind, const char *subject,
                      const char *fmt, ...) WFS_PRINTF(4, 5);

/* One descriptor a format at the bottom of its reader, and one row in src/source/formats.h. */
#define WFS_PROBE_BYTES 512
struct wfs_format {
    const char *name;
    char sep;     /* '.' or '/': joins the components of a name, see wfs_catalog.sep */
    bool is_flat; /* names are one text each: all of them together tell the separator, and `sep` is
                     the custom where they do not (wfs_sep_choose) */
    /* Patterns of file names (fnmatch, any case), NULL-terminated, or NULL: a name of the first kind
     * is enough to take a file for weights of this format; one of the second is used by others, too,
     * and the content decides. */
    const char *const *names, *const *vague_names;
    const char *missing; /* NULL, or the library it was compiled without: detected, then refused */
    /* head[0..len) are the first min(size, WFS_PROBE_BYTES) bytes. */
    bool (*probe)(const uint8_t *head, size_t len, uint64_t size_bytes);
    /* Adds the tensors of one weight file (already added as `file`) to the catalog. */
    int (*scan)(struct wfs_catalog *catalog, uint32_t file,
                const struct wfs_source_options *options, struct wfs_error *err);
};

#endif
