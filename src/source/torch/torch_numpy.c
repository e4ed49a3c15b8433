/*
 * torch_numpy.c - numpy arrays and scalars inside a pickle.
 *
 *     numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')
 *         BUILD (version, shape, numpy.dtype('f4', False, True) BUILD (3, '<', ...), fortran, data)
 *     numpy.core.numeric._frombuffer(data, dtype, shape, 'C' or 'F')      protocol 5
 *     numpy.core.multiarray.scalar(dtype, data)
 *
 * Protocols 3 and up hold an array's bytes as they are; where they were too long to be kept, the
 * tensor reads them in the file. Before that they are Latin-1 text, which the machine has decoded
 * if it kept it. Object arrays, records and longer texts are refused.
 */
#include "source/torch/torch_numpy.h"

#include <string.h>

#include "source/torch/torch_tensor.h"

struct element {
    enum wfs_dtype dtype;
    bool is_swapped;
};

/* numpy.dtype('f4', ...) with its state. */
static bool read_dtype(const struct wfs_node *node, struct element *ret)
{
    static const struct {
        const char *name;
        enum wfs_dtype dtype;
    } names[] = {{"b1", WFS_BOOL}, {"i1", WFS_I8},   {"u1", WFS_U8},  {"i2", WFS_I16},
                 {"u2", WFS_U16},  {"f2", WFS_F16},  {"i4", WFS_I32}, {"u4", WFS_U32},
                 {"f4", WFS_F32},  {"i8", WFS_I64},  {"u8", WFS_U64}, {"f8", WFS_F64},
                 {"c8", WFS_C64},  {"c16", WFS_C128}};
    if (!node || node->kind != WFS_NODE_CALL || node->global_kind != WFS_GLOBAL_NUMPY_DTYPE)
        return false;
    const struct wfs_node *name = wfs_node_item(node->call->args, 0);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        if (!wfs_node_is_str(name, names[i].name))
            continue;
        *ret = (struct element){.dtype = names[i].dtype,
                                .is_swapped =
                                    wfs_node_is_str(wfs_node_item(node->call->state, 1), ">")};
        return true;
    }
    return false;
}

/* One element of at most 8 bytes as little-endian bits. */
static uint64_t load_element(const struct element *e, const uint8_t *data)
{
    size_t width = wfs_dtype_bits(e->dtype) / 8;
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits |= (uint64_t)data[e->is_swapped ? width - 1 - i : i] << 8 * i;
    return bits;
}

bool wfs_torch_numpy_scalar(const struct wfs_node *call, double *ret_f, int64_t *ret_i,
                            bool *ret_is_int)
{
    struct element e;
    if (call->global_kind != WFS_GLOBAL_NUMPY_SCALAR ||
        !read_dtype(wfs_node_item(call->call->args, 0), &e))
        return false;
    const struct wfs_node *data = wfs_node_item(call->call->args, 1);
    size_t width = wfs_dtype_bits(e.dtype) / 8;
    if (!data || data->kind != WFS_NODE_BYTES || data->str->len != width || width > 8)
        return false;
    uint64_t bits = load_element(&e, (const uint8_t *)data->str->data);
    enum wfs_dtype_kind kind = wfs_dtype_info(e.dtype)->kind;
    *ret_is_int = kind == WFS_KIND_BOOL || kind == WFS_KIND_INT || kind == WFS_KIND_UINT;
    if (*ret_is_int) {
        if (kind == WFS_KIND_INT && width < 8 && bits >> (8 * width - 1))
            bits |= UINT64_MAX << 8 * width;
        *ret_i = (int64_t)bits;
        return kind != WFS_KIND_UINT || bits <= INT64_MAX;
    }
    uint8_t le[8];
    wfs_store_u64le(le, bits);
    return kind == WFS_KIND_FLOAT && wfs_convert_to_f64(e.dtype, le, 1, ret_f, NULL) == 0;
}

/* ---- arrays -------------------------------------------------------------------------------- */

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: a numpy array %s", t->name, what);
}

