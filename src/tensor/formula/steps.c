/*
 * steps.c - a stack machine whose numbers are rows of float32. A step is a plain loop over a row, which
 * the compiler vectorises; NaNs, whose bits differ between CPUs, are then put right where there are any.
 */
#include "tensor/formula/steps.h"

#include <math.h>
#include <string.h>

#include "tensor/codes/block.h"

/* How many numbers a step takes off the stack, and puts there. */
static const struct {
    uint8_t takes, puts;
} effects[] = {
    [WFS_FORMULA_INPUT] = {0, 1}, [WFS_FORMULA_CONST] = {0, 1}, [WFS_FORMULA_LOOKUP] = {1, 1},
    [WFS_FORMULA_ADD] = {2, 1},   [WFS_FORMULA_SUB] = {2, 1},   [WFS_FORMULA_MUL] = {2, 1},
    [WFS_FORMULA_DIV] = {2, 1},   [WFS_FORMULA_SCALB] = {2, 1}, [WFS_FORMULA_MOD] = {2, 1},
    [WFS_FORMULA_ROUND] = {1, 1},
};

static bool names_what_is_there(const struct wfs_formula *formula,
                                const struct wfs_formula_step *step)
{
    if (step->kind == WFS_FORMULA_INPUT)
        return step->at < formula->n_inputs;
    if (step->kind == WFS_FORMULA_LOOKUP)
        return step->at < formula->n_tables;
    return step->kind != WFS_FORMULA_ROUND || step->dtype == WFS_F16 || step->dtype == WFS_BF16;
}

bool wfs_formula_is_sound(const struct wfs_formula *formula)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < formula->n_steps; i++) {
        const struct wfs_formula_step *step = &formula->steps[i];
        if (depth < effects[step->kind].takes || !names_what_is_there(formula, step))
            return false;
        depth += effects[step->kind].puts - (uint32_t)effects[step->kind].takes;
        if (depth > WFS_FORMULA_MAX_DEPTH)
            return false;
    }
    return depth == 1;
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

static float arithmetic(enum wfs_formula_kind kind, float a, float b)
{
    switch (kind) {
    case WFS_FORMULA_ADD:
        return a + b;
    case WFS_FORMULA_SUB:
        return a - b;
    case WFS_FORMULA_MUL:
        return a * b;
    case WFS_FORMULA_DIV:
        return a / b;
    case WFS_FORMULA_MOD:
        return fmodf(a, b); /* exact */
    default:                /* exact but for what float32 cannot hold, and then rounded once */
        return ldexpf(a, (int)b);
    }
}

/* a = a OP b, and whether any result is NaN. */
#define LOOP(op)                                                                                   \
    for (size_t i = 0; i < n; i++) {                                                               \
        out[i] = a[i] op b[i];                                                                     \
        nan |= out[i] != out[i];                                                                   \
    }

static bool loop(enum wfs_formula_kind kind, float *restrict out, const float *restrict a,
                 const float *restrict b, size_t n)
{
    bool nan = false;
    switch (kind) {
    case WFS_FORMULA_ADD:
        LOOP(+);
        break;
    case WFS_FORMULA_SUB:
        LOOP(-);
        break;
    case WFS_FORMULA_MUL:
        LOOP(*);
        break;
    case WFS_FORMULA_DIV:
        LOOP(/);
        break;
    default:
        for (size_t i = 0; i < n; i++) {
            out[i] = arithmetic(kind, a[i], b[i]);
            nan |= out[i] != out[i];
        }
    }
    return nan;
}

/* The two operands are rows of the stack; the result replaces the lower one. */
static void combine(enum wfs_formula_kind kind, float *a, const float *b, size_t n)
{
    float out[256];
    for (size_t i = 0, now; i < n; i += now) {
        now = wfs_min_u64(n - i, WFS_ARRAY_SIZE(out));
        bool nan = loop(kind, out, a + i, b + i, now);
        for (size_t k = 0; nan && k < now; k++)
            if (out[k] != out[k])
                out[k] = wfs_code_nan(a[i + k], b[i + k]);
        memcpy(a + i, out, now * sizeof(*out));
    }
}

/* To a float of 16 bits and back. */
static int round_to(enum wfs_dtype dtype, float *row, size_t n, struct wfs_error *err)
{
    uint16_t rounded[256];
    int r = 0;
    for (size_t i = 0, now; !r && i < n; i += now) {
        now = wfs_min_u64(n - i, WFS_ARRAY_SIZE(rounded));
        r = wfs_convert(WFS_F32, row + i, dtype, rounded, now, err);
        if (!r)
            r = wfs_convert(dtype, rounded, WFS_F32, row + i, now, err);
    }
    return r;
}

static int look_up(const struct wfs_formula_table *table, float *row, uint64_t first, size_t n,
                   struct wfs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        float at = row[i];
        if (!(at >= 0 && at < (float)table->n))
            return wfs_error_set(err, ERANGE, "element %llu is number %.0f of a table of %u",
                                 (unsigned long long)(first + i), (double)at, table->n);
        row[i] = table->values[(uint32_t)at];
    }
    return 0;
}

static void fill(float *row, float value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        row[i] = value;
}

int wfs_formula_run(const struct wfs_formula *formula, const struct wfs_formula_work *work,
                    uint64_t first, size_t n, struct wfs_error *err)
{
    float *top = work->stack; /* the row above the topmost number */
    int r = 0;
    for (uint32_t i = 0; !r && i < formula->n_steps; i++) {
        const struct wfs_formula_step *step = &formula->steps[i];
        switch (step->kind) {
        case WFS_FORMULA_INPUT:
            memcpy(top, work->inputs[step->at], n * sizeof(*top));
            break;
        case WFS_FORMULA_CONST:
            fill(top, step->value, n);
            break;
        case WFS_FORMULA_LOOKUP:
            r = look_up(&work->tables[step->at], top - WFS_FORMULA_LANES, first, n, err);
            break;
        case WFS_FORMULA_ROUND:
            r = round_to(step->dtype, top - WFS_FORMULA_LANES, n, err);
            break;
        default:
            combine(step->kind, top - 2 * (ptrdiff_t)WFS_FORMULA_LANES, top - WFS_FORMULA_LANES, n);
        }
        top += (effects[step->kind].puts - effects[step->kind].takes) * WFS_FORMULA_LANES;
    }
    return r;
}
