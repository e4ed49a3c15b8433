/*
 * nested.c - a source that is any expression's row-major bytes, so that an expression can stand on
 * another one where strides alone cannot say it.
 */
#include "tensor/expr/nested.h"

#include "tensor/expr/computed.h"
#include "tensor/expr/run.h"

struct nested {
    struct wfs_computed computed;
    const struct wfs_expr *expr;
};

static int nested_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    return wfs_expr_read(((struct nested *)bytes)->expr, buf, len, off, err);
}

static int nested_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return wfs_expr_check(((struct nested *)bytes)->expr, err);
}

static const struct wfs_bytes_ops nested_ops = {
    .kind = "expression", .read = nested_read, .free = wfs_computed_stay, .check = nested_check};

const struct wfs_expr *wfs_nested_expr(const struct wfs_bytes *bytes)
{
    return bytes->ops == &nested_ops ? ((const struct nested *)bytes)->expr : NULL;
}

bool wfs_expr_only_moves(const struct wfs_expr *expr)
{
    for (uint32_t i = 0; i < expr->n_pieces; i++) {
        const struct wfs_piece *piece = &expr->pieces[i];
        const struct wfs_expr *inner = wfs_nested_expr(piece->bytes);
        if (piece->n_ops)
            return false;
        if (inner ? inner->dtype != piece->dtype || !wfs_expr_only_moves(inner)
                  : wfs_bytes_computed(piece->bytes))
            return false;
    }
    return true;
}

int wfs_expr_as_bytes(struct wfs_arena *arena, const struct wfs_expr *in, struct wfs_bytes **ret,
                      struct wfs_error *err)
{
    struct wfs_bytes *whole;
    uint64_t off;
    if (wfs_expr_is_any_run(in, &whole, &off) && off == 0 && whole->size_bytes == in->size_bytes) {
        *ret = whole;
        return 0;
    }
    struct {
        char kind[8];
        struct wfs_hash expr;
    } key = {"nested", wfs_expr_hash(in)};
    uint32_t depth = wfs_computed_depth(in);
    int r = wfs_computed_check_depth(depth, err);
    if (r)
        return r;
    struct nested *nested = wfs_arena_alloc(arena, sizeof(*nested));
    if (!nested)
        return wfs_error_nomem(err, "a tensor expression");
    wfs_computed_init(&nested->computed, &nested_ops, "a tensor expression", in->dtype,
                      in->size_bytes, &key, sizeof(key));
    nested->computed.depth = depth + 1;
    nested->expr = in;
    nested->computed.n_operands = 1;
    nested->computed.operands = &nested->expr;
    *ret = &nested->computed.base;
    return 0;
}

int wfs_expr_nest(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                  const uint64_t *shape, enum wfs_dtype dtype, const struct wfs_expr **ret,
                  struct wfs_error *err)
{
    struct wfs_bytes *bytes;
    int r = wfs_expr_as_bytes(arena, in, &bytes, err);
    return r ? r : wfs_expr_contiguous(arena, bytes, 0, dtype, ndim, shape, ret, err);
}
