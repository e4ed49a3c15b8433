/*
 * torch_object.c - what torch._utils._rebuild_* would have made of their arguments.
 *
 *     _rebuild_tensor(storage, offset, size, stride)
 *     _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
 *     _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])
 *     _rebuild_parameter(data, requires_grad, hooks), ..._with_state(data, ., ., state)
 *     _rebuild_from_type(_v2)(function, type, args, state)
 *     _rebuild_qtensor(storage, offset, size, stride, quantizer, requires_grad, hooks)
 *     _rebuild_sparse_tensor(layout, data), _rebuild_nested_tensor(buffer, sizes, strides, offsets)
 *     _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)
 *     _rebuild_wrapper_subclass(class, dtype, size, ...): without bytes of its own; what it wraps
 *         is in the state that _rebuild_from_type_v2 gives it
 *     _rebuild_device_tensor_from_numpy(array, dtype, device, requires_grad), ..._from_cpu_tensor
 *
 * Wrappers are taken off; sparse and nested tensors become dicts of their parts, whose values are
 * nodes of the same kinds; quantised ones are their integers with the scales beside them. New nodes
 * live in the scratch arena.
 */
#include "source/torch/torch_object.h"

#include <string.h>

#include "source/torch/torch_numpy.h"
#include "source/torch/torch_storage.h"
#include "source/torch/torch_tensor.h"
#include "source/torch/torch_wrappers.h"

/* How many wrappers may lie in one another. */
#define TORCH_MAX_WRAPPERS 16

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

static const struct wfs_node *arg(const struct wfs_node *call, uint32_t i)
{
    return wfs_node_item(call->call->args, i);
}

/* ---- plain tensors ------------------------------------------------------------------------- */

static int rebuild_tensor(struct wfs_torch *t, const struct wfs_node *call,
                          struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    bool is_v3 = call->global_kind == WFS_GLOBAL_REBUILD_TENSOR_V3;
    struct wfs_torch_view view = {.persid = arg(call, 0),
                                  .offset = arg(call, 1),
                                  .size = arg(call, 2),
                                  .stride = arg(call, 3),
                                  .metadata = arg(call, is_v3 ? 7 : 6),
                                  .has_dtype = is_v3};
    const struct wfs_node *dtype = is_v3 ? arg(call, 6) : NULL;
    if (is_v3 &&
        (!dtype || dtype->kind != WFS_NODE_GLOBAL || strcmp(dtype->global->module, "torch") != 0 ||
         !wfs_dtype_by_torch(dtype->global->name, &view.dtype)))
        return wfs_error_set(err, EINVAL, "%s: its element type %s is not supported", t->name,
                             dtype && dtype->kind == WFS_NODE_GLOBAL ? dtype->global->name : "");
    return wfs_torch_view_tensor(t, &view, ret, err);
}

/* A storage that was saved by itself is shown whole, as a tensor of one axis. */
static int bare_storage(struct wfs_torch *t, const struct wfs_node *persid,
                        struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_torch_storage *s = NULL;
    uint64_t off, size;
    int r = wfs_torch_storage_of(t, persid, &s, &off, &size, err);
    if (r)
        return r;
    struct wfs_node count = {.kind = WFS_NODE_INT}, one = {.kind = WFS_NODE_INT, .i = 1};
    struct wfs_node zero = {.kind = WFS_NODE_INT};
    struct wfs_node *counts[] = {&count}, *ones[] = {&one};
    struct wfs_node shape = {.kind = WFS_NODE_TUPLE, .n = 1, .items = counts};
    struct wfs_node strides = {.kind = WFS_NODE_TUPLE, .n = 1, .items = ones};
    count.i = (int64_t)(size / (wfs_dtype_bits(s->dtype) / 8));
    struct wfs_torch_view view = {.persid = persid,
                                  .offset = &zero,
                                  .size = &shape,
                                  .stride = &strides,
                                  .has_dtype = true,
                                  .dtype = s->dtype};
    return wfs_torch_view_tensor(t, &view, ret, err);
}

