/*
 * sharded.h - checkpoints whose parameters lie in pieces: putting pieces together, and the
 * directories that are recognised (DCP, Meta's consolidated files, Megatron's ranks).
 */
#ifndef WEIGHTFS_SOURCE_SHARDED_H
#define WEIGHTFS_SOURCE_SHARDED_H

#include "source/directory.h"

/* A piece of a tensor: it stands at `offset` of the whole. */
struct wfs_shard {
    const struct wfs_expr *expr;
    uint64_t offset[WFS_MAX_NDIM];
};

/* The whole of `shape` from n hyper-rectangles that cover it exactly, each element once; shards of
 * no elements are passed over; sorts `shards`. *ret_axis: the axis along which it is cut, -1 where
 * it is whole or cut along several. -EINVAL: a gap, an overlap, another type, or a partition that
 * no sequence of straight cuts makes. */
int wfs_shards_assemble(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                        const uint64_t *shape, struct wfs_shard *shards, uint32_t n,
                        const struct wfs_expr **ret, int32_t *ret_axis, struct wfs_error *err);

/* Opens what a folder holds, where it is one of these; *ret_done false: it is none. Not for
 * weights=GLOB. */
int wfs_source_open_sharded(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                            const struct wfs_source_options *options, bool *ret_done,
                            struct wfs_error *err);

/* dcp.c: torch.distributed.checkpoint, `.metadata` beside .distcp files. */
bool wfs_dcp_is(const struct wfs_listing *listing);
int wfs_dcp_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                 const struct wfs_source_options *options, struct wfs_error *err);
/* dcp_hf.c: the same planner writing safetensors, shard-RRRRR-model-*.safetensors. */
bool wfs_dcp_hf_is(const struct wfs_listing *listing);
int wfs_dcp_hf_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                    const struct wfs_source_options *options, struct wfs_error *err);
/* meta_consolidated.c: consolidated.00.pth, consolidated.01.pth, ... */
bool wfs_meta_consolidated_is(const struct wfs_listing *listing);
int wfs_meta_consolidated_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                               const struct wfs_source_options *options, struct wfs_error *err);
/* megatron.c: mp_rank_TT[_PPP]/model_optim_rng.pt. */
bool wfs_megatron_is(const struct wfs_listing *listing);
int wfs_megatron_open(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                      const struct wfs_source_options *options, struct wfs_error *err);

/* ---- a catalog of its own for each rank (ranks.c) ------------------------------------------ */

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
/* Are they the same, by shape and what they begin with? Copies are not compared to their end. */
int wfs_ranks_same(const struct wfs_expr *a, const struct wfs_expr *b, bool *ret,
                   struct wfs_error *err);
/* Adds it under `path`. What does not fit is noted as refused; negative where nothing more can be
 * read. */
int wfs_ranks_add(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n,
                  const struct wfs_tensor *first, const char *path, struct wfs_join join,
                  struct wfs_error *err);
/* Notes what only ranks after the first have, of the trees that are mapped. */
void wfs_ranks_note_others(struct wfs_catalog *catalog, const struct wfs_rank *ranks, uint32_t n);
/* -o set=tp.GLOB=AXIS or =same: the axis declared for a name; false where there is none. -EINVAL:
 * it is no axis. */
int wfs_declared_axis(const struct wfs_source_options *options, const char *name, bool *ret_found,
                      int32_t *ret_axis, struct wfs_error *err);

#endif
