/*
 * torch_tensor.c - a view of a storage as an expression: offset, sizes, strides, type, and the conj
 * and neg bits.
 *
 * Invariant: an expression reaches no byte outside its storage, whatever the pickle says; sizes and
 * strides are multiplied with checks. Offsets and strides count elements.
 *
 * Refused: negative strides (torch has none), more than WFS_MAX_NDIM axes, a type other than the
 * storage's size allows, views beyond the storage, and expanded tensors (stride 0) beyond
 * TORCH_MAX_EXPANDED_BYTES.
 */
#include "source/torch/torch_tensor.h"

#include <string.h>

#include "source/torch/torch_storage.h"

/* A view that repeats elements takes no room in the file but its whole size in a reader, so its
 * size is bounded. */
#define TORCH_MAX_EXPANDED_BYTES (UINT64_C(1) << 42)

struct geometry {
    uint32_t ndim;
    uint64_t shape[WFS_MAX_NDIM];
    int64_t strides[WFS_MAX_NDIM];
    uint64_t offset; /* elements */
    uint64_t n_elems, size_bytes;
    enum wfs_dtype dtype;
};

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

bool wfs_torch_shape_of(const struct wfs_node *node, uint32_t *ret_ndim,
                        uint64_t shape[WFS_MAX_NDIM])
{
    if (!node || (node->kind != WFS_NODE_TUPLE && node->kind != WFS_NODE_LIST) ||
        node->n > WFS_MAX_NDIM)
        return false;
    for (uint32_t i = 0; i < node->n; i++)
        if (!wfs_node_u64(node->items[i], &shape[i]))
            return false;
    *ret_ndim = node->n;
    return true;
}

static int read_geometry(struct wfs_torch *t, const struct wfs_torch_view *view, struct geometry *g,
                         struct wfs_error *err)
{
    if (!wfs_torch_shape_of(view->size, &g->ndim, g->shape))
        return refuse(t, err, "its size is no tuple of at most 64 numbers");
    if (!view->stride || view->stride->n != g->ndim ||
        (view->stride->kind != WFS_NODE_TUPLE && view->stride->kind != WFS_NODE_LIST))
        return refuse(t, err, "it has not as many strides as axes");
    for (uint32_t i = 0; i < g->ndim; i++) {
        if (!wfs_node_i64(view->stride->items[i], &g->strides[i]))
            return refuse(t, err, "a stride is no number");
        if (g->strides[i] < 0)
            return refuse(t, err, "a stride is negative");
    }
    if (!wfs_node_u64(view->offset, &g->offset))
        return refuse(t, err, "its offset is no number");
    int r = wfs_shape_size(g->dtype, g->ndim, g->shape, &g->n_elems, &g->size_bytes, err);
    return r;
}

/* offset + sum((size - 1) * stride) must be an element of the storage. */
static int check_reach(struct wfs_torch *t, const struct geometry *g, uint64_t storage_elems,
                       struct wfs_error *err)
{
    uint64_t last = g->offset, step;
    if (g->n_elems == 0)
        return 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < g->ndim; i++)
        ok = wfs_mul_u64(g->shape[i] - 1, (uint64_t)g->strides[i], &step) &&
             wfs_add_u64(last, step, &last);
    if (!ok || last >= storage_elems)
        return refuse(t, err, "its offset, size and strides reach beyond its storage");
    if (g->size_bytes > TORCH_MAX_EXPANDED_BYTES && g->n_elems > storage_elems)
        return refuse(t, err, "it expands its storage beyond 4 TiB");
    return 0;
}

static bool is_contiguous(const struct geometry *g)
{
    uint64_t want = 1;
    for (uint32_t i = g->ndim; i-- > 0;) {
        if (g->shape[i] != 1 && (uint64_t)g->strides[i] != want)
            return g->n_elems == 0;
        want *= g->shape[i]; /* the product was checked */
    }
    return true;
}

static int apply(struct wfs_torch *t, enum wfs_elem_op_kind kind, const struct wfs_expr **expr,
                 struct wfs_error *err)
{
    struct wfs_elem_op op = {.kind = kind, .dtype = (*expr)->dtype};
    return wfs_expr_elementwise(t->catalog->arena, *expr, &op, expr, err);
}

