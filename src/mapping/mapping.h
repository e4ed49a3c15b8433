/*
 * mapping.h - from a catalog to a plan: which target tensors a view shows, and the expression of
 * each. A pure function of metadata (names, shapes, dtypes, config values, rules, template).
 */
#ifndef WEIGHTFS_MAPPING_MAPPING_H
#define WEIGHTFS_MAPPING_MAPPING_H

#include "rules/rules.h"
#include "source/source.h"

enum wfs_status {
    WFS_MAPPED,
    WFS_FILLED,     /* a target that needs no source */
    WFS_ALIASED,    /* shows (or leaves out) another tensor's bytes: tied weights */
    WFS_UNEXPECTED, /* no rule took it: its own name and bytes */
    WFS_PACKED,     /* packed or scaled weights: source name and bytes, never a layout */
    WFS_DROPPED,    /* a source tensor that the view leaves out, by a rule */
    WFS_MISSING,    /* the template has it, nothing maps to it */
    WFS_SHAPE_MISMATCH,
    WFS_DTYPE_CHANGED,
    WFS_AMBIGUOUS,
    WFS_COLLISION,
    WFS_INEXACT,
    WFS_NARROWED, /* cast to a type of smaller range, and nothing proves that no value leaves it */
    WFS_RENAMED,  /* a wrapper component taken out, a prefix added or removed */
    WFS_NOTE,
    WFS_N_STATUSES,
};
const char *wfs_status_name(enum wfs_status status); /* "mapped", "shape-mismatch", ... */
bool wfs_status_is_problem(enum wfs_status status);  /* makes `map` exit 1 and --strict refuse */

struct wfs_target {
    const char *path; /* WFS_SEP path in the view; unique */
    const struct wfs_expr *expr;
    enum wfs_status status; /* MAPPED, FILLED, ALIASED, UNEXPECTED or PACKED */
    uint32_t n_sources;
    const uint32_t *sources; /* indices into the catalog's tensors */
    const char *operations;  /* "transpose", "reshape(2, 3) permute(1, 0)"; "" = untouched */
    const char *rule;        /* "flax.map:12", for --explain and the tables; may be "" */
    const char *role; /* "dense": what its weight was taken for, where that was asked; or "" */
    const char *role_reason; /* ... and why; or "" */
    uint32_t made;           /* the how-manieth target the last set made: fan-ins come after all
                              * others, in the order of their rules */
};

/* A cast to a type of smaller range: the elements before it, and the tensors that they are of. */
struct wfs_narrowing {
    const struct wfs_expr *expr;
    enum wfs_dtype to;
    uint32_t n_sources;
    const uint32_t *sources;
};

/* One line of a view's report. */
struct wfs_report_entry {
    enum wfs_status status;
    const char *subject;                   /* joined name of a source or target tensor */
    const char *text;                      /* what happened, and what to do about it */
    const struct wfs_narrowing *narrowing; /* of NARROWED, for wfs_prove_casts; else NULL */
};

struct wfs_plan {
    struct wfs_arena *arena;
    const char *view;         /* directory name: "source", "flax", ... */
    const char *chain;        /* "flax", "torch+mlx": the sets that were applied */
    const char *format_tag;   /* safetensors metadata `format`: "pt", "flax", "weightfs-<view>" */
    const char *const *files; /* default virtual files by writer name, NULL-terminated */
    char sep;                 /* how this view's names are joined where one string is needed */
    char file_sep;            /* the same in its loader files */
    bool is_source;           /* the identity plan of source/ */
    bool is_dequantised;      /* weights that the source has as codes are shown by their values */
    const char *convention;   /* whose names it makes ("gguf"); or NULL */
    /* What files of whole models are told beside the tensors. */
    const char *const *set; /* -o set=NAME=VALUE, NULL-terminated */
    const char *outtype;    /* -o outtype=TYPE, or NULL */
    bool narrow;            /* -o narrow: casts to a type of smaller range are wanted */
    uint32_t n_targets;
    const struct wfs_target *targets; /* sorted naturally by path */
    uint32_t n_entries;
    struct wfs_report_entry *entries;
    uint32_t n_by_status[WFS_N_STATUSES]; /* targets and entries */
};

