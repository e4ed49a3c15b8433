/*
 * inspect.h - looking at a checkpoint: the parameter table, weight-decay masks, statistics, a check
 * against a target, the difference of two checkpoints. Everything works on a plan, so on a source
 * and on any view of it alike, and reads tensors (where it reads them at all) in bounded memory.
 *
 * Behaviour covered: xlstm-jax's param_utils (tabulate_params, get_param_norms, get_param_mask_fn)
 * and Caten's load-state-dict warnings.
 */
#ifndef WEIGHTFS_INSPECT_INSPECT_H
#define WEIGHTFS_INSPECT_INSPECT_H

#include "cache/cache.h"
#include "mapping/mapping.h"

/* ---- rows: what a plan shows below one root ------------------------------------------------ */

struct wfs_inspect_row {
    const char *name;   /* joined by the view's separator, without the root */
    const char *dotted; /* the same, joined by '.' */
    const char *path;   /* WFS_SEP path, without the root */
    const char *source; /* WFS_SEP path of the first tensor it is made of, whole; NULL: filled */
    const struct wfs_target *target;
    const struct wfs_expr *expr;
    int32_t shard_axis; /* -1: replicated */
    uint32_t n_shards;
    const char *axes; /* names of axes where the file records them, else NULL */
    /* Of torch's own quantised tensors, else NULL; scales and zero_points where they are tensors. */
    const struct wfs_quantised *quantised;
    const struct wfs_expr *scales, *zero_points;
    int8_t weight_decay; /* -1: no mask was asked for; else 0 or 1 */
};
/* What is shown where no root is named. Of a train state (a tree of parameters beside what training
 * keeps), both rules show the model's tree alone. They differ for Flax variables: */
enum wfs_root_rule {
    WFS_ROOT_PARAMETERS, /* the collection params alone, without running statistics */
    WFS_ROOT_MODEL,      /* all collections */
};
struct wfs_inspect_options {
    const char *root; /* joined by '.' or '/'; "" and ".": all; NULL: by the rule */
    enum wfs_root_rule rule;
    const char *const *globs;   /* NULL-terminated; a row must match one; NULL: all */
    bool *matched;              /* NULL, or one a glob: set where it matches a row */
    const char *const *exclude; /* regular expressions, searched in the "."-joined name */
    const char *const *include; /* both: -EINVAL, as get_param_mask_fn */
};
struct wfs_inspect_rows {
    struct wfs_arena *arena;
    const char *root;             /* the path that was chosen; "" for all */
    uint32_t n, n_outside;        /* rows; tensors that are not below root */
    struct wfs_inspect_row *rows; /* naturally sorted by name */
};
/* -EINVAL: a regular expression that does not compile (its message and offset), exclude together
 * with include, a root that is not there. */
int wfs_inspect_rows(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                     const struct wfs_inspect_options *options, struct wfs_inspect_rows **ret,
                     struct wfs_error *err);
void wfs_inspect_rows_free(struct wfs_inspect_rows *rows);
void wfs_inspect_rows_freep(struct wfs_inspect_rows **rows);
/* "axis 0, 4 parts", "Replicated", or the names of its axes. */
void wfs_inspect_sharding(struct wfs_buf *out, const struct wfs_inspect_row *row);
/* Text for a terminal: lines longer than `width` columns (0: none) are cut; colours stay. */
void wfs_inspect_fit(struct wfs_buf *text, unsigned width);

/* ---- table --------------------------------------------------------------------------------- */

enum wfs_table_sort {
    WFS_SORT_NAME,
    WFS_SORT_COUNT,
    WFS_SORT_BYTES,
    WFS_SORT_DTYPE,
    WFS_SORT_SHAPE
};
struct wfs_table_options {
    unsigned depth; /* 0: every parameter; N: subtotals of modules N deep only */
    enum wfs_table_sort sort;
    unsigned width; /* of the terminal; 0: as wide as it gets */
    bool color;
};
/* "Total number of global parameters: 1_234" first, then name, shape, count, dtype, sharding and
 * (with a mask) weight decay; subtotals per module and per dtype at the end. */
void wfs_table_text(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                    struct wfs_buf *out);
void wfs_table_tsv(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                   struct wfs_buf *out);
/* [{"name", "shape", "count", "dtype", "sharding", "weight_decay"}]; weight_decay null without a
 * mask; "quantised" where a tensor is. */
