/*
 * overflow.c - counts finite numbers that a cast made infinite or NaN. Results of 16 and 32 bits are
 * looked at first, which is quick, since hardly any holds such a number.
 */
#include "tensor/convert/overflow.h"

#include <math.h>
#include <string.h>

#include "tensor/convert/lanes.h"
#include "tensor/convert/small.h"

#define STRETCH 512 /* elements; a multiple of 8 */

/* A reader's casts run in the thread that reads, so that a difference of this is the reader's own. */
static _Thread_local uint64_t n_overflowed;

uint64_t wfs_convert_n_overflowed(void)
{
    return n_overflowed;
}

/* Results may lie at any byte, so they are loaded by memcpy. */
static bool any_special_16(const uint8_t *out, uint64_t n, uint16_t exponent)
{
    uint64_t special = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t code;
        memcpy(&code, out + i * sizeof(code), sizeof(code));
        special += (code & exponent) == exponent;
    }
    return special != 0;
}

static bool any_special_32(const uint8_t *out, uint64_t n)
{
    uint64_t special = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t code;
        memcpy(&code, out + i * sizeof(code), sizeof(code));
        special += (code & 0x7f800000) == 0x7f800000;
    }
    return special != 0;
}

static bool any_special(enum wfs_dtype dtype, const void *out, uint64_t n)
{
    switch (dtype) {
    case WFS_F16:
        return any_special_16(out, n, 0x7c00);
    case WFS_BF16:
        return any_special_16(out, n, 0x7f80);
    case WFS_F32:
        return any_special_32(out, n);
    default:
        return true;
    }
}

static uint64_t count_components(enum wfs_dtype from, const void *in, enum wfs_dtype to,
                                 const void *out, uint64_t first, uint64_t n)
{
    double before[STRETCH], after[STRETCH];
    uint64_t n_found = 0;
    wfs_lanes_from(from, in, first, n, WFS_DECODE_NEAREST, before);
    wfs_lanes_from(to, out, first, n, WFS_DECODE_NEAREST, after);
    for (uint64_t i = 0; i < n; i++)
        n_found += isfinite(before[i]) && !isfinite(after[i]);
    return n_found;
}

/* True where every finite number of `from` stays finite in `to`. */
static bool is_safe(const struct wfs_num_format *from, const struct wfs_num_format *to)
{
    return from->class != WFS_NUM_FLOAT || to->class != WFS_NUM_FLOAT ||
           from->n_components != to->n_components ||
           (from->bits <= to->bits && from->exp_bits <= to->exp_bits);
}

void wfs_overflow_count(enum wfs_dtype from, const void *in, enum wfs_dtype to, const void *out,
                        uint64_t n)
{
    const struct wfs_num_format *a = wfs_num_format(from), *b = wfs_num_format(to);
    uint64_t n_found = 0, n_all = n * a->n_components;
    if (is_safe(a, b) || !any_special(to, out, n))
        return;
    for (uint64_t i = 0; i < n_all; i += STRETCH)
        n_found += count_components(from, in, to, out, i, wfs_min_u64(STRETCH, n_all - i));
    n_overflowed += n_found;
}
