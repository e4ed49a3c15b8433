/*
 * fields.c - packed fields as pieces: what a quantiser keeps in words is, element by element, so many
 * bits at a place that factors say, so that it is transposed, cut and joined like any tensor.
 * wfs_expr_fields is declared in tensor/tensor.h.
 */
#include "tensor/expr/draft.h"
#include "tensor/tensor.h"

static int refuse(const struct wfs_expr *words, const char *why, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "fields of a tensor of %llu bytes: %s",
                         (unsigned long long)words->size_bytes, why);
}

/* Bytes lie where bytes do. */
static bool is_aligned(uint32_t bits, uint64_t first_bit)
{
    return bits < 8 || first_bit % 8 == 0;
}

/* The extents, and the bits from the first field's first bit to the last one's end. */
static bool measure(uint32_t bits, uint32_t ndim, const struct wfs_field_axis *axes,
                    uint64_t *ret_shape, uint64_t *ret_bits)
{
    uint64_t span = bits;
    for (uint32_t i = 0; i < ndim; i++) {
        ret_shape[i] = 1;
        for (uint32_t f = 0; f < axes[i].n_factors; f++) {
            const struct wfs_factor *factor = &axes[i].factors[f];
            uint64_t far;
            if (factor->stride_bits < 0 || (bits == 8 && factor->stride_bits % 8 != 0) ||
                !wfs_mul_u64(ret_shape[i], factor->count, &ret_shape[i]))
                return false;
            if (factor->count == 0)
                continue;
            if (!wfs_mul_u64(factor->count - 1, (uint64_t)factor->stride_bits, &far) ||
                !wfs_add_u64(span, far, &span))
                return false;
        }
    }
    *ret_bits = span;
    return true;
}

static int check(const struct wfs_expr *words, enum wfs_dtype field, enum wfs_dtype as,
                 struct wfs_error *err)
{
    if (wfs_dtype_is_block(words->dtype) || wfs_dtype_bits(words->dtype) < 8)
        return refuse(words, "it is not made of whole bytes", err);
    if (wfs_dtype_bits(field) > 8 || wfs_dtype_is_block(as) || !wfs_convert_is_exact(field, as))
        return wfs_error_set(err, EINVAL, "fields of %s cannot be shown as %s",
                             wfs_dtype_info(field)->name, wfs_dtype_info(as)->name);
    return 0;
}

static void draw(struct wfs_sketch *sketch, uint32_t ndim, const uint64_t *shape,
                 const struct wfs_field_axis *axes)
{
    for (uint32_t i = 0; i < ndim; i++) {
        wfs_sketch_axis(sketch, 0, shape[i]);
        for (uint32_t f = 0; f < axes[i].n_factors; f++)
            wfs_sketch_factor(sketch, axes[i].factors[f].count, axes[i].factors[f].stride_bits);
    }
}

static int build(struct wfs_arena *arena, const struct wfs_piece *source, uint32_t ndim,
                 const uint64_t *shape, const struct wfs_field_axis *axes, enum wfs_dtype as,
                 const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_draft draft;
    struct wfs_sketch sketch;
    bool is_empty = false;
    for (uint32_t i = 0; i < ndim; i++)
        is_empty |= shape[i] == 0;
    wfs_draft_init(&draft, ndim);
    wfs_sketch_begin(&sketch, source);
    if (!is_empty)
        draw(&sketch, ndim, shape, axes);
    if (!is_empty && wfs_draft_add(&draft, &sketch)) {
        wfs_draft_free(&draft);
        return wfs_error_nomem(err, "a tensor expression");
    }
    return wfs_draft_finish(&draft, arena, as, shape, ret, err);
}

int wfs_expr_fields(struct wfs_arena *arena, const struct wfs_expr *words, enum wfs_dtype field,
                    enum wfs_dtype as, uint64_t first_bit, uint32_t ndim,
                    const struct wfs_field_axis *axes, const struct wfs_expr **ret,
                    struct wfs_error *err)
{
    uint64_t shape[WFS_MAX_NDIM], span, end;
    int r = check(words, field, as, err);
    if (r)
        return r;
    if (!is_aligned(wfs_dtype_bits(field), first_bit) ||
        !measure(wfs_dtype_bits(field), ndim, axes, shape, &span) ||
        !wfs_add_u64(span, first_bit, &end) || (end + 7) / 8 > words->size_bytes)
        return refuse(words, "a field lies outside of it", err);
    struct wfs_piece source = {.base_bits = first_bit, .dtype = field};
    struct wfs_elem_op *cast = wfs_arena_alloc(arena, sizeof(*cast));
    if (!cast)
        return wfs_error_nomem(err, "a tensor expression");
    *cast = (struct wfs_elem_op){.kind = WFS_ELEM_CAST, .dtype = as};
    source.n_ops = field != as;
    source.ops = cast;
    r = wfs_expr_as_bytes(arena, words, &source.bytes, err);
    return r ? r : build(arena, &source, ndim, shape, axes, as, ret, err);
}
