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
#include <string.h>

#include "source/torch/torch.h"

/* Wrappers in wrappers: more is no checkpoint. */
#define TORCH_MAX_WRAPPERS 16
/* Of a tensor that wraps others, and mesh axes of a DTensor. */
#define TORCH_MAX_ATTRIBUTES 256
#define TORCH_MAX_PLACEMENTS 8

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

static const struct wfs_node *arg(const struct wfs_node *call, uint32_t i)
{
    return wfs_node_item(call->call->args, i);
}

/* ---- nodes of our own ---------------------------------------------------------------------- */

struct wfs_node *wfs_torch_node(struct wfs_torch *t, enum wfs_node_kind kind)
{
    struct wfs_node *node = wfs_arena_alloc(t->scratch, sizeof(*node));
    if (node)
        node->kind = (uint8_t)kind;
    return node;
}

struct wfs_node *wfs_torch_int(struct wfs_torch *t, int64_t value)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_INT);
    if (node)
        node->i = value;
    return node;
}

struct wfs_node *wfs_torch_text(struct wfs_torch *t, const char *text)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_STR);
    struct wfs_node_str *str = wfs_arena_alloc(t->scratch, sizeof(*str));
    if (!node || !str)
        return NULL;
    *str = (struct wfs_node_str){.data = text, .len = strlen(text)};
    node->str = str;
    return node;
}

struct wfs_node *wfs_torch_tuple(struct wfs_torch *t, uint32_t n,
                                 const struct wfs_node *const *items)
{
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_TUPLE);
    struct wfs_node **own = wfs_arena_array(t->scratch, n ? n : 1, sizeof(struct wfs_node *));
    if (!node || !own)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!items[i])
            return NULL;
        own[i] = (struct wfs_node *)items[i];
    }
    node->items = own;
    node->n = n;
    return node;
}

/* A DICT of n parts; parts that are NULL are left out. */
static int new_parts(struct wfs_torch *t, size_t n, const char *const *names,
                     const struct wfs_node *const *parts, const struct wfs_node **ret,
                     struct wfs_error *err)
{
    struct wfs_node *dict = wfs_torch_node(t, WFS_NODE_DICT);
    if (dict)
        dict->items = wfs_arena_array(t->scratch, 2 * n, sizeof(struct wfs_node *));
    if (!dict || !dict->items)
        return wfs_error_nomem(err, "a tensor of parts");
    for (size_t i = 0; i < n; i++) {
        if (!parts[i])
            continue;
        struct wfs_node *name = wfs_torch_text(t, names[i]);
        if (!name)
            return wfs_error_nomem(err, "a tensor of parts");
        dict->items[2 * (size_t)dict->n] = name;
        dict->items[2 * (size_t)dict->n + 1] = (struct wfs_node *)parts[i];
        dict->n++;
    }
    *ret = dict;
    return 0;
}

/* ---- tensors that wrap others, and DTensor -------------------------------------------------- */

/* One that lies in a large dict would be looked for again by each who names the dict. */
static const struct wfs_node *get_near(const struct wfs_node *dict, const char *name)
{
    return dict && dict->n <= TORCH_MAX_ATTRIBUTES ? wfs_node_get(dict, name) : NULL;
}

/* The attributes: a DICT, or a pair of one and the slots. */
static const struct wfs_node *attribute(const struct wfs_node *call, const char *name)
{
    const struct wfs_node *state = call->call->state;
    const struct wfs_node *own = get_near(state, name);
    if (!own)
        own = get_near(wfs_node_item(state, 1), name);
    return own ? own : get_near(wfs_node_item(state, 0), name);
}

static bool is_dtensor(const struct wfs_node *call)
{
    const struct wfs_node *cls = arg(call, 0);
    return cls && cls->kind == WFS_NODE_GLOBAL && strcmp(cls->global->name, "DTensor") == 0 &&
           strncmp(cls->global->module, "torch.distributed.", 18) == 0;
}

static const struct wfs_node *placements_of(const struct wfs_node *call)
{
    const struct wfs_node *spec = attribute(call, "_spec");
    return spec && spec->kind == WFS_NODE_CALL ? attribute(spec, "placements") : NULL;
}

static const char *placement_name(const struct wfs_node *placement)
{
    const struct wfs_node *cls =
        placement && placement->kind == WFS_NODE_CALL ? placement->call->callee : NULL;
    return cls && cls->kind == WFS_NODE_GLOBAL ? cls->global->name : "?";
}

/* Each rank has the values themselves, or a part of them; not, say, a part of their sums. */
static bool has_values(const struct wfs_node *placements)
{
    if (!placements || placements->kind != WFS_NODE_TUPLE || placements->n > TORCH_MAX_PLACEMENTS)
        return false;
    for (uint32_t i = 0; i < placements->n; i++) {
        const char *name = placement_name(placements->items[i]);
        if (strcmp(name, "Replicate") != 0 && strcmp(name, "Shard") != 0)
            return false;
    }
    return true;
}

