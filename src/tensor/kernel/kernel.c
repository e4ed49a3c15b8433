/*
 * kernel.c - an N-dimensional strided copy: normalised, then sent to the loop that suits it.
 *
 * After normalisation the axes have counts > 1 and positive destination strides, stand outermost
 * first by destination stride, and no two neighbours could be one axis. Then
 *
 *   a run on both sides       becomes the element (memcpy), and the rest is looked at again;
 *   dense dst, dense src      on different axes: a plane (kernel_plane.h), once an outer index;
 *   dense dst, source stands  still: a fill;
 *   anything else             a loop over the two axes with the smallest strides, in tiles where
 *                             they differ, so that a source line is used up while it is cached.
 */
#include "tensor/kernel/kernel.h"

#include <stdbool.h>
#include <string.h>

#include "tensor/kernel/plane.h"

/* Elements of at least so many bytes are copied in the order of the destination: each fills whole
 * lines of the source anyway. */
#define TILED_ELEM_BYTES_MAX 256
/* The generic loop goes by tiles of so many source bytes along the source's own axis, and so many
 * elements along the other. */
#define TILE_SRC_BYTES 256
#define TILE_DST_ELEMS 64

struct nest {
    uint8_t *dst;
    const uint8_t *src;
    uint64_t elem_bytes;
    uint32_t n;
    struct wfs_copy_axis axes[WFS_COPY_MAX_AXES]; /* outermost first */
};

/* ---- normalisation ------------------------------------------------------------------------- */

static void flip_axis(struct nest *nest, struct wfs_copy_axis *axis)
{
    int64_t last = (int64_t)(axis->count - 1);
    nest->dst += last * axis->dst_stride;
    nest->src += last * axis->src_stride;
    axis->dst_stride = -axis->dst_stride;
    axis->src_stride = -axis->src_stride;
}

/* Keeps the axis unless it selects one element. An axis on which the destination stands still
 * leaves its last element there, as a loop over it would. */
static void take_axis(struct nest *nest, struct wfs_copy_axis axis)
{
    if (axis.dst_stride < 0)
        flip_axis(nest, &axis);
    if (axis.dst_stride == 0)
        nest->src += (int64_t)(axis.count - 1) * axis.src_stride;
    if (axis.count == 1 || axis.dst_stride == 0)
        return;
    uint32_t at = nest->n++;
    for (; at > 0 && nest->axes[at - 1].dst_stride < axis.dst_stride; at--)
        nest->axes[at] = nest->axes[at - 1];
    nest->axes[at] = axis;
}

static bool continues(const struct wfs_copy_axis *outer, const struct wfs_copy_axis *inner)
{
    return outer->dst_stride == inner->dst_stride * (int64_t)inner->count &&
           outer->src_stride == inner->src_stride * (int64_t)inner->count;
}

static void merge_axes(struct nest *nest)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < nest->n; i++) {
        if (n > 0 && continues(&nest->axes[n - 1], &nest->axes[i])) {
            uint64_t count = nest->axes[n - 1].count;
            nest->axes[n - 1] = nest->axes[i];
            nest->axes[n - 1].count *= count;
        } else {
            nest->axes[n++] = nest->axes[i];
        }
    }
    nest->n = n;
}

/* The innermost axis, where it is dense on both sides, becomes part of the element. */
static void absorb_run(struct nest *nest)
{
    if (nest->n == 0)
        return;
    const struct wfs_copy_axis *inner = &nest->axes[nest->n - 1];
    int64_t elem = (int64_t)nest->elem_bytes;
    if (inner->dst_stride == elem && inner->src_stride == elem) {
        nest->elem_bytes *= inner->count;
        nest->n--;
    }
}

static bool normalise(const struct wfs_copy *copy, struct nest *nest)
{
    nest->dst = copy->dst;
    nest->src = copy->src;
    nest->elem_bytes = copy->elem_bytes;
    nest->n = 0;
    for (uint32_t i = 0; i < copy->ndim; i++) {
        if (copy->axes[i].count == 0)
            return false;
        take_axis(nest, copy->axes[i]);
    }
    merge_axes(nest);
    absorb_run(nest);
    return true;
}

static void remove_axis(struct nest *nest, uint32_t at)
{
    nest->n--;
    memmove(&nest->axes[at], &nest->axes[at + 1], (nest->n - at) * sizeof(nest->axes[0]));
}

/* ---- the loop over what is left ------------------------------------------------------------ */

typedef void (*body_fn)(const void *ctx, uint8_t *dst, const uint8_t *src);