/* --view NAME[:key=value,...] and what -o adds. */
struct wfs_view_options {
    const char *name; /* "flax", "mlx=torch+mlx" ... */
    const char *const
        *options;      /* "key=value", NULL-terminated: the view's own (match=, keys= ...) */
    const char *rules; /* -o rules=FILE, or NULL */
    const char *template_path; /* -o template=FILE, or NULL */
    const char *dtype;         /* -o dtype=keep|float32|float16|bfloat16, or NULL */
    const char *const *set;    /* -o set=NAME=VALUE, NULL-terminated, or NULL */
    const char *outtype;       /* -o outtype=TYPE of GGUF's files, or NULL */
    bool narrow;               /* -o narrow: casts to a type of smaller range are wanted */
    bool packed;               /* -o packed: quantised weights keep their codes */
    bool strict;
    bool is_default; /* nobody named it: -EOPNOTSUPP where it is none to show unasked */
};

/* The identity plan. */
int wfs_plan_source(const struct wfs_catalog *catalog, struct wfs_plan **ret,
                    struct wfs_error *err);
/* A mapped view. A rule file's mistakes are errors with file, line, column and what was expected;
 * a checkpoint's problems are report entries (errors under strict). */
int wfs_plan_view(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                  struct wfs_plan **ret, struct wfs_error *err);
/* Indices of all targets in the order in which a converter writes them that reads the source's files
 * one by one, the names of each sorted bytewise: first what needs no source (and blocks put together of two tensors), then each
 * where its source stands, what one source yields as its rule says it; stacked tensors where the
 * last of their module's sources stands, in the order of their rules. The list is the arena's. */
int wfs_plan_conversion_order(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                              struct wfs_arena *arena, const uint32_t **ret, struct wfs_error *err);
void wfs_plan_free(struct wfs_plan *plan);
void wfs_plan_freep(struct wfs_plan **plan);
/* The views that a source gets where none is named: what has a loader for this very checkpoint, else
 * `nnx`. That is `torch` of a source in another framework's names, and of PyTorch's each set whose
 * `default if` holds (`flax` where transformers has the class, `gguf` where its tables know the
 * architecture), and `dequantized` where it is quantised; none where nothing leads from the source's names to a view's. */
#define WFS_DEFAULT_VIEWS_MAX 8
struct wfs_default_views {
    uint32_t n;
    struct wfs_plan *plans[WFS_DEFAULT_VIEWS_MAX]; /* the caller's */
};
/* `options` have no name; what they say is said to all, a template to the first alone. A view that
 * cannot be planned is a warning of the catalog, the first an error where options were given. */
int wfs_plan_default_views(struct wfs_catalog *catalog, const struct wfs_view_options *options,
                           struct wfs_default_views *ret, struct wfs_error *err);
void wfs_default_views_free(struct wfs_default_views *views);
/* Whose names the source has, as rule sets say `from` and `to`: "torch", "flax", ...; NULL where
 * they do not tell. */
int wfs_plan_convention(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err);
/* The keys of a view's own options ("match", "keys"), NULL-terminated: what may follow ':' in
 * --view NAME, and what a plain -o key reaches where exactly one view takes it. */
const char *const *wfs_view_option_keys(const char *view);

/* Text (info/report.txt's section of one view), and JSON for `map --json`. */
void wfs_plan_report_text(const struct wfs_plan *plan, struct wfs_buf *out);
void wfs_plan_report_json(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                          struct wfs_buf *out);
/* info/views/<view>.tsv and <view>.keys.json. */
void wfs_plan_table(const struct wfs_plan *plan, const struct wfs_catalog *catalog,
                    struct wfs_buf *out);
void wfs_plan_keys_json(const struct wfs_plan *plan, struct wfs_buf *out);
/* `map --explain NAME`: which rule took a source (or made a target) and why the others did not. */
int wfs_plan_explain(const struct wfs_catalog *catalog, const struct wfs_view_options *options,
                     const char *name, struct wfs_buf *out, struct wfs_error *err);

#endif