/* The local tensor of a DTensor where it is all of it, else NULL. */
static const struct wfs_node *whole_local(const struct wfs_node *call)
{
    uint64_t whole[WFS_MAX_NDIM], part[WFS_MAX_NDIM];
    uint32_t n_whole, n_part;
    const struct wfs_node *local = attribute(call, "_local_tensor");
    if (!is_dtensor(call) || !has_values(placements_of(call)) || !local ||
        local->kind != WFS_NODE_CALL ||
        (local->global_kind != WFS_GLOBAL_REBUILD_TENSOR_V2 &&
         local->global_kind != WFS_GLOBAL_REBUILD_TENSOR_V3) ||
        !wfs_torch_shape_of(arg(call, 2), &n_whole, whole) ||
        !wfs_torch_shape_of(arg(local, 2), &n_part, part) || n_whole != n_part)
        return NULL;
    for (uint32_t i = 0; i < n_part; i++)
        if (whole[i] != part[i])
            return NULL;
    return local;
}

/* ---- wrappers ------------------------------------------------------------------------------ */

/* _rebuild_from_type(function, type, args, state): the call function(*args). */
static int from_type(struct wfs_torch *t, const struct wfs_node *call, const struct wfs_node **ret,
                     struct wfs_error *err)
{
    const struct wfs_node *function = arg(call, 0), *args = arg(call, 2);
    if (!function || function->kind != WFS_NODE_GLOBAL || !args || args->kind != WFS_NODE_TUPLE)
        return refuse(t, err, "its type is rebuilt by something that is no function");
    struct wfs_node *node = wfs_torch_node(t, WFS_NODE_CALL);
    struct wfs_node_call *inner = wfs_arena_alloc(t->scratch, sizeof(*inner));
    if (!node || !inner)
        return wfs_error_nomem(err, "a tensor");
    *inner = (struct wfs_node_call){.callee = function, .args = args};
    if (function->global_kind == WFS_GLOBAL_REBUILD_WRAPPER)
        inner->state = arg(call, 3);
    node->call = inner;
    node->global_kind = function->global_kind;
    *ret = node;
    return 0;
}

