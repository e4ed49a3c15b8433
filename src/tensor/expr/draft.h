/*
 * draft.h - all pieces of an expression that is being made. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_DRAFT_H
#define WEIGHTFS_TENSOR_EXPR_DRAFT_H

#include "tensor/expr/piece.h"

/* A draft of one piece with few axes keeps it inside itself and needs no heap. */
#define WFS_DRAFT_INLINE_NDIM    8
#define WFS_DRAFT_INLINE_FACTORS 16

struct wfs_draft_entry {
    struct wfs_bytes *bytes;
    uint64_t base_bits;
    const struct wfs_elem_op *ops;
    enum wfs_dtype dtype;
    uint32_t n_ops;
    size_t factors_at; /* into factors */
};

struct wfs_draft {
    uint32_t ndim;
    size_t n_pieces, cap_pieces;
    struct wfs_draft_entry *pieces;
    size_t cap_boxes;
    uint64_t *boxes; /* 2 * ndim a piece: start, count */
    size_t cap_firsts;
    uint32_t *firsts; /* ndim + 1 a piece */
    size_t n_factors, cap_factors;
    struct wfs_factor *factors;
    struct wfs_draft_entry inline_piece;
    uint64_t inline_box[2 * WFS_DRAFT_INLINE_NDIM];
    uint32_t inline_first[WFS_DRAFT_INLINE_NDIM + 1];
    struct wfs_factor inline_factors[WFS_DRAFT_INLINE_FACTORS];
};

void wfs_draft_init(struct wfs_draft *draft, uint32_t ndim);
void wfs_draft_free(struct wfs_draft *draft);
/* 0, -ENOMEM, or -E2BIG past WFS_EXPR_MAX_PIECES: without a message, the caller may nest. */
int wfs_draft_add(struct wfs_draft *draft, const struct wfs_sketch *sketch);
struct wfs_piece wfs_draft_piece(const struct wfs_draft *draft, size_t i);
/* Pieces by their start: on one axis first (or last, where is_last), then on the others in turn. */
struct wfs_draft_order {
    const struct wfs_draft *draft; /* of at least one axis */
    uint32_t axis;
    bool is_last;
    uint64_t max_count; /* of the pieces on the axis */
};
/* By the axis on which a range meets the fewest pieces. */
struct wfs_draft_order wfs_draft_order(const struct wfs_draft *draft, const uint64_t *shape);
/* A malloc'd permutation of the pieces, or NULL when out of memory. */
uint32_t *wfs_draft_sorted(const struct wfs_draft *draft, struct wfs_draft_order *order);
/* Lays the expression out and frees the draft, on failure too. */
int wfs_draft_finish(struct wfs_draft *draft, struct wfs_arena *arena, enum wfs_dtype dtype,
                     const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err);

#endif
