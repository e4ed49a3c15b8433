/*
 * call.c - what the operations' functions share: arguments, and messages.
 */
#include "rules/operations/call.h"

int wfs_op_error(struct wfs_error *err, const struct wfs_op *op, const char *fmt, ...)
{
    char message[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    return wfs_error_set(err, EINVAL, "%s:%u:%u: %s: %s", op->pos.file, op->pos.line, op->pos.col,
                         op->text, message);
}

int wfs_op_axis(struct wfs_op_call *call, uint32_t arg, uint32_t ndim, uint32_t *ret)
{
    int64_t axis;
    int r = call->integer(call->scope, call->op->args[arg], &axis);
    if (r)
        return r;
    int64_t at = axis < 0 ? axis + (int64_t)ndim : axis;
    if (at < 0 || at >= (int64_t)ndim)
        return wfs_op_error(call->err, call->op, "axis %lld of a tensor with %u axes",
                            (long long)axis, ndim);
    *ret = (uint32_t)at;
    return 0;
}

int wfs_op_size(struct wfs_op_call *call, uint32_t arg, uint64_t *ret)
{
    int64_t v;
    int r = call->integer(call->scope, call->op->args[arg], &v);
    if (!r && v < 0)
        r = wfs_op_error(call->err, call->op, "%lld where a number from 0 up is expected",
                         (long long)v);
    if (!r)
        *ret = (uint64_t)v;
    return r;
}
