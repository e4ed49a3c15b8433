/*
 * hash.c - the canonical hash of an expression. As factor lists are normal and pieces sorted when
 * an expression is finished (expr.h), writing them down in order is enough: what is not written
 * (how it was built, factors of one step, who shares an operation's memory) does not change the
 * function.
 */
#include "tensor/expr/piece.h"

#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

static void add_u64(XXH3_state_t *state, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    XXH3_128bits_update(state, bytes, sizeof(bytes));
}

static void add_piece(XXH3_state_t *state, uint32_t ndim, const struct wfs_piece *piece)
{
    XXH3_128bits_update(state, piece->bytes->id.bytes, sizeof(piece->bytes->id.bytes));
    add_u64(state, piece->base_bits);
    add_u64(state, piece->dtype);
    add_u64(state, piece->n_ops);
    for (uint32_t i = 0; i < piece->n_ops; i++) {
        uint64_t value;
        memcpy(&value, &piece->ops[i].value, sizeof(value));
        add_u64(state, piece->ops[i].kind);
        add_u64(state, piece->ops[i].dtype);
        add_u64(state, value);
    }
    for (uint32_t axis = 0; axis < ndim; axis++) {
        uint32_t n = wfs_piece_n_factors(piece, axis);
        const struct wfs_factor *factors = wfs_piece_factors(piece, axis);
        add_u64(state, piece->start[axis]);
        add_u64(state, piece->count[axis]);
        add_u64(state, n);
        for (uint32_t f = 0; f < n; f++) {
            add_u64(state, factors[f].count);
            add_u64(state, (uint64_t)factors[f].stride_bits);
        }
    }
}

struct wfs_hash wfs_expr_hash(const struct wfs_expr *expr)
{
    XXH3_state_t state;
    XXH128_canonical_t canonical;
    struct wfs_hash hash;
    XXH3_128bits_reset(&state);
    add_u64(&state, WFS_ENGINE_VERSION);
    add_u64(&state, expr->dtype);
    add_u64(&state, expr->ndim);
    for (uint32_t axis = 0; axis < expr->ndim; axis++)
        add_u64(&state, expr->shape[axis]);
    add_u64(&state, expr->n_pieces);
    for (uint32_t i = 0; i < expr->n_pieces; i++)
        add_piece(&state, expr->ndim, &expr->pieces[i]);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(hash.bytes, canonical.digest, sizeof(hash.bytes));
    return hash;
}
