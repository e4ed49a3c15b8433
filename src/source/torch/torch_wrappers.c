/*
 * torch_wrappers.c - calls that put a tensor into something else: parameters, subclasses, DTensor.
 *
 * A wrapper that has the tensor whole is taken off. Any other is opened: what the file has of it is
 * shown below it, and the note says what it is.
 */
#include "source/torch/torch_wrappers.h"

#include <string.h>

#include "source/torch/torch_tensor.h"

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

/* ---- tensors that wrap others, and DTensor -------------------------------------------------- */

/* Looks only into dicts of a few entries: many objects may name one large dict, and each would
 * search it. */
static const struct wfs_node *get_near(const struct wfs_node *dict, const char *name)
{
    return dict && dict->n <= TORCH_MAX_ATTRIBUTES ? wfs_node_get(dict, name) : NULL;
}

/* An attribute of an object, whose state is a DICT, or a pair of one and of a DICT of slots. */
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

/* True where each rank has values or a part of them. A Partial placement has summands instead. */
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

int wfs_torch_unwrap(struct wfs_torch *t, const struct wfs_node *call, const struct wfs_node **ret,
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

/* ---- opening ------------------------------------------------------------------------------- */

void wfs_torch_put_type(struct wfs_buf *out, const struct wfs_node *call, uint32_t at)
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

int wfs_torch_open_wrapper(struct wfs_torch *t, const struct wfs_node *call,
                           const struct wfs_node **ret_node, struct wfs_error *err)
{
    const struct wfs_node *cls = arg(call, 0), *state = call->call->state;
    const struct wfs_node *local = is_dtensor(call) ? attribute(call, "_local_tensor") : NULL;
    static const char *const names[] = {"_local_tensor"};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    int r = local ? wfs_torch_parts(t, 1, names, &local, ret_node, err) : 0;
    if (r)
        return r;
    if (!local)
        *ret_node = state && state->kind != WFS_NODE_NONE ? state : NULL;
    wfs_buf_printf(&text, "a wrapper of other tensors (%.64s) of ",
                   cls && cls->kind == WFS_NODE_GLOBAL ? cls->global->name : "?");
    wfs_torch_put_type(&text, call, 1);
    if (local)
        put_placements(&text, placements_of(call));
    if (!wfs_buf_ok(&text))
        return wfs_error_nomem(err, "a tensor");
    wfs_error_set(err, EINVAL, "%s: %s", t->name, text.data);
    return 0;
}
