/*
 * small.h - how the components of each element type are laid out in bits, and the codes of formats
 * of at most 16 bits. Private to tensor/.
 *
 * A type is one or two (complex) components of one numeric format.
 */
#ifndef WEIGHTFS_TENSOR_CONVERT_SMALL_H
#define WEIGHTFS_TENSOR_CONVERT_SMALL_H

#include "tensor/tensor.h"

enum wfs_num_class { WFS_NUM_NONE, WFS_NUM_BOOL, WFS_NUM_INT, WFS_NUM_UINT, WFS_NUM_FLOAT };

/* What the largest codes of a float format mean. */
enum wfs_float_flavour {
    WFS_FLOAT_IEEE,   /* the largest exponent is infinity and NaN */
    WFS_FLOAT_FN,     /* no infinity; all ones is NaN */
    WFS_FLOAT_FNUZ,   /* no infinity, no -0: that code is NaN */
    WFS_FLOAT_FINITE, /* numbers only */
    WFS_FLOAT_E8M0,   /* powers of two, no sign, no zero; all ones is NaN */
};

struct wfs_num_format {
    enum wfs_num_class class;
    uint8_t bits;       /* of a component as stored: 4, 6, 8, 16, 32, 64 */
    uint8_t value_bits; /* of an integer's value: 2 or 4 in a byte; else as `bits` */
    uint8_t n_components;
    uint8_t exp_bits, man_bits;
    int16_t bias;
    enum wfs_float_flavour flavour;
};

/* class is WFS_NUM_NONE for opaque types. */
const struct wfs_num_format *wfs_num_format(enum wfs_dtype dtype);

static inline bool wfs_num_is_integer(const struct wfs_num_format *fmt)
{
    return fmt->class == WFS_NUM_BOOL || fmt->class == WFS_NUM_INT || fmt->class == WFS_NUM_UINT;
}

/* ---- formats of at most 16 bits ------------------------------------------------------------ */

double wfs_small_decode(const struct wfs_num_format *fmt, uint32_t code);
/* The code of the largest finite number. */
uint32_t wfs_small_max_code(const struct wfs_num_format *fmt);
/* Rounds to nearest, ties to even; overflow and NaN as ml_dtypes has them. */
uint32_t wfs_small_encode(const struct wfs_num_format *fmt, double value);
/* The 256 values of a format of at most 8 bits (codes beyond its bits repeat); made once. */
const double *wfs_small_table(enum wfs_dtype dtype);

#endif
