/*
 * steps.h - the steps of a formula, done to many elements at a time. Private to tensor/formula.
 */
#ifndef WEIGHTFS_TENSOR_FORMULA_STEPS_H
#define WEIGHTFS_TENSOR_FORMULA_STEPS_H

#include "tensor/tensor.h"

/* Elements that are computed at a time: what a stack of them takes stays in the second-level cache. */
#define WFS_FORMULA_LANES 4096

/* A table's numbers. */
struct wfs_formula_table {
    uint32_t n;
    float values[256];
};

/* Where the numbers come from and go to. */
struct wfs_formula_work {
    const float *inputs[WFS_FORMULA_MAX_INPUTS]; /* n of each */
    const struct wfs_formula_table *tables;
    float *stack; /* WFS_FORMULA_MAX_DEPTH * WFS_FORMULA_LANES; the result is at its bottom */
};

/* Does every step find its operands, and is one number left? */
bool wfs_formula_is_sound(const struct wfs_formula *formula);
/* The steps for n <= WFS_FORMULA_LANES elements. -ERANGE where a table does not have what is looked up;
 * the message counts elements from `first`. */
int wfs_formula_run(const struct wfs_formula *formula, const struct wfs_formula_work *work,
                    uint64_t first, size_t n, struct wfs_error *err);

#endif