/* Calls body at every index of the nest's axes. */
static void for_each(const struct nest *nest, body_fn body, const void *ctx)
{
    uint64_t index[WFS_COPY_MAX_AXES] = {0};
    uint8_t *dst = nest->dst;
    const uint8_t *src = nest->src;
    for (;;) {
        body(ctx, dst, src);
        uint32_t a = nest->n;
        for (; a > 0; a--) {
            const struct wfs_copy_axis *axis = &nest->axes[a - 1];
            dst += axis->dst_stride;
            src += axis->src_stride;
            if (++index[a - 1] < axis->count)
                break;
            dst -= (int64_t)axis->count * axis->dst_stride;
            src -= (int64_t)axis->count * axis->src_stride;
            index[a - 1] = 0;
        }
        if (a == 0)
            return;
    }
}

/* ---- planes -------------------------------------------------------------------------------- */

/* Takes the axis that continues the dense side of a chain out of the nest and puts it into the
 * chain. */
static bool extend_rows(struct nest *nest, struct wfs_chain *rows)
{
    int64_t next = (int64_t)(nest->elem_bytes * rows->count);
    for (uint32_t i = 0; i < nest->n; i++) {
        const struct wfs_copy_axis axis = nest->axes[i];
        if (axis.dst_stride != next)
            continue;
        rows->axes[rows->n_axes].count = axis.count;
        rows->axes[rows->n_axes++].stride = axis.src_stride;
        rows->count *= axis.count;
        remove_axis(nest, i);
        return true;
    }
    return false;
}

static bool extend_cols(struct nest *nest, struct wfs_chain *cols)
{
    int64_t next = (int64_t)(nest->elem_bytes * cols->count);
    for (uint32_t i = 0; i < nest->n; i++) {
        struct wfs_copy_axis axis = nest->axes[i];
        if (axis.src_stride != next && axis.src_stride != -next)
            continue;
        if (axis.src_stride < 0)
            flip_axis(nest, &axis);
        cols->axes[cols->n_axes].count = axis.count;
        cols->axes[cols->n_axes++].stride = axis.dst_stride;
        cols->count *= axis.count;
        remove_axis(nest, i);
        return true;
    }
    return false;
}

static void plane_body(const void *ctx, uint8_t *dst, const uint8_t *src)
{
    wfs_plane_transpose(ctx, dst, src);
}

static const struct wfs_strips *best_strips(void)
{
    for (unsigned level = WFS_N_STRIP_LEVELS - 1; level > 0; level--)
        if (wfs_strips_level(level) != NULL)
            return wfs_strips_level(level);
    return wfs_strips_level(0);
}

/* An axis that could join either chain goes to the shorter one. */
static bool copy_planes(struct nest *nest)
{
    struct wfs_plane plane = {.rows = {.count = 1}, .cols = {.count = 1}, .strips = best_strips()};
    struct nest rest = *nest;
    while (plane.elem_log2 <= WFS_PLANE_MAX_ELEM_LOG2 &&
           UINT64_C(1) << plane.elem_log2 != rest.elem_bytes)
        plane.elem_log2++;
    if (plane.elem_log2 > WFS_PLANE_MAX_ELEM_LOG2)
        return false;
    if (!extend_rows(&rest, &plane.rows) || !extend_cols(&rest, &plane.cols))
        return false;
    bool more = true;
    while (more) {
        bool rows_first = plane.rows.count <= plane.cols.count;
        more = rows_first ? extend_rows(&rest, &plane.rows) : extend_cols(&rest, &plane.cols);
        if (!more)
            more = rows_first ? extend_cols(&rest, &plane.cols) : extend_rows(&rest, &plane.rows);
    }
    for_each(&rest, plane_body, &plane);
    return true;
}

/* ---- fills and the generic loop ------------------------------------------------------------ */

struct leaf {
    uint64_t elem_bytes;
    struct wfs_copy_axis inner, outer; /* outer.count is 1 where there is none */
};

/* Fills a row with one element: what is filled is doubled until the row is full. */
static void fill_body(const void *ctx, uint8_t *dst, const uint8_t *src)
{
    const struct leaf *leaf = ctx;
    uint64_t size = leaf->elem_bytes * leaf->inner.count;
    uint64_t done = leaf->elem_bytes;
    memcpy(dst, src, leaf->elem_bytes);
    while (done < size) {
        uint64_t n = done < size - done ? done : size - done;
        memcpy(dst + done, dst, n);
        done += n;
    }
}