/* ---- quantised tensors --------------------------------------------------------------------- */

/* ret_parts: the scales and zero points that are tensors. */
static int read_quantizer(struct wfs_torch *t, const struct wfs_node *q, struct wfs_quantised *ret,
                          const struct wfs_node **ret_parts, struct wfs_error *err)
{
    static const char *const names[] = {"scales", "zero_points"};
    const struct wfs_node *scheme = wfs_node_item(q, 0), *axis = wfs_node_item(q, 3);
    const struct wfs_node *parts[] = {wfs_node_item(q, 1), wfs_node_item(q, 2)};
    struct wfs_arena *arena = t->catalog->arena;
    if (!scheme || scheme->kind != WFS_NODE_GLOBAL)
        return refuse(t, err, "a quantised tensor without its scheme");
    *ret = (struct wfs_quantised){.axis = -1};
    if (parts[0] && parts[0]->kind == WFS_NODE_FLOAT && wfs_node_i64(parts[1], &ret->zero_point)) {
        ret->scale = parts[0]->f;
        ret->text = wfs_arena_printf(arena, "%s(scale=%.17g, zero_point=%lld)",
                                     scheme->global->name, ret->scale, (long long)ret->zero_point);
    } else if (parts[0] && parts[1] && wfs_node_i64(axis, &ret->axis) && ret->axis >= 0) {
        ret->text =
            wfs_arena_printf(arena, "%s(axis=%lld)", scheme->global->name, (long long)ret->axis);
        int r = wfs_torch_parts(t, 2, names, parts, ret_parts, err);
        if (r)
            return r;
    } else {
        return refuse(t, err, "a quantised tensor of an unknown scheme");
    }
    return ret->text ? 0 : wfs_error_nomem(err, "a tensor");
}

/* The quantizer: (scheme, scale, zero_point) or (scheme, scales, zero_points, axis). */
static int rebuild_quantised(struct wfs_torch *t, const struct wfs_node *call,
                             struct wfs_torch_tensor *ret, const struct wfs_node **ret_parts,
                             struct wfs_error *err)
{
    struct wfs_torch_view view = {.persid = arg(call, 0),
                                  .offset = arg(call, 1),
                                  .size = arg(call, 2),
                                  .stride = arg(call, 3)};
    struct wfs_torch_tensor tensor = {0};
    struct wfs_quantised *quantised = wfs_arena_alloc(t->catalog->arena, sizeof(*quantised));
    if (!quantised)
        return wfs_error_nomem(err, "a tensor");
    int r = wfs_torch_view_tensor(t, &view, &tensor, err);
    if (!r)
        r = read_quantizer(t, arg(call, 4), quantised, ret_parts, err);
    if (!r) {
        tensor.quantised = quantised;
        *ret = tensor;
    }
    return r;
}

/* ---- tensors of parts ---------------------------------------------------------------------- */

/* The layout: a text, or _get_layout(text). */
static const struct wfs_node *layout_text(const struct wfs_node *layout)
{
    if (layout && layout->kind == WFS_NODE_CALL && layout->global_kind == WFS_GLOBAL_GET_LAYOUT)
        layout = arg(layout, 0);
    return wfs_node_text(layout) ? layout : NULL;
}

