/*
 * ops.c - an operation of a rule at work: its arguments are evaluated where the rule stands, its
 * row's function makes the tensor expression, and what it may do to values is reported. Nothing is
 * copied; what a rule asks for that its tensor does not allow is an error at the operation's place
 * in the rule file.
 */
#include "mapping/ops/ops.h"

#include <string.h>

#include "mapping/eval/list.h"

static int integer_in(const void *scope, const struct wfs_vexpr *e, int64_t *ret)
{
    return wfs_eval_int(scope, e, ret);
}

static int real_in(const void *scope, const struct wfs_vexpr *e, double *ret)
{
    return wfs_eval_real(scope, e, ret);
}

static int numbers_in(const void *scope, const struct wfs_vexpr *e, const double **ret,
                      size_t *ret_n)
{
    return wfs_eval_list(scope, e, ret, ret_n);
}

struct wfs_op_call wfs_op_call(const struct wfs_scope *scope, const struct wfs_op *op,
                               const struct wfs_expr *const *in, uint32_t n)
{
    return (struct wfs_op_call){.op = op,
                                .arena = scope->run.world->arena,
                                .err = scope->run.sink->err,
                                .integer = integer_in,
                                .real = real_in,
                                .numbers = numbers_in,
                                .scope = scope,
                                .zero_terms = scope->run.world->zero_terms,
                                .n_in = n,
                                .in = in};
}

/* A failed tensor operation gets the rule's place in front, where a value or wfs_op_error has not
 * said it already. */
static int placed(struct wfs_error *err, const struct wfs_op *op, int r)
{
    char line[WFS_ERROR_MESSAGE_MAX];
    int n = snprintf(line, sizeof(line), "%s:%u:", op->pos.file, op->pos.line);
    if (r && strncmp(err->message, line, (size_t)n) != 0)
        wfs_error_prefix(err, "%s:%u:%u: %s", op->pos.file, op->pos.line, op->pos.col, op->text);
    return r;
}

/* What does not keep values says so. An argument that is not known is no error here: the operation
 * itself has said it. */
static int report_loss(const struct wfs_op_call *done, struct wfs_sink *sink)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_scope trial = *(const struct wfs_scope *)done->scope;
    struct wfs_op_call call = *done;
    const char *lost = NULL;
    trial.run.sink = &mute;
    call.scope = &trial;
    call.err = &ignored;
    int r = done->op->operation->loses(&call, &lost);
    if (lost && trial.item)
        wfs_report(sink, WFS_INEXACT, trial.item->path, "%s: %s", done->op->text, lost);
    return wfs_trial_result(sink, r);
}

int wfs_op_run(struct wfs_op_call *call, struct wfs_sink *sink)
{
    const struct wfs_operation *operation = call->op->operation;
    int r = placed(call->err, call->op, operation->apply(call));
    return !r && operation->loses ? report_loss(call, sink) : r;
}

int wfs_op_apply(const struct wfs_run *run, const struct wfs_op *op, struct wfs_val *val)
{
    struct wfs_scope scope = wfs_val_scope(run, val);
    struct wfs_op_call call = wfs_op_call(&scope, op, &val->expr, val->expr ? 1 : 0);
    int r = wfs_op_run(&call, run->sink);
    if (!r)
        val->expr = call.ret;
    return r;
}