static inline void copy_elem(uint8_t *dst, const uint8_t *src, uint64_t size)
{
    switch (size) {
    case 1:
        *dst = *src;
        break;
    case 2:
        memcpy(dst, src, 2);
        break;
    case 4:
        memcpy(dst, src, 4);
        break;
    case 8:
        memcpy(dst, src, 8);
        break;
    case 16:
        memcpy(dst, src, 16);
        break;
    default:
        memcpy(dst, src, size);
    }
}

/* Is inlined below with a constant size, which makes one loop for each size. */
static inline __attribute__((always_inline)) void tile_loop(const struct leaf *leaf, uint8_t *dst,
                                                            const uint8_t *src, uint64_t n_outer,
                                                            uint64_t n_inner, uint64_t size)
{
    int64_t dst_step = leaf->inner.dst_stride, src_step = leaf->inner.src_stride;
    for (uint64_t i = 0; i < n_outer; i++) {
        uint8_t *d = dst + (int64_t)i * leaf->outer.dst_stride;
        const uint8_t *s = src + (int64_t)i * leaf->outer.src_stride;
        for (uint64_t j = 0; j < n_inner; j++, d += dst_step, s += src_step)
            copy_elem(d, s, size);
    }
}

static void tile(const struct leaf *leaf, uint8_t *dst, const uint8_t *src, uint64_t n_outer,
                 uint64_t n_inner)
{
    switch (leaf->elem_bytes) {
    case 1:
        tile_loop(leaf, dst, src, n_outer, n_inner, 1);
        break;
    case 2:
        tile_loop(leaf, dst, src, n_outer, n_inner, 2);
        break;
    case 4:
        tile_loop(leaf, dst, src, n_outer, n_inner, 4);
        break;
    case 8:
        tile_loop(leaf, dst, src, n_outer, n_inner, 8);
        break;
    default:
        tile_loop(leaf, dst, src, n_outer, n_inner, leaf->elem_bytes);
    }
}

static void generic_body(const void *ctx, uint8_t *dst, const uint8_t *src)
{
    const struct leaf *leaf = ctx;
    uint64_t n_outer = leaf->outer.count, n_inner = leaf->inner.count;
    uint64_t tile_outer = TILE_SRC_BYTES / leaf->elem_bytes + 1;
    uint64_t tile_inner = n_outer == 1 ? n_inner : TILE_DST_ELEMS;
    for (uint64_t i = 0; i < n_outer; i += tile_outer) {
        uint64_t ni = n_outer - i < tile_outer ? n_outer - i : tile_outer;
        for (uint64_t j = 0; j < n_inner; j += tile_inner) {
            uint64_t nj = n_inner - j < tile_inner ? n_inner - j : tile_inner;
            tile(leaf,
                 dst + (int64_t)i * leaf->outer.dst_stride + (int64_t)j * leaf->inner.dst_stride,
                 src + (int64_t)i * leaf->outer.src_stride + (int64_t)j * leaf->inner.src_stride,
                 ni, nj);
        }
    }
}

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* Finds the axis that moves least in the source (an axis that stands still does not count), or else
 * the innermost. */
static uint32_t nearest_in_source(const struct nest *nest)
{
    uint32_t best = nest->n - 1;
    for (uint32_t i = 0; i < nest->n; i++) {
        uint64_t step = magnitude(nest->axes[i].src_stride);
        if (step != 0 && step < magnitude(nest->axes[best].src_stride))
            best = i;
    }
    return best;
}

static void copy_generic(struct nest *nest)
{
    struct leaf leaf = {.elem_bytes = nest->elem_bytes};
    leaf.outer.count = leaf.inner.count = 1;
    if (nest->n > 0) {
        uint32_t inner = nest->n - 1;
        uint32_t near = nearest_in_source(nest);
        leaf.inner = nest->axes[inner];
        if (near != inner && nest->elem_bytes < TILED_ELEM_BYTES_MAX) {
            leaf.outer = nest->axes[near];
            remove_axis(nest, near);
        }
        nest->n--;
    }
    bool fills = leaf.inner.src_stride == 0 && leaf.outer.count == 1 &&
                 leaf.inner.dst_stride == (int64_t)leaf.elem_bytes;
    for_each(nest, fills ? fill_body : generic_body, &leaf);
}

void wfs_kernel_copy(const struct wfs_copy *copy)
{
    struct nest nest;
    if (normalise(copy, &nest) && !copy_planes(&nest))
        copy_generic(&nest);
}
