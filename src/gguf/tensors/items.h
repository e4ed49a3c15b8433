/*
 * items.h - the tensors of a GGUF file on their way into it: name, values, and the type that they
 * are written in.
 */
#ifndef WEIGHTFS_GGUF_TENSORS_ITEMS_H
#define WEIGHTFS_GGUF_TENSORS_ITEMS_H

#include "tensor/tensor.h"

struct wfs_gguf_item {
    const char *name;            /* "blk.0.attn_q.weight" */
    const struct wfs_expr *expr; /* as the view has it */
    enum wfs_dtype dtype;        /* to be written in */
    uint32_t target;             /* of the plan */
};

/* N of "blk.N.", or -1. */
int wfs_gguf_layer(const char *name);
/* Axes without those of one element behind the last other one, as ggml counts them; the row is the last
 * axis of the shape. */
uint32_t wfs_gguf_n_dims(const struct wfs_expr *expr);
static inline uint64_t wfs_gguf_row(const struct wfs_expr *expr)
{
    return expr->ndim ? expr->shape[expr->ndim - 1] : 1;
}
static inline bool wfs_gguf_row_fits(const struct wfs_expr *expr, enum wfs_dtype dtype)
{
    return !wfs_dtype_is_block(dtype) ||
           wfs_gguf_row(expr) % wfs_dtype_info(dtype)->block_elems == 0;
}
bool wfs_gguf_ends_with(const char *name, const char *end);

/* llama-quantize's order: by layer, those of no layer first, then by the bytes of the name. */
void wfs_gguf_sort_by_layer(struct wfs_gguf_item *items, uint32_t n);
/* Makes item->expr one of item->dtype: cast or encoded; blocks stay as they are. -ENOTSUP where the
 * values are no floats, naming the tensor. */
int wfs_gguf_item_encode(struct wfs_arena *arena, struct wfs_gguf_item *item,
                         struct wfs_error *err);

#endif