/* The byte source of the array's data: the pickle itself, or memory. */
static int data_bytes(struct wfs_torch *t, const struct wfs_node *data, struct wfs_bytes **ret,
                      uint64_t *ret_off, struct wfs_error *err)
{
    struct wfs_bytes *bytes = NULL;
    if (!data->str->data && !t->pickle_bytes)
        return refuse(t, err, "is too long to be kept");
    if (!data->str->data) {
        *ret = t->pickle_bytes;
        *ret_off = data->file_off;
        return 0;
    }
    int r = wfs_bytes_from_memory(t->name, data->str->data, (size_t)data->str->len, &bytes, err);
    if (r)
        return r;
    if (wfs_arena_on_free(t->catalog->arena, wfs_bytes_unref_void, bytes))
        return wfs_error_nomem(err, "a numpy array");
    *ret = bytes;
    *ret_off = 0;
    return 0;
}

static int array_expr(struct wfs_torch *t, const struct element *e, const struct wfs_node *shape,
                      bool is_fortran, const struct wfs_node *data, const struct wfs_expr **ret,
                      struct wfs_error *err)
{
    struct wfs_arena *arena = t->catalog->arena;
    struct wfs_bytes *bytes = NULL;
    uint32_t ndim;
    uint64_t dims[WFS_MAX_NDIM], n_elems, size_bytes, off = 0;
    if (!wfs_torch_shape_of(shape, &ndim, dims))
        return refuse(t, err, "has no shape");
    int r = wfs_shape_size(e->dtype, ndim, dims, &n_elems, &size_bytes, err);
    if (!r && size_bytes != data->str->len)
        r = refuse(t, err, "has not the bytes of its shape");
    if (!r)
        r = data_bytes(t, data, &bytes, &off, err);
    for (uint32_t i = 0; is_fortran && i < ndim / 2; i++) {
        uint64_t other = dims[i];
        dims[i] = dims[ndim - 1 - i];
        dims[ndim - 1 - i] = other;
    }
    const struct wfs_expr *expr = NULL;
    if (!r)
        r = wfs_expr_contiguous(arena, bytes, off, e->dtype, ndim, dims, &expr, err);
    if (!r && is_fortran)
        r = wfs_expr_reverse_axes(arena, expr, &expr, err);
    struct wfs_elem_op swap = {.kind = WFS_ELEM_BYTESWAP, .dtype = e->dtype};
    if (!r && e->is_swapped && wfs_dtype_bits(e->dtype) > 8)
        r = wfs_expr_elementwise(arena, expr, &swap, &expr, err);
    if (!r)
        *ret = expr;
    return r;
}

struct array {
    const struct wfs_node *data, *dtype, *shape;
    bool is_fortran;
};

static bool find_parts(const struct wfs_node *call, struct array *ret)
{
    const struct wfs_node *args = call->call->args, *state = call->call->state;
    int64_t is_fortran;
    if (call->global_kind == WFS_GLOBAL_NUMPY_FROMBUFFER) {
        const struct wfs_node *order = wfs_node_item(args, 3);
        *ret = (struct array){wfs_node_item(args, 0), wfs_node_item(args, 1),
                              wfs_node_item(args, 2), wfs_node_is_str(order, "F")};
        if (args->n != 4 || (!ret->is_fortran && !wfs_node_is_str(order, "C")))
            return false;
    } else {
        *ret = (struct array){wfs_node_item(state, 4), wfs_node_item(state, 2),
                              wfs_node_item(state, 1), false};
        if (!wfs_node_i64(wfs_node_item(state, 3), &is_fortran))
            return false;
        ret->is_fortran = is_fortran;
    }
    return ret->data && ret->data->kind == WFS_NODE_BYTES;
}

int wfs_torch_numpy_array(struct wfs_torch *t, const struct wfs_node *call,
                          struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_torch_tensor tensor = {.file_off = UINT64_MAX};
    struct array array;
    struct element e;
    if (!find_parts(call, &array))
        return refuse(t, err, "of objects or without data is not shown");
    if (!read_dtype(array.dtype, &e))
        return refuse(t, err, "has an element type that is not supported");
    int r = array_expr(t, &e, array.shape, array.is_fortran, array.data, &tensor.expr, err);
    if (!r)
        *ret = tensor;
    return r;
}