void wfs_table_json(const struct wfs_inspect_rows *rows, const struct wfs_table_options *options,
                    struct wfs_buf *out);
/* {key: shape}: the template format. */
void wfs_table_keys(const struct wfs_inspect_rows *rows, struct wfs_buf *out);

/* ---- content ------------------------------------------------------------------------------- */

/* How tensors are read. */
struct wfs_inspect_run {
    struct wfs_cache *cache; /* of the checkpoint; NULL: nothing is kept */
    unsigned n_threads;      /* 0: one a processor */
    bool progress;           /* a bar where stderr is a terminal */
};
/* A hash of the row-major bytes of every row (n results), from the index where it is known. */
int wfs_inspect_hashes(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                       struct wfs_hash *ret, struct wfs_error *err);

/* ---- diff ---------------------------------------------------------------------------------- */

enum wfs_diff_kind {
    WFS_DIFF_SAME,
    WFS_DIFF_RENAMED, /* the same bytes under another name */
    WFS_DIFF_CHANGED, /* other values */
    WFS_DIFF_DTYPE,   /* another dtype; the values are compared as float64 */
    WFS_DIFF_SHAPE,
    WFS_DIFF_ONLY_A,
    WFS_DIFF_ONLY_B,
    WFS_N_DIFF_KINDS,
};
const char *wfs_diff_kind_name(enum wfs_diff_kind kind); /* "same", "only-in-a", ... */

struct wfs_diff_entry {
    enum wfs_diff_kind kind;
    const struct wfs_inspect_row *a, *b; /* NULL in ONLY_B, ONLY_A */
    bool has_values;                     /* CHANGED and DTYPE of numeric types: */
    double max_abs;                      /* of |a - b|; NaN against a number counts as infinite */
    double max_rel;                      /* of |a - b| / max(|a|, |b|) */
    double cosine;                       /* NaN where a side's norm is 0 or not finite */
    uint64_t n_different;                /* elements */
};
struct wfs_diff {
    struct wfs_arena *arena;
    uint32_t n;
    const struct wfs_diff_entry
        *entries; /* by name; renamed and only-in-b where their name sorts */
    uint32_t n_by_kind[WFS_N_DIFF_KINDS];
};
/* Paired by dotted name, a Flax collection that one side alone has left out; what is left, by
 * content. A second diff of unchanged checkpoints with an index reads nothing. The result borrows
 * both rows. */
int wfs_diff_rows(const struct wfs_inspect_rows *a, const struct wfs_inspect_run *run_a,
                  const struct wfs_inspect_rows *b, const struct wfs_inspect_run *run_b,
                  struct wfs_diff **ret, struct wfs_error *err);
void wfs_diff_free(struct wfs_diff *diff);
void wfs_diff_freep(struct wfs_diff **diff);
void wfs_diff_text(const struct wfs_diff *diff, bool all, struct wfs_buf *out);
void wfs_diff_json(const struct wfs_diff *diff, struct wfs_buf *out);

/* ---- statistics ---------------------------------------------------------------------------- */

/* Statistics of every row, in one pass, kept in the index (struct wfs_stats of tensor.h). `known`
 * says which results are there: with only_known nothing is read, and only what the index has is. */
int wfs_inspect_stats(const struct wfs_inspect_rows *rows, const struct wfs_inspect_run *run,
                      bool only_known, struct wfs_stats *ret, bool *ret_known,
                      struct wfs_error *err);

/* What the cache has to know of a checkpoint: its files (in the arena; none where memory is short),
 * its id and where it lies. */
void wfs_inspect_cache_options(const struct wfs_catalog *catalog, struct wfs_arena *arena,
                               struct wfs_cache_options *ret);
/* Turns each cast of the plans that is a problem since values may overflow (WFS_NARROWED) into an
 * inexact one where the checkpoint's index, if there is one, has statistics that prove the contrary.
 * `cache` are the user's options, of which the index's path is taken. Starts threads and ends them.
 * -ENOMEM. */
int wfs_prove_casts(const struct wfs_catalog *catalog, struct wfs_plan *const *plans,
                    uint32_t n_plans, const struct wfs_cache_options *cache, struct wfs_error *err);

/* The statistics as JSON (see wfs_norms_json) are a fact of this kind: the index's view
 * `statistics` reads them. */
