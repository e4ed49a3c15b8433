/*
 * block.c - float32 arithmetic with infinities and NaNs, apart from the loops that are fast since they
 * meet none.
 */
#include "tensor/codes/block.h"

static float quiet(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return wfs_code_f32_of(bits | 0x400000);
}

float wfs_code_nan(float a, float b)
{
    if (isnan(a))
        return quiet(a);
    return isnan(b) ? quiet(b) : wfs_code_f32_of(0xffc00000);
}

void wfs_code_scale_special(float *out, const int8_t *q, size_t n, float d)
{
    for (size_t i = 0; i < n; i++)
        out[i] = wfs_code_mul(d, (float)q[i]);
}

void wfs_code_affine_special(float *out, const int8_t *q, size_t n, float d, float m, bool minus)
{
    for (size_t i = 0; i < n; i++) {
        float product = wfs_code_mul(d, (float)q[i]);
        float value = minus ? product - m : product + m;
        out[i] = value == value ? value : wfs_code_nan(product, m);
    }
}
