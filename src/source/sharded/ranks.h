/*
 * ranks.h - checkpoints of which every rank wrote a file of its own.
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_RANKS_H
#define WEIGHTFS_SOURCE_SHARDED_RANKS_H

#include "source/source.h"

struct wfs_rank {
    struct wfs_catalog *catalog; /* freed with the catalog it was opened for */
    uint32_t file;               /* its file in that catalog */
};
/* Opens one rank's file; its file and its dangers are added to `catalog`. */
int wfs_rank_open(struct wfs_catalog *catalog, const char *path, const char *name,
                  const struct wfs_source_options *options, struct wfs_rank *ret,
                  struct wfs_error *err);
/* How the same-named tensors of n ranks become one. */
struct wfs_join {
    int32_t axis;      /* -1: equal copies, the first counts */
    uint32_t n_groups; /* 1; k: each part is k parts along the axis (gate and up; q, k and v), and
                          the whole has them rank by rank, group after group */
    bool is_declared;  /* by the user: copies need not be alike */
};
/* Tells by type, shape and the first bytes whether two tensors are copies; they are not compared to
 * their end. */
int wfs_ranks_same(const struct wfs_expr *a, const struct wfs_expr *b, bool *ret,
                   struct wfs_error *err);
/* Joins the ranks' tensors of the name of `first` and adds the whole under `path`. Parts that do
 * not fit are noted as refused; negative where nothing more can be read. */
int wfs_ranks_add(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n,
                  const struct wfs_tensor *first, const char *path, struct wfs_join join,
                  struct wfs_error *err);
/* Notes tensors of the mapped trees that the first rank does not have. */
void wfs_ranks_note_others(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n);
/* -o set=tp.GLOB=AXIS or =same: the axis declared for a name; false where there is none. -EINVAL:
 * it is no axis. */
int wfs_declared_axis(const struct wfs_source_options *options, const char *name, bool *ret_found,
                      int32_t *ret_axis, struct wfs_error *err);

#endif
