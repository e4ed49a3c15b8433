/*
 * merge.h - pieces that are one strided box become one piece. Private to tensor/.
 */
#ifndef WEIGHTFS_TENSOR_EXPR_MERGE_H
#define WEIGHTFS_TENSOR_EXPR_MERGE_H

#include "tensor/expr/draft.h"

/* Joins neighbours that are one strided box of one source. 0 or -ENOMEM. */
int wfs_draft_merge(struct wfs_draft *draft, const uint64_t *shape);

#endif
