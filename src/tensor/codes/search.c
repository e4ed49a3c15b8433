/*
 * search.c - how scales are chosen: many are tried, and the one of the least weighted error is kept.
 */
#include "tensor/codes/search.h"

#define GROUP 16

bool wfs_code_in_reach(const float *x, size_t n)
{
    return fabsf(wfs_code_extreme(x, n)) < 0x1p31f;
}

bool wfs_code_put_f16(uint8_t *out, float value)
{
    uint16_t half = 0;
    struct wfs_error err;
    if (wfs_convert(WFS_F32, &value, WFS_F16, &half, 1, &err))
        return false;
    out[0] = (uint8_t)half;
    out[1] = (uint8_t)(half >> 8);
    return (half & 0x7c00) != 0x7c00;
}

void wfs_code_pack(uint8_t *out, size_t n_bytes, size_t width, unsigned bits, const uint8_t *q)
{
    memset(out, 0, n_bytes);
    for (size_t at = 0; at < n_bytes; at += width)
        for (unsigned shift = 0; shift < 8; shift += bits, q += width)
            for (size_t i = 0; i < width; i++)
                out[at + i] |= (uint8_t)((q[i] & ((1u << bits) - 1)) << shift);
}

/* ---- affine -------------------------------------------------------------------------------- */

/* What a search knows of its group. */
struct affine {
    const struct wfs_affine_search *search;
    const float *x, *weights;
    float high, sum_w, sum_x; /* sum_x: of w * x */
};

static float affine_error(const struct affine *a, float scale, float low, const uint8_t *q)
{
    float error = 0.0f;
    for (size_t i = 0; i < a->search->n; i++) {
        float e = scale * (float)q[i] + low - a->x[i];
        error += a->weights[i] * (a->search->is_absolute ? fabsf(e) : e * e);
    }
    return error;
}

/* The best line through codes that 1 / `inverse` and `low` give. False: there is none. */
static bool affine_fit(const struct affine *a, float inverse, float low, uint8_t *q,
                       float *ret_scale, float *ret_low)
{
    float sum_q = 0.0f, sum_q2 = 0.0f, sum_xq = 0.0f;
    for (size_t i = 0; i < a->search->n; i++) {
        int code = wfs_code_nearest_in(inverse * (a->x[i] - low), 0, a->search->top);
        q[i] = (uint8_t)code;
        float wq = a->weights[i] * (float)code;
        sum_q += wq;
        sum_q2 += wq * (float)code;
        sum_xq += wq * a->x[i];
    }
    float determinant = a->sum_w * sum_q2 - sum_q * sum_q;
    if (!(determinant > 0.0f))
        return false;
    *ret_scale = (a->sum_w * sum_xq - a->sum_x * sum_q) / determinant;
    *ret_low = (sum_q2 * a->sum_x - sum_q * sum_xq) / determinant;
    if (*ret_low > 0.0f) {
        *ret_low = 0.0f;
        *ret_scale = sum_xq / sum_q2;
    }
    return true;
}

/* Fills what is known of the group; gives its lowest value, at most 0. */
static float affine_survey(struct affine *a)
{
    float low = a->x[0];
    a->high = a->x[0];
    a->sum_w = a->weights[0];
    a->sum_x = a->sum_w * a->x[0];
    for (size_t i = 1; i < a->search->n; i++) {
        low = a->x[i] < low ? a->x[i] : low;
        a->high = a->x[i] > a->high ? a->x[i] : a->high;
        a->sum_w += a->weights[i];
        a->sum_x += a->weights[i] * a->x[i];
    }
    return low > 0.0f ? 0.0f : low;
}

