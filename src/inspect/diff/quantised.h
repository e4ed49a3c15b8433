/*
 * quantised.h - torch's own quantised tensors: their integers are not their values.
 */
#ifndef WEIGHTFS_INSPECT_DIFF_QUANTISED_H
#define WEIGHTFS_INSPECT_DIFF_QUANTISED_H

#include "inspect/inspect.h"

/* Makes scheme, scales and zero points of quantised rows part of their content's hashes[rows->n]. */
int wfs_quantised_add_to_hashes(const struct wfs_inspect_rows *rows,
                                const struct wfs_inspect_run *run, struct wfs_hash *hashes,
                                struct wfs_error *err);

/* The scales and zero points of one tensor, as numbers. */
struct wfs_affine {
    double *scales, *zero_points; /* malloc'd; NULL: not quantised */
    uint64_t n, n_inner;          /* how many; and elements in a row that share one */
};
/* *ret_known is false where they are not what the tensor's axis asks for, or cannot be read, and nothing is
 * known of the values. 0 or -ENOMEM; *ret is to be freed in either case. */
int wfs_affine_read(const struct wfs_inspect_row *row, const struct wfs_inspect_run *run,
                    struct wfs_affine *ret, bool *ret_known, struct wfs_error *err);
/* numbers[0..n) are elements from number `at` on. */
void wfs_affine_apply(const struct wfs_affine *affine, uint64_t at, uint64_t n, double *numbers);
void wfs_affine_free(struct wfs_affine *affine);

#endif
