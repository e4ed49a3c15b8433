/*
 * check_names.h (private) - which tensors are constant in a checkpoint that is as it should be.
 */
#ifndef INSPECT_CHECK_NAMES_H
#define INSPECT_CHECK_NAMES_H

#include "base/base.h"

/* True for norms, biases and running statistics, by the words of the tensor's and its module's
 * name. */
bool constant_is_usual(const char *path);

#endif
