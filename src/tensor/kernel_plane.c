/*
 * kernel_plane.c - walks a plane in strips: a block of source columns, then the source rows in
 * groups that fill one cache line of each destination row.
 *
 * Why this order: a line of the destination is written whole and once, so that it costs one
 * transfer even where a power-of-two stride maps every destination row to the same cache set; the
 * column block bounds how many destination rows (pages, lines) are open at a time. What does not
 * fill a group or a register is done by a last strip that overlaps the one before it: the same
 * bytes are written twice, nothing outside is touched.
 */
#include <string.h>

#include "tensor/kernel_plane.h"

/* Source bytes of a column block. */
#define BLOCK_BYTES 1024
/* The last block may be longer, so that no block is narrower than a register. */
#define BLOCK_COLS_MAX(elem) (BLOCK_BYTES / (elem) + WFS_NARROW_BYTES)

#if !defined(__x86_64__)
const struct wfs_strips *wfs_strips_for_cpu(void)
{
    return NULL;
}
#endif

/* Offsets of entries [first, first + n) of a chain: a mixed-radix counter, one division a digit. */
static void count_offsets(const struct wfs_chain *chain, uint64_t first, size_t n, int64_t *ret)
{
    uint64_t digit[WFS_COPY_MAX_AXES];
    int64_t off = 0;
    for (uint32_t a = 0; a < chain->n_axes; a++) {
        digit[a] = first % chain->axes[a].count;
        first /= chain->axes[a].count;
        off += (int64_t)digit[a] * chain->axes[a].stride;
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] = off;
        for (uint32_t a = 0; a < chain->n_axes; a++) {
            off += chain->axes[a].stride;
            if (++digit[a] < chain->axes[a].count)
                break;
            off -= (int64_t)digit[a] * chain->axes[a].stride;
            digit[a] = 0;
        }
    }
}

static void chain_offsets(const struct wfs_chain *chain, uint64_t first, size_t n, int64_t *ret)
{
    if (chain->n_axes != 1) {
        count_offsets(chain, first, n, ret);
        return;
    }
    int64_t stride = chain->axes[0].stride, off = (int64_t)first * stride;
    for (size_t i = 0; i < n; i++, off += stride)
        ret[i] = off;
}

struct group {
    uint8_t *dst;
    const int64_t *dst_off;
    const uint8_t *src;
    const int64_t *src_off;
    size_t n_rows, n_cols;
};

#define DEFINE_SCALAR(NAME, TYPE)                                                                  \
    static void NAME(const struct group *g)                                                        \
    {                                                                                              \
        for (size_t j = 0; j < g->n_cols; j++) {                                                   \
            uint8_t *out = g->dst + g->dst_off[j];                                                 \
            for (size_t i = 0; i < g->n_rows; i++)                                                 \
                memcpy(out + i * sizeof(TYPE), g->src + g->src_off[i] + j * sizeof(TYPE),          \
                       sizeof(TYPE));                                                              \
        }                                                                                          \
    }
struct elem16 {
    uint64_t half[2];
};
DEFINE_SCALAR(scalar_1, uint8_t)
DEFINE_SCALAR(scalar_2, uint16_t)
DEFINE_SCALAR(scalar_4, uint32_t)
DEFINE_SCALAR(scalar_8, uint64_t)
DEFINE_SCALAR(scalar_16, struct elem16)

static void scalar(uint32_t elem_log2, const struct group *g)
{
    static void (*const by_size[])(const struct group *) = {scalar_1, scalar_2, scalar_4, scalar_8,
                                                            scalar_16};
    by_size[elem_log2](g);
}

/* All rows of one column block, by strips of `fn`'s height; more than one strip high. */
static void block_by_strips(const struct wfs_plane *plane, const struct group *g, wfs_strip_fn fn,
                            size_t height)
{
    int64_t src_off[WFS_WIDE_BYTES];
    uint64_t n_rows = plane->rows.count;
    for (uint64_t i = 0; i < n_rows; i += height) {
        uint64_t first = i + height <= n_rows ? i : n_rows - height;
        chain_offsets(&plane->rows, first, height, src_off);
        fn(g->dst + (first << plane->elem_log2), g->dst_off, g->src, src_off, g->n_cols);
    }
}

static void block_by_scalars(const struct wfs_plane *plane, const struct group *all)
{
    int64_t src_off[WFS_WIDE_BYTES];
    size_t height = (size_t)WFS_WIDE_BYTES >> plane->elem_log2;
    for (uint64_t i = 0; i < plane->rows.count; i += height) {
        uint64_t left = plane->rows.count - i;
        struct group g = *all;
        g.src_off = src_off;
        g.n_rows = left < height ? (size_t)left : height;
        g.dst += i << plane->elem_log2;
        chain_offsets(&plane->rows, i, g.n_rows, src_off);
        scalar(plane->elem_log2, &g);
    }
}

static void block(const struct wfs_plane *plane, const struct group *g)
{
    const struct wfs_strips *strips = wfs_strips_for_cpu();
    size_t wide = (size_t)WFS_WIDE_BYTES >> plane->elem_log2;
    size_t narrow = (size_t)WFS_NARROW_BYTES >> plane->elem_log2;
    if (strips == NULL || g->n_cols < narrow || plane->rows.count < narrow)
        block_by_scalars(plane, g);
    else if (plane->rows.count >= wide)
        block_by_strips(plane, g, strips->wide[plane->elem_log2], wide);
    else
        block_by_strips(plane, g, strips->narrow[plane->elem_log2], narrow);
}

void wfs_plane_transpose(const struct wfs_plane *plane, uint8_t *dst, const uint8_t *src)
{
    int64_t dst_off[BLOCK_COLS_MAX(1)];
    uint64_t full = (uint64_t)BLOCK_BYTES >> plane->elem_log2;
    uint64_t n_cols;
    for (uint64_t j = 0; j < plane->cols.count; j += n_cols) {
        uint64_t left = plane->cols.count - j;
        n_cols = left < full + ((uint64_t)WFS_NARROW_BYTES >> plane->elem_log2) ? left : full;
        chain_offsets(&plane->cols, j, (size_t)n_cols, dst_off);
        struct group g = {.dst = dst, .dst_off = dst_off, .n_cols = (size_t)n_cols};
        g.src = src + (j << plane->elem_log2);
        block(plane, &g);
    }
}
