/*
 * plane.c - walks a plane in blocks that meet memory in long runs on both sides.
 *
 *      source                  scratch (in L2)             destination
 *      rows x 512 B   --strips-->  columns x 512 B  --runs-->  columns x 512 B
 *
 * Why by way of scratch: a single cache line here and there is the slowest way to read or write
 * memory (a third of the speed of runs of 512 bytes), and a power-of-two stride maps all of those
 * lines to one cache set. The block is read row by row, a few rows at a time and each line whole;
 * scratch has a pitch that is no power of two; what leaves it leaves in runs. Prefetching pays
 * because the hardware's own prefetchers learn nothing from runs this short.
 */
#include "tensor/kernel/plane.h"

#include <string.h>

/* Source bytes of a block's row; one-byte elements get half, so that scratch is the same. */
#define BLOCK_ROW_BYTES(elem_log2) ((elem_log2) == 0 ? 256 : 512)
/* A last block may be up to a strip longer, so that none is thinner than a strip. */
#define BLOCK_COLS_MAX (256 + WFS_STRIP_BYTES)
#define BLOCK_ROWS_MAX (WFS_RUN_BYTES + WFS_STRIP_BYTES)
#define RUNS_AHEAD     8

/* Too large for a stack that a caller may have made small; used only within one call. */
static _Thread_local _Alignas(WFS_CACHE_LINE) uint8_t scratch[BLOCK_COLS_MAX * WFS_PITCH_BYTES];
_Static_assert(WFS_PITCH_BYTES >= BLOCK_ROWS_MAX, "a last block's longer column fits");

/* ---- offsets ------------------------------------------------------------------------------- */

/* Counts the axes like the digits of a number; only the first entry needs a division for each
 * digit. */
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

/* The offsets of the entries [first, first + n) of a chain. */
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

/* ---- strips in portable C ------------------------------------------------------------------ */

#define DEFINE_PORTABLE(ELEM)                                                                      \
    static void some_rows_##ELEM(uint8_t *out, const uint8_t *src, const int64_t *src_off,         \
                                 size_t n_rows, size_t n_cols)                                     \
    {                                                                                              \
        for (size_t j = 0; j < n_cols; j++)                                                        \
            for (size_t i = 0; i < n_rows; i++)                                                    \
                memcpy(out + j * WFS_PITCH_BYTES + i * (ELEM), src + src_off[i] + j * (ELEM),      \
                       (ELEM));                                                                    \
    }                                                                                              \
    static void strip_##ELEM(uint8_t *out, const uint8_t *src, const int64_t *src_off,             \
                             size_t n_cols)                                                        \
    {                                                                                              \
        some_rows_##ELEM(out, src, src_off, WFS_STRIP_BYTES / (ELEM), n_cols);                     \
    }
DEFINE_PORTABLE(1)
DEFINE_PORTABLE(2)
DEFINE_PORTABLE(4)
DEFINE_PORTABLE(8)
DEFINE_PORTABLE(16)

/* Copies a block that is thinner than a strip, element by element. */
static void copy_remnant(uint32_t elem_log2, uint8_t *out, const uint8_t *src,
                         const int64_t *src_off, size_t n_rows, size_t n_cols)
{
    static void (*const by_size[])(uint8_t *, const uint8_t *, const int64_t *, size_t, size_t) = {
        some_rows_1, some_rows_2, some_rows_4, some_rows_8, some_rows_16};
    by_size[elem_log2](out, src, src_off, n_rows, n_cols);
}

const struct wfs_strips *wfs_strips_level(unsigned level)
{
    static const struct wfs_strips portable = {{strip_1, strip_2, strip_4, strip_8, strip_16}};
    return level == 0 ? &portable : wfs_strips_native(level);
}

/* ---- blocks -------------------------------------------------------------------------------- */

struct block {
    const struct wfs_plane *plane;
    uint8_t *dst; /* of the block's first row */
    const uint8_t *src;
    size_t n_rows, n_cols;
    int64_t dst_off[BLOCK_COLS_MAX];
    int64_t src_off[BLOCK_ROWS_MAX + WFS_ROWS_AHEAD];
};

/* All strips of a block; the last one steps back over rows that are done already: they are written
 * twice, nothing outside is touched. */
static void fill_scratch(const struct block *block)
{
    uint32_t elem_log2 = block->plane->elem_log2;
    size_t height = (size_t)WFS_STRIP_BYTES >> elem_log2;
    if (block->n_rows < height || block->n_cols < height) {
        copy_remnant(elem_log2, scratch, block->src, block->src_off, block->n_rows, block->n_cols);
        return;
    }
    wfs_strip_fn strip = block->plane->strips->by_elem_log2[elem_log2];
    for (size_t i = 0; i < block->n_rows; i += height) {
        size_t first = i + height <= block->n_rows ? i : block->n_rows - height;
        strip(scratch + (first << elem_log2), block->src, block->src_off + first, block->n_cols);
    }
}

static void empty_scratch(const struct block *block)
{
    size_t run_bytes = block->n_rows << block->plane->elem_log2;
    for (size_t j = 0; j < block->n_cols; j++) {
        for (size_t x = 0; j + RUNS_AHEAD < block->n_cols && x < run_bytes; x += WFS_CACHE_LINE)
            __builtin_prefetch(block->dst + block->dst_off[j + RUNS_AHEAD] + x, 1);
        memcpy(block->dst + block->dst_off[j], scratch + j * WFS_PITCH_BYTES, run_bytes);
    }
}

/* Notes what is read after this block, the same rows further along, so that it is prefetched;
 * nothing else is done with it. */
static void look_ahead(struct block *block, int64_t row_bytes)
{
    for (size_t i = 0; i < WFS_ROWS_AHEAD; i++)
        block->src_off[block->n_rows + i] = block->src_off[i % block->n_rows] + row_bytes;
}

/* The next step of at most `full`, or all that is left where what remained would be too thin. */
static size_t next_step(uint64_t left, size_t full, size_t thin)
{
    return left < full + thin ? (size_t)left : full;
}

void wfs_plane_transpose(const struct wfs_plane *plane, uint8_t *dst, const uint8_t *src)
{
    struct block block; /* its tables are filled as far as they are used */
    uint32_t elem_log2 = plane->elem_log2;
    size_t full_rows = (size_t)WFS_RUN_BYTES >> elem_log2;
    size_t full_cols = (size_t)BLOCK_ROW_BYTES(elem_log2) >> elem_log2;
    size_t thin = (size_t)WFS_STRIP_BYTES >> elem_log2;
    block.plane = plane;
    for (uint64_t i = 0; i < plane->rows.count; i += block.n_rows) {
        block.n_rows = next_step(plane->rows.count - i, full_rows, thin);
        chain_offsets(&plane->rows, i, block.n_rows, block.src_off);
        look_ahead(&block, BLOCK_ROW_BYTES(elem_log2));
        block.dst = dst + (i << elem_log2);
        for (uint64_t j = 0; j < plane->cols.count; j += block.n_cols) {
            block.n_cols = next_step(plane->cols.count - j, full_cols, thin);
            chain_offsets(&plane->cols, j, block.n_cols, block.dst_off);
            block.src = src + (j << elem_log2);
            fill_scratch(&block);
            empty_scratch(&block);
        }
    }
}