static bool has_bit(const struct wfs_node *metadata, const char *name)
{
    const struct wfs_node *bit = wfs_node_get(metadata, name);
    return bit && bit->kind == WFS_NODE_BOOL && bit->i;
}

static int apply_bits(struct wfs_torch *t, const struct wfs_torch_view *view, bool is_swapped,
                      const struct wfs_expr **expr, struct wfs_error *err)
{
    int r = 0;
    if (is_swapped && wfs_dtype_bits((*expr)->dtype) > 8)
        r = apply(t, WFS_ELEM_BYTESWAP, expr, err);
    if (!r && has_bit(view->metadata, "conj") &&
        wfs_dtype_info((*expr)->dtype)->kind == WFS_KIND_COMPLEX)
        r = apply(t, WFS_ELEM_CONJ, expr, err);
    if (!r && has_bit(view->metadata, "neg"))
        r = apply(t, WFS_ELEM_NEG, expr, err);
    return r;
}

/* The key of a view in t->views: tensors with one key are the same bytes, that is, tied. */
static const char *view_key(struct wfs_torch *t, const struct wfs_torch_view *view,
                            const struct wfs_torch_storage *s, uint64_t off_bytes,
                            const struct geometry *g)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf key = {0};
    wfs_buf_printf(&key, "%s\xff%d %llu %d%d", s->key, (int)g->dtype, (unsigned long long)off_bytes,
                   has_bit(view->metadata, "conj"), has_bit(view->metadata, "neg"));
    for (uint32_t i = 0; i < g->ndim; i++)
        wfs_buf_printf(&key, " %llu:%lld", (unsigned long long)g->shape[i],
                       (long long)(g->shape[i] == 1 ? 0 : g->strides[i]));
    return wfs_buf_ok(&key) ? wfs_arena_strndup(t->scratch, key.data, key.len) : NULL;
}

static int view_expr(struct wfs_torch *t, const struct wfs_torch_view *view,
                     const struct wfs_torch_storage *s, uint64_t off, const struct geometry *g,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    struct wfs_arena *arena = t->catalog->arena;
    const struct wfs_expr *expr = NULL;
    int r = is_contiguous(g)
                ? wfs_expr_contiguous(arena, s->bytes, off, g->dtype, g->ndim, g->shape, &expr, err)
                : wfs_expr_strided(arena, s->bytes, off, g->dtype, g->ndim, g->shape, g->strides,
                                   &expr, err);
    if (!r)
        r = apply_bits(t, view, s->is_swapped, &expr, err);
    if (!r)
        *ret = expr;
    return r;
}

static int locate(struct wfs_torch *t, struct wfs_torch_storage *s, struct wfs_error *err)
{
    int r = s->bytes || s->why ? 0 : t->locate(t, s, err);
    return !r && s->why ? refuse(t, err, s->why) : r;
}

int wfs_torch_view_tensor(struct wfs_torch *t, const struct wfs_torch_view *view,
                          struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_torch_storage *s = NULL;
    uint64_t part_off = 0, part_size = 0;
    int r = wfs_torch_storage_of(t, view->persid, &s, &part_off, &part_size, err);
    if (!r)
        r = locate(t, s, err);
    if (r)
        return r;
    struct geometry g = {.dtype = view->has_dtype ? view->dtype : s->dtype};
    if ((!view->has_dtype && s->is_untyped) || wfs_dtype_bits(g.dtype) < 8)
        return refuse(t, err, "its storage has no element type");
    r = read_geometry(t, view, &g, err);
    uint64_t width = wfs_dtype_bits(g.dtype) / 8;
    if (!r)
        r = check_reach(t, &g, part_size / width, err);
    if (r)
        return r;
    uint64_t off = s->off + part_off + (g.n_elems ? g.offset * width : 0);
    struct wfs_torch_tensor tensor = {.file_off = UINT64_MAX};
    r = view_expr(t, view, s, off, &g, &tensor.expr, err);
    if (r)
        return r;
    if (s->bytes == t->catalog->files[t->file].bytes)
        tensor.file_off = off;
    if (g.n_elems && !(tensor.view = view_key(t, view, s, off, &g)))
        return wfs_error_nomem(err, "a tensor");
    *ret = tensor;
    return 0;
}
