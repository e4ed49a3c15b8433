/*
 * list.c - expressions that stand for lists of config.json's numbers: for the few operations that take
 * one. Everywhere else such a key is a value that is not known.
 */
#include "mapping/eval/list.h"

#include "mapping/eval/eval.h"

int wfs_eval_list(const struct wfs_scope *scope, const struct wfs_vexpr *e, const double **ret,
                  size_t *ret_n)
{
    struct wfs_scope listing = *scope;
    struct wfs_value v;
    listing.lists = true;
    int r = wfs_eval(&listing, e, &v);
    if (r)
        return r;
    if (v.kind != WFS_VALUE_LIST)
        return wfs_error_set(scope->run.sink->err, EINVAL,
                             "%s:%u:%u: expected a list of numbers in %s: %.*s", e->pos.file,
                             e->pos.line, e->pos.col, wfs_config_name(scope->run.world->config),
                             (int)e->source_len, e->source ? e->source : "");
    *ret = v.list;
    *ret_n = v.len;
    return 0;
}