struct wfs_affine_found wfs_search_affine(const struct wfs_affine_search *search, const float *x,
                                          const float *weights, uint8_t *q)
{
    struct affine a = {.search = search, .x = x, .weights = weights};
    float low = affine_survey(&a), top = (float)search->top;
    if (a.high == low) {
        memset(q, 0, search->n);
        return (struct wfs_affine_found){0.0f, -low};
    }
    float inverse = top / (a.high - low), scale = 1.0f / inverse;
    for (size_t i = 0; i < search->n; i++)
        q[i] = (uint8_t)wfs_code_nearest_in(inverse * (x[i] - low), 0, search->top);
    float best = affine_error(&a, scale, low, q);
    for (int step = 0; step <= search->n_steps; step++) {
        uint8_t tried[32];
        float new_scale, new_low;
        /* From the best offset so far, not from the lowest value. */
        inverse = (search->first + 0.1f * (float)step + top) / (a.high - low);
        if (!affine_fit(&a, inverse, low, tried, &new_scale, &new_low))
            continue;
        float error = affine_error(&a, new_scale, new_low, tried);
        if (error < best) {
            memcpy(q, tried, search->n);
            best = error;
            scale = new_scale;
            low = new_low;
        }
    }
    return (struct wfs_affine_found){scale, -low};
}

/* ---- a scale alone ------------------------------------------------------------------------- */

/* Sums of w x q and w q^2 with the weights x^2. */
static void signed_sums(const float *x, float inverse, uint8_t *q, float *ret_xq, float *ret_q2)
{
    float xq = 0.0f, q2 = 0.0f;
    for (size_t i = 0; i < GROUP; i++) {
        int code = wfs_code_nearest_in(inverse * x[i], -32, 31);
        float w = x[i] * x[i];
        q[i] = (uint8_t)(code + 32);
        xq += w * x[i] * (float)code;
        q2 += w * (float)code * (float)code;
    }
    *ret_xq = xq;
    *ret_q2 = q2;
}

float wfs_search_signed(const float *x, uint8_t *q)
{
    float extreme = wfs_code_extreme(x, GROUP), xq, q2;
    if (fabsf(extreme) < WFS_CODE_ZERO) {
        memset(q, 0, GROUP);
        return 0.0f;
    }
    signed_sums(x, -32.0f / extreme, q, &xq, &q2);
    float scale = q2 != 0.0f ? xq / q2 : 0.0f, best = scale * xq;
    for (int step = -9; step <= 9; step++) {
        uint8_t tried[GROUP];
        if (step == 0)
            continue;
        signed_sums(x, -(32.0f + 0.1f * (float)step) / extreme, tried, &xq, &q2);
        if (q2 > 0.0f && xq * xq > best * q2) {
            memcpy(q, tried, GROUP);
            scale = xq / q2;
            best = scale * xq;
        }
    }
    return scale;
}

struct sweep {
    float xq, q2; /* sums of w x q and w q^2 with the weights x^2 */
    int q[GROUP];
};

/* Another code for element i where that brings the group nearer to a multiple of its codes. */
static bool improve(struct sweep *s, float x, size_t i)
{
    float w = x * x, xq = s->xq - w * x * (float)s->q[i];
    if (!(xq > 0.0f))
        return false;
    float q2 = s->q2 - w * (float)s->q[i] * (float)s->q[i];
    int code = wfs_code_nearest_in(x * q2 / xq, -4, 3);
    if (code == s->q[i])
        return false;
    xq += w * x * (float)code;
    q2 += w * (float)code * (float)code;
    if (!(q2 > 0.0f && xq * xq * s->q2 > s->xq * s->xq * q2))
        return false;
    s->q[i] = code;
    s->xq = xq;
    s->q2 = q2;
    return true;
}

float wfs_search_by_sweeps(const float *x, uint8_t *q)
{
    float extreme = wfs_code_extreme(x, GROUP);
    struct sweep s = {0};
    if (fabsf(extreme) < WFS_CODE_ZERO) {
        memset(q, 0, GROUP);
        return 0.0f;
    }
    float inverse = -4.0f / extreme;
    for (size_t i = 0; i < GROUP; i++) {
        float w = x[i] * x[i];
        s.q[i] = wfs_code_nearest_in(inverse * x[i], -4, 3);
        s.xq += w * x[i] * (float)s.q[i];
        s.q2 += w * (float)s.q[i] * (float)s.q[i];
    }
    bool changed = true;
    for (int sweep = 0; sweep < 5 && changed; sweep++) {
        changed = false;
        for (size_t i = 0; i < GROUP; i++)
            changed |= improve(&s, x[i], i);
    }
    for (size_t i = 0; i < GROUP; i++)
        q[i] = (uint8_t)(s.q[i] + 4);
    return s.q2 > 0.0f ? s.xq / s.q2 : 0.0f;
}