static int rebuild_sparse(struct wfs_torch *t, const struct wfs_node *call,
                          const struct wfs_node **ret, struct wfs_error *err)
{
    static const char *const coo[] = {"layout", "indices", "values", "size", "is_coalesced"};
    static const char *const csr[] = {"layout", "crow_indices", "col_indices", "values", "size"};
    static const char *const csc[] = {"layout", "ccol_indices", "row_indices", "values", "size"};
    const struct wfs_node *layout = layout_text(arg(call, 0)), *data = arg(call, 1);
    if (!layout || !data || data->kind != WFS_NODE_TUPLE || data->n < 3 || data->n > 4)
        return refuse(t, err, "a sparse tensor without its parts");
    const struct wfs_node *parts[5] = {layout};
    for (uint32_t i = 0; i < data->n; i++)
        parts[i + 1] = data->items[i];
    bool is_coo = wfs_node_is_str(layout, "torch.sparse_coo");
    bool is_row =
        wfs_node_is_str(layout, "torch.sparse_csr") || wfs_node_is_str(layout, "torch.sparse_bsr");
    return wfs_torch_parts(t, 5, is_coo ? coo : is_row ? csr : csc, parts, ret, err);
}

static int rebuild_nested(struct wfs_torch *t, const struct wfs_node *call,
                          const struct wfs_node **ret, struct wfs_error *err)
{
    static const char *const names[] = {"buffer", "sizes", "strides", "storage_offsets"};
    const struct wfs_node *parts[4];
    for (uint32_t i = 0; i < 4; i++)
        if (!(parts[i] = arg(call, i)))
            return refuse(t, err, "a nested tensor without its parts");
    return wfs_torch_parts(t, 4, names, parts, ret, err);
}

/* ---- all kinds ----------------------------------------------------------------------------- */

static int refuse_meta(struct wfs_torch *t, const struct wfs_node *call, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    wfs_torch_put_type(&text, call, 0);
    return wfs_error_set(err, EINVAL, "%s: a meta tensor of %s: the file has no bytes of it",
                         t->name, wfs_buf_ok(&text) ? text.data : "some type");
}

/* ---- any of them --------------------------------------------------------------------------- */

static int rebuild_call(struct wfs_torch *t, const struct wfs_node *call,
                        enum wfs_torch_what *ret_what, struct wfs_torch_tensor *ret,
                        const struct wfs_node **ret_node, struct wfs_error *err)
{
    *ret_what = WFS_TORCH_TENSOR;
    switch (call->global_kind) {
    case WFS_GLOBAL_REBUILD_TENSOR:
    case WFS_GLOBAL_REBUILD_TENSOR_V2:
    case WFS_GLOBAL_REBUILD_TENSOR_V3:
        return rebuild_tensor(t, call, ret, err);
    case WFS_GLOBAL_REBUILD_QTENSOR:
        return rebuild_quantised(t, call, ret, ret_node, err);
    case WFS_GLOBAL_NUMPY_RECONSTRUCT:
    case WFS_GLOBAL_NUMPY_FROMBUFFER:
        return wfs_torch_numpy_array(t, call, ret, err);
    case WFS_GLOBAL_REBUILD_META:
        return refuse_meta(t, call, err);
    case WFS_GLOBAL_REBUILD_WRAPPER:
        *ret_what = WFS_TORCH_WRAPPER;
        return wfs_torch_open_wrapper(t, call, ret_node, err);
    case WFS_GLOBAL_REBUILD_SPARSE:
        *ret_what = WFS_TORCH_OTHER;
        return rebuild_sparse(t, call, ret_node, err);
    case WFS_GLOBAL_REBUILD_NESTED:
        *ret_what = WFS_TORCH_OTHER;
        return rebuild_nested(t, call, ret_node, err);
    default:
        *ret_what = WFS_TORCH_OTHER;
        *ret_node = call;
        return 0;
    }
}

/* A device's tensor is pickled in a type that numpy has, and turned into its own: XLA's bfloat16 is
 * float32 in the file. */
static bool is_from_device(const struct wfs_node *node)
{
    return node->kind == WFS_NODE_CALL && !node->call->is_instance &&
           (node->global_kind == WFS_GLOBAL_REBUILD_FROM_CPU ||
            node->global_kind == WFS_GLOBAL_REBUILD_FROM_NUMPY);
}

