/*
 * constant.h - which tensors are constant in a checkpoint that is as it should be.
 */
#ifndef WEIGHTFS_INSPECT_CHECK_CONSTANT_H
#define WEIGHTFS_INSPECT_CHECK_CONSTANT_H

#include "base/base.h"

/* True for norms, biases and running statistics, by the words of the tensor's and its module's
 * name. */
bool wfs_constant_is_usual(const char *path);

#endif