#define WFS_STATISTICS_FACT "statistics"

/* Per parameter, per module (all of its leaves taken together) and global: l2, mean, std (of the
 * population), min, max, zeros, nan, inf. Opaque types have no statistics and are left out. */
struct wfs_norms_options {
    unsigned width; /* of the terminal; 0: as wide as it gets */
    bool color;
};
void wfs_norms_text(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, const struct wfs_norms_options *options,
                    struct wfs_buf *out);
void wfs_norms_tsv(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                   const bool *known, struct wfs_buf *out);
/* The most bytes that wfs_norms_tsv can write, whatever the numbers; 0 without memory. */
uint64_t wfs_norms_tsv_bytes_max(const struct wfs_inspect_rows *rows);
/* {"global": x, "params": {name: {"l2", "mean", "std", "min", "max", "zeros", "nan", "inf"}},
 * "modules": {name: likewise}}; NaN is null, infinities are "Infinity" and "-Infinity". */
void wfs_norms_json(const struct wfs_inspect_rows *rows, const struct wfs_stats *stats,
                    const bool *known, struct wfs_buf *out);

/* ---- check against a target ---------------------------------------------------------------- */

enum wfs_check_kind {
    WFS_CHECK_UNUSED,  /* in the checkpoint, not in the target */
    WFS_CHECK_MISSING, /* in the target, not in the checkpoint: it would not be loaded */
    WFS_CHECK_SHAPE,
    WFS_CHECK_DTYPE,
    WFS_CHECK_UNINITIALISED, /* one value everywhere, where that is no norm and no bias; or all NaN
                              */
    WFS_N_CHECK_KINDS,
};

/* One thing the target expects; has_dtype is false where it does not say (JSON templates). */
struct wfs_check_key {
    const char *name; /* "."-joined */
    uint32_t ndim;
    const uint64_t *shape;
    enum wfs_dtype dtype;
    bool has_dtype;
    const char *quantised; /* with has_dtype: the row's, or NULL */
};
/* Keys of a JSON {key: shape} (or {key: {"shape", "dtype"}}) at path, and of rows, whose names are
 * borrowed. */
int wfs_check_keys_from_json(struct wfs_arena *arena, const char *path,
                             const struct wfs_check_key **ret, size_t *ret_n,
                             struct wfs_error *err);
bool wfs_check_keys_have_root(const struct wfs_check_key *keys, size_t n, const char *root);
/* Those of the keys that are rows of these options (root and globs), called as the rows are; sep is
 * the rows' separator. */
int wfs_check_keys_select(struct wfs_arena *arena, const struct wfs_inspect_options *options,
                          char sep, const struct wfs_check_key **keys, size_t *n,
                          struct wfs_error *err);
int wfs_check_keys_from_rows(struct wfs_arena *arena, const struct wfs_inspect_rows *rows,
                             const struct wfs_check_key **ret, size_t *ret_n,
                             struct wfs_error *err);
struct wfs_check_entry {
    enum wfs_check_kind kind;
    const char *name;
    const char *text; /* "(2, 3) against (3, 2)" */
};
struct wfs_check {
    struct wfs_arena *arena;
    uint32_t n;
    const struct wfs_check_entry *entries; /* by kind, then by name */
    uint32_t n_by_kind[WFS_N_CHECK_KINDS];
};
/* Names are paired as wfs_diff_rows pairs them. run NULL: values are not looked at. The result
 * borrows rows and keys. */
int wfs_check_rows(const struct wfs_inspect_rows *rows, const struct wfs_check_key *keys,
                   size_t n_keys, const struct wfs_inspect_run *run, struct wfs_check **ret,
                   struct wfs_error *err);
void wfs_check_free(struct wfs_check *check);
void wfs_check_freep(struct wfs_check **check);
void wfs_check_text(const struct wfs_check *check, struct wfs_buf *out);
void wfs_check_json(const struct wfs_check *check, struct wfs_buf *out);

/* ---- the page ------------------------------------------------------------------------------ */

/* info/report.html: one page without network. stats of the source's rows may be NULL. plans[0] is
 * the source's. */
void wfs_report_page(const struct wfs_catalog *catalog, struct wfs_plan *const *plans,
                     uint32_t n_plans, const struct wfs_inspect_rows *rows,
                     const struct wfs_stats *stats, const bool *known, struct wfs_buf *out);

#endif