static int to_type(struct wfs_torch *t, const struct wfs_node *type,
                   struct wfs_torch_tensor *tensor, struct wfs_error *err)
{
    struct wfs_elem_op cast = {.kind = WFS_ELEM_CAST};
    enum wfs_dtype from = tensor->expr->dtype;
    if (type->kind != WFS_NODE_GLOBAL || strcmp(type->global->module, "torch") != 0 ||
        !wfs_dtype_by_torch(type->global->name, &cast.dtype))
        return refuse(t, err, "its element type is not supported");
    if (cast.dtype == from)
        return 0;
    if (wfs_dtype_info(from)->kind != WFS_KIND_FLOAT ||
        wfs_dtype_info(cast.dtype)->kind != WFS_KIND_FLOAT)
        return refuse(t, err, "it is stored as another type than its own");
    tensor->file_off = UINT64_MAX;
    tensor->view = NULL;
    return wfs_expr_elementwise(t->catalog->arena, tensor->expr, &cast, &tensor->expr, err);
}

/* torch.Tensor.__setstate__ of four values or five gives the tensor other bytes: torch 0.1's way of
 * pickling, of which nothing is known here. */
static bool has_other_data(const struct wfs_node *node)
{
    const struct wfs_node *state = node->kind == WFS_NODE_CALL ? node->call->state : NULL;
    if (!state || state->kind != WFS_NODE_TUPLE || state->n < 4)
        return false;
    switch (node->global_kind) {
    case WFS_GLOBAL_UNKNOWN:
    case WFS_GLOBAL_NUMPY_RECONSTRUCT:
    case WFS_GLOBAL_NUMPY_DTYPE:
        return false;
    default:
        return true;
    }
}

/* *ret_type: what a device's tensor is turned into, else NULL. */
static int unwrapped_object(struct wfs_torch *t, const struct wfs_node *node,
                            enum wfs_torch_what *ret_what, struct wfs_torch_tensor *ret,
                            const struct wfs_node **ret_node, const struct wfs_node **ret_type,
                            struct wfs_error *err)
{
    *ret_node = NULL;
    *ret_type = NULL;
    for (int depth = 0; depth < TORCH_MAX_WRAPPERS; depth++) {
        int r = 1;
        if (has_other_data(node))
            return refuse(t, err, "its data is set by a state of its own");
        if (is_from_device(node)) {
            if (*ret_type)
                return refuse(t, err, "a tensor that is turned into another type twice");
            *ret_type = arg(node, 1);
        }
        if (node->kind == WFS_NODE_CALL && !node->call->is_instance)
            r = wfs_torch_unwrap(t, node, &node, err);
        else if (node->kind == WFS_NODE_CALL && node->global_kind == WFS_GLOBAL_PARAMETER)
            r = wfs_torch_unwrap(t, node, &node, err);
        else if (node->kind == WFS_NODE_PERSID && t->resolve && t->resolve(t, node))
            node = t->resolve(t, node), r = 0;
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (node->kind == WFS_NODE_PERSID) {
            *ret_what = WFS_TORCH_TENSOR;
            if (t->assemble)
                return t->assemble(t, node, ret, err);
            return bare_storage(t, node, ret, err);
        }
        if (node->kind == WFS_NODE_CALL && !node->call->is_instance)
            return rebuild_call(t, node, ret_what, ret, ret_node, err);
        *ret_what = WFS_TORCH_OTHER;
        *ret_node = node;
        return 0;
    }
    return refuse(t, err, "a tensor wrapped more than 16 times");
}

int wfs_torch_object(struct wfs_torch *t, const struct wfs_node *node,
                     enum wfs_torch_what *ret_what, struct wfs_torch_tensor *ret,
                     const struct wfs_node **ret_node, struct wfs_error *err)
{
    const struct wfs_node *type;
    int r = unwrapped_object(t, node, ret_what, ret, ret_node, &type, err);
    if (r || !type || *ret_what != WFS_TORCH_TENSOR)
        return r;
    return to_type(t, type, ret, err);
}
