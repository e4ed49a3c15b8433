/*
 * geometry.c - how an expression wants to be read: straight, in ranges, or in blocks.
 *
 * A gather is fast when it reads STRIPS of at least about 512 bytes of neighbouring source bytes.
 * The axes with the smallest source strides make up a strip; where one of them stands outside in
 * the result (a transposition), a contiguous range of the result holds whole strips only if it
 * covers enough steps of that axis. That many bytes are a block. Where strips need but a small
 * range anyway, a range read costs no more than its bytes, and there are no blocks.
 */
#include "tensor/tensor.h"

#include <stdlib.h>

#include "tensor/expr/computed.h"
#include "tensor/expr/run.h"

#define STRIP_BYTES 1024
/* Where each row of a block takes at least a whole page of the source, no page is read twice, even
 * if memory is too short to keep it for the next block. Such blocks are chosen as long as they stay
 * this small; where the source is read over a network they may be larger. */
#define STRIP_PAGE_BYTES        4096
#define PAGE_BLOCK_BYTES        (UINT64_C(4) << 20)
#define PAGE_BLOCK_REMOTE_BYTES (UINT64_C(32) << 20)
#define BLOCK_MIN_BYTES         (UINT64_C(1) << 20)
#define BLOCK_MAX_BYTES         (UINT64_C(32) << 20)
/* Source ranges of this size are read in one piece wherever they lie, so no block is made for them.
 */
#define FREE_BYTES (UINT64_C(16) << 10)
/* Of many pieces only so many are looked at, since the pieces of a tensor are mostly alike. */
#define SAMPLED_PIECES 64

/* ---- blocks -------------------------------------------------------------------------------- */

struct step {
    uint64_t count;
    uint64_t src_bytes; /* distance in the source */
    uint64_t dst_bytes; /* distance in the result */
};

static int by_source(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->src_bytes != y->src_bytes)
        return x->src_bytes < y->src_bytes ? -1 : 1;
    return x->dst_bytes < y->dst_bytes ? -1 : x->dst_bytes > y->dst_bytes;
}

/* All factors of a piece, smallest source stride first; those that stand still are left out. */
static uint32_t steps_of(const struct wfs_expr *expr, const struct wfs_piece *piece,
                         struct step *ret)
{
    uint64_t out_bits = wfs_dtype_bits(expr->dtype), axis_elems = 1;
    uint32_t n = 0;
    for (uint32_t axis = expr->ndim; axis-- > 0; axis_elems *= expr->shape[axis]) {
        const struct wfs_factor *factors = wfs_piece_factors(piece, axis);
        uint64_t elems = axis_elems;
        for (uint32_t f = wfs_piece_n_factors(piece, axis); f-- > 0; elems *= factors[f].count) {
            if (factors[f].stride_bits == 0)
                continue;
            ret[n++] =
                (struct step){factors[f].count, ((uint64_t)llabs(factors[f].stride_bits) + 7) / 8,
                              (elems * out_bits + 7) / 8};
        }
    }
    qsort(ret, n, sizeof(*ret), by_source);
    return n;
}

/* How many bytes of the result a block must have so that it reads whole strips of the source, and
 * the step of the axis that makes it so many. */
struct want {
    uint64_t bytes, unit;
};

static struct want want_strips(const struct wfs_expr *expr, const struct wfs_piece *piece,
                               uint64_t strip_bytes)
{
    struct step steps[WFS_MAX_FACTORS];
    uint32_t n = steps_of(expr, piece, steps);
    struct want want = {0, 1};
    uint64_t strip = 0;
    for (uint32_t i = 0; i < n && strip < strip_bytes / 2; i++) {
        uint64_t width = wfs_max_u64(steps[i].src_bytes, 1);
        uint64_t count = wfs_min_u64(steps[i].count, (strip_bytes + width - 1) / width);
        if (count * steps[i].dst_bytes > want.bytes)
            want = (struct want){count * steps[i].dst_bytes, steps[i].dst_bytes};
        strip = count * width;
    }
    return want;
}

static struct want want_of(const struct wfs_expr *expr, const struct wfs_piece *piece)
{
    const struct wfs_file_info *file = wfs_bytes_file_info(piece->bytes);
    struct want want = want_strips(expr, piece, STRIP_BYTES);
    struct want pages = want_strips(expr, piece, STRIP_PAGE_BYTES);
    uint64_t max = file && file->is_network ? PAGE_BLOCK_REMOTE_BYTES : PAGE_BLOCK_BYTES;
    return want.bytes > FREE_BYTES && pages.bytes <= max ? pages : want;
}

/* A source that cannot be mapped is read whole for each block: few, large ones. */
static bool is_slow(const struct wfs_bytes *bytes)
{
    return !bytes->ops->map;
}

static uint64_t block_of(const struct wfs_expr *expr, const struct wfs_piece *piece)
{
    struct want want = want_of(expr, piece);
    if (want.bytes <= FREE_BYTES)
        return 0;
    uint64_t bytes = want.bytes;
    if (bytes < BLOCK_MIN_BYTES)
        bytes = wfs_max_u64(BLOCK_MIN_BYTES / want.unit, bytes / want.unit) * want.unit;
    if (bytes > BLOCK_MAX_BYTES || is_slow(piece->bytes))
        bytes = want.unit <= BLOCK_MAX_BYTES ? BLOCK_MAX_BYTES / want.unit * want.unit
                                             : BLOCK_MAX_BYTES;
    return bytes;
}

/* The block of what an expression is computed of, in bytes of the result: their elements may have
 * another size. */
static uint64_t block_of_operand(const struct wfs_expr *expr, const struct wfs_expr *operand)
{
    uint64_t block = wfs_expr_block_bytes(operand), bytes;
    if (operand->n_elems == 0 || !wfs_mul_u64(block, expr->size_bytes, &bytes))
        return block;
    return wfs_min_u64(bytes / operand->size_bytes, BLOCK_MAX_BYTES);
}

uint64_t wfs_expr_block_bytes(const struct wfs_expr *expr)
{
    struct wfs_bytes *bytes;
    uint64_t off, block = 0;
    uint32_t n = expr->n_pieces, step = n / SAMPLED_PIECES + 1;
    if (expr->size_bytes <= FREE_BYTES)
        return 0;
    if (wfs_expr_is_any_run(expr, &bytes, &off)) {
        const struct wfs_expr *const *operands = wfs_computed_operands(bytes, &n);
        for (uint32_t i = 0; i < n; i++)
            block = wfs_max_u64(block, block_of_operand(expr, operands[i]));
    } else {
        for (uint32_t i = 0; i < n; i += step)
            block = wfs_max_u64(block, block_of(expr, &expr->pieces[i]));
    }
    return wfs_min_u64(block, expr->size_bytes);
}
