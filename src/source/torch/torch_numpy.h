/*
 * torch_numpy.h - numpy arrays and scalars inside a pickle.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_TORCH_NUMPY_H
#define WEIGHTFS_SOURCE_TORCH_TORCH_NUMPY_H

#include "source/torch/torch.h"

/* False: not of that form. */
bool wfs_torch_numpy_scalar(const struct wfs_node *call, double *ret_f, int64_t *ret_i,
                            bool *ret_is_int);
int wfs_torch_numpy_array(struct wfs_torch *t, const struct wfs_node *call,
                          struct wfs_torch_tensor *ret, struct wfs_error *err);

#endif
