/*
 * convert.h - private to tensor/: how the components of each element type are laid out in bits, and
 * conversions of short stretches to and from two kinds of lanes.
 *
 * A type is one or two (complex) components of one numeric format. Lanes are float64, exact for
 * every component but 64-bit integers, or two's complement 64-bit integers. Stretches are indexed
 * in components from the start of the packed array; their first index is a multiple of 8, so that
 * sub-byte formats start at a byte.
 */
#ifndef WFS_TENSOR_CONVERT_H
#define WFS_TENSOR_CONVERT_H

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

/* ---- formats of at most 16 bits ------------------------------------------------------------ */

double wfs_small_decode(const struct wfs_num_format *fmt, uint32_t code);
/* The code of the largest finite number. */
uint32_t wfs_small_max_code(const struct wfs_num_format *fmt);
/* Rounds to nearest, ties to even; overflow and NaN as ml_dtypes has them. */
uint32_t wfs_small_encode(const struct wfs_num_format *fmt, double value);
/* The 256 values of a format of at most 8 bits (codes beyond its bits repeat); made once. */
const double *wfs_small_table(enum wfs_dtype dtype);

/* ---- stretches ----------------------------------------------------------------------------- */

/* 64-bit integers that float64 cannot hold: to nearest, or to odd, which a second rounding to a
 * narrower format undoes. */
enum wfs_decode_rounding { WFS_DECODE_NEAREST, WFS_DECODE_ODD };
void wfs_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                    enum wfs_decode_rounding rounding, double *ret);
/* To an integer: towards zero (a cast) or to nearest even (arithmetic), saturating, NaN is 0. */
enum wfs_encode_rounding { WFS_ENCODE_TRUNCATE, WFS_ENCODE_NEAREST };
void wfs_lanes_to(enum wfs_dtype dtype, const double *in, uint64_t n,
                  enum wfs_encode_rounding rounding, void *out, uint64_t first);
/* Integers and bool only; storing wraps (bool: is not 0). */
void wfs_int_lanes_from(enum wfs_dtype dtype, const void *in, uint64_t first, uint64_t n,
                        uint64_t *ret);
void wfs_int_lanes_to(enum wfs_dtype dtype, const uint64_t *in, uint64_t n, void *out,
                      uint64_t first);

static inline bool wfs_num_is_integer(const struct wfs_num_format *fmt)
{
    return fmt->class == WFS_NUM_BOOL || fmt->class == WFS_NUM_INT || fmt->class == WFS_NUM_UINT;
}

/* ---- direct loops between 16-bit floats and float32 ----------------------------------------- */

typedef void (*wfs_convert_fn)(const void *in, void *out, uint64_t n);
/* NULL where there is no direct loop. */
wfs_convert_fn wfs_convert_direct(enum wfs_dtype from, enum wfs_dtype to);
#if defined(__x86_64__)
bool wfs_cpu_has_f16c(void);
#endif
/* The loop without the CPU's instructions for it, which gives the same bits; for tests. */
wfs_convert_fn wfs_convert_direct_portable(enum wfs_dtype from, enum wfs_dtype to);

#endif
