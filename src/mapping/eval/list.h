/*
 * list.h - expressions that stand for lists of config.json's numbers.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_LIST_H
#define WEIGHTFS_MAPPING_EVAL_LIST_H

#include "mapping/eval/scope.h"

/* The numbers of config.x.y, or of `config.x.y ?? config.z`: the first that is a list of numbers. They
 * live as long as the config. -EINVAL: there is none. */
int wfs_eval_list(const struct wfs_scope *scope, const struct wfs_vexpr *e, const double **ret,
                  size_t *ret_n);

#endif