/* Takes one wrapper off: 0 and *ret, or 1 where there is none. */
static int unwrap(struct wfs_torch *t, const struct wfs_node *call, const struct wfs_node **ret,
                  struct wfs_error *err)
{
    switch (call->global_kind) {
    case WFS_GLOBAL_PARAMETER:
    case WFS_GLOBAL_REBUILD_PARAMETER:
    case WFS_GLOBAL_REBUILD_PARAMETER_WITH_STATE:
    case WFS_GLOBAL_REBUILD_FROM_CPU:
    case WFS_GLOBAL_REBUILD_FROM_NUMPY:
        if (!arg(call, 0))
            return call->global_kind == WFS_GLOBAL_PARAMETER
                       ? 1
                       : refuse(t, err, "a parameter without its data");
        *ret = arg(call, 0);
        return 0;
    case WFS_GLOBAL_REBUILD_FROM_TYPE:
    case WFS_GLOBAL_REBUILD_FROM_TYPE_V2:
        return from_type(t, call, ret, err);
    case WFS_GLOBAL_REBUILD_WRAPPER: {
        const struct wfs_node *local = whole_local(call);
        if (local)
            *ret = local;
        return local ? 0 : 1;
    }
    default:
        return 1;
    }
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

/* A storage that was saved by itself: all of it, as one axis. */
static int bare_storage(struct wfs_torch *t, const struct wfs_node *persid,
                        struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_torch_storage *s = NULL;
    uint64_t off, size;
    int rc = wfs_torch_storage_of(t, persid, &s, &off, &size, err);
    if (rc)
        return rc;
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

/* The quantizer: (scheme, scale, zero_point) or (scheme, scales, zero_points, axis). */
static int rebuild_quantised(struct wfs_torch *t, const struct wfs_node *call,
                             struct wfs_torch_tensor *ret, const struct wfs_node **ret_parts,
                             struct wfs_error *err)
{
    const struct wfs_node *q = arg(call, 4), *scheme = wfs_node_item(q, 0);
    struct wfs_torch_view view = {.persid = arg(call, 0),
                                  .offset = arg(call, 1),
                                  .size = arg(call, 2),
                                  .stride = arg(call, 3)};
    struct wfs_torch_tensor tensor = {0};
    if (!scheme || scheme->kind != WFS_NODE_GLOBAL)
        return refuse(t, err, "a quantised tensor without its scheme");
    int rc = wfs_torch_view_tensor(t, &view, &tensor, err);
    if (rc)
        return rc;
    const struct wfs_node *scale = wfs_node_item(q, 1), *zero = wfs_node_item(q, 2);
    const struct wfs_node *axis = wfs_node_item(q, 3);
    int64_t zero_point, axis_index;
    if (scale && scale->kind == WFS_NODE_FLOAT && wfs_node_i64(zero, &zero_point)) {
        tensor.quantised = wfs_arena_printf(t->catalog->arena, "%s(scale=%.17g, zero_point=%lld)",
                                            scheme->global->name, scale->f, (long long)zero_point);
    } else if (scale && zero && wfs_node_i64(axis, &axis_index)) {
        static const char *const names[] = {"scales", "zero_points"};
        const struct wfs_node *parts[] = {scale, zero};
        tensor.quantised = wfs_arena_printf(t->catalog->arena, "%s(axis=%lld)",
                                            scheme->global->name, (long long)axis_index);
        rc = new_parts(t, 2, names, parts, ret_parts, err);
    } else {
        return refuse(t, err, "a quantised tensor of an unknown scheme");
    }
    if (!rc && !tensor.quantised)
        rc = wfs_error_nomem(err, "a tensor");
    if (!rc)
        *ret = tensor;
    return rc;
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
    return new_parts(t, 5, is_coo ? coo : is_row ? csr : csc, parts, ret, err);
}

static int rebuild_nested(struct wfs_torch *t, const struct wfs_node *call,
                          const struct wfs_node **ret, struct wfs_error *err)
{
    static const char *const names[] = {"buffer", "sizes", "strides", "storage_offsets"};
    const struct wfs_node *parts[4];
    for (uint32_t i = 0; i < 4; i++)
        if (!(parts[i] = arg(call, i)))
            return refuse(t, err, "a nested tensor without its parts");
    return new_parts(t, 4, names, parts, ret, err);
}

/* ---- all kinds ----------------------------------------------------------------------------- */

/* "type float32 and shape (2, 3)", of arguments at `at`. */
static void put_type(struct wfs_buf *out, const struct wfs_node *call, uint32_t at)
{
    uint32_t ndim = 0;
    uint64_t shape[WFS_MAX_NDIM];
    const struct wfs_node *dtype = arg(call, at);
    wfs_buf_printf(out, "type %.64s and shape ",
                   dtype && dtype->kind == WFS_NODE_GLOBAL ? dtype->global->name : "unknown");
    if (wfs_torch_shape_of(arg(call, at + 1), &ndim, shape))
        wfs_shape_format(out, ndim, shape);
    else
        wfs_buf_str(out, "unknown");
}

static int refuse_meta(struct wfs_torch *t, const struct wfs_node *call, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    put_type(&text, call, 0);
    return wfs_error_set(err, EINVAL, "%s: a meta tensor of %s: the file has no bytes of it",
                         t->name, wfs_buf_ok(&text) ? text.data : "some type");
}

/* ---- wrappers of other tensors ------------------------------------------------------------- */

static void put_placements(struct wfs_buf *out, const struct wfs_node *placements)
{
    uint32_t n = placements && placements->kind == WFS_NODE_TUPLE ? placements->n : 0;
    for (uint32_t i = 0; i < n && i < TORCH_MAX_PLACEMENTS; i++) {
        const struct wfs_node *p = placements->items[i];
        int64_t dim;
        wfs_buf_printf(out, "%s%.32s", i ? ", " : ", placed ", placement_name(p));
        if (p->kind == WFS_NODE_CALL && wfs_node_i64(attribute(p, "dim"), &dim))
            wfs_buf_printf(out, "(%lld)", (long long)dim);
    }
}

/* *ret_node: what is in it, to show in its place; `err` has what it is. */
static int open_wrapper(struct wfs_torch *t, const struct wfs_node *call,
                        const struct wfs_node **ret_node, struct wfs_error *err)
{
    const struct wfs_node *cls = arg(call, 0), *state = call->call->state;
    const struct wfs_node *local = is_dtensor(call) ? attribute(call, "_local_tensor") : NULL;
    static const char *const names[] = {"_local_tensor"};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    int rc = local ? new_parts(t, 1, names, &local, ret_node, err) : 0;
    if (rc)
        return rc;
    if (!local)
        *ret_node = state && state->kind != WFS_NODE_NONE ? state : NULL;
    wfs_buf_printf(&text, "a wrapper of other tensors (%.64s) of ",
                   cls && cls->kind == WFS_NODE_GLOBAL ? cls->global->name : "?");
    put_type(&text, call, 1);
    if (local)
        put_placements(&text, placements_of(call));
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, "a tensor");
    wfs_error_set(err, EINVAL, "%s: %s", t->name, text.data);
    return 0;
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
        return open_wrapper(t, call, ret_node, err);
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
        int rc = 1;
        if (has_other_data(node))
            return refuse(t, err, "its data is set by a state of its own");
        if (is_from_device(node)) {
            if (*ret_type)
                return refuse(t, err, "a tensor that is turned into another type twice");
            *ret_type = arg(node, 1);
        }
        if (node->kind == WFS_NODE_CALL && !node->call->is_instance)
            rc = unwrap(t, node, &node, err);
        else if (node->kind == WFS_NODE_CALL && node->global_kind == WFS_GLOBAL_PARAMETER)
            rc = unwrap(t, node, &node, err);
        else if (node->kind == WFS_NODE_PERSID && t->resolve && t->resolve(t, node))
            node = t->resolve(t, node), rc = 0;
        if (rc < 0)
            return rc;
        if (rc == 0)
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
    int rc = unwrapped_object(t, node, ret_what, ret, ret_node, &type, err);
    if (rc || !type || *ret_what != WFS_TORCH_TENSOR)
        return rc;
    return to_type(t, type, ret, err);
}
