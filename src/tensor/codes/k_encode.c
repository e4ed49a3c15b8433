/*
 * k_encode.c - encoders of ggml's K codes: each group is searched for its scale, the scales are rounded to
 * small integers, and codes are taken anew with the rounded scales. Layouts stand in k.c.
 */
#include "tensor/codes/k_encode.h"

#include "tensor/codes/search.h"

#define N 256

/* ---- with a minimum ------------------------------------------------------------------------ */

/* Scales and minima of all groups as found, and as rounded. */
struct affine_groups {
    size_t n_groups, per_group;
    struct wfs_affine_found found[16];
    float max_scale, max_minus;
    uint8_t sc[16], m[16];
    uint8_t q[N];
};

static void search_groups(struct affine_groups *g, const struct wfs_affine_search *search,
                          const float *in)
{
    g->per_group = search->n;
    g->n_groups = N / search->n;
    for (size_t j = 0; j < g->n_groups; j++) {
        const float *x = in + j * search->n;
        float weights[32], squares = 0.0f;
        for (size_t i = 0; i < search->n; i++)
            squares += x[i] * x[i];
        float base = search->is_absolute ? 0.0f : sqrtf(squares / (float)search->n);
        for (size_t i = 0; i < search->n; i++)
            weights[i] = base + fabsf(x[i]);
        g->found[j] = wfs_search_affine(search, x, weights, g->q + j * search->n);
        if (g->found[j].scale > g->max_scale)
            g->max_scale = g->found[j].scale;
        if (g->found[j].minus > g->max_minus)
            g->max_minus = g->found[j].minus;
    }
}

/* Scales as multiples of max / top; stores the two float16 of that. A negative one (the least squares
 * may give it) wraps as the reference's uint8_t does. */
static bool round_scales(struct affine_groups *g, float top, uint8_t *d, uint8_t *dmin)
{
    float inverse = g->max_scale > 0.0f ? top / g->max_scale : 0.0f;
    float inverse_minus = g->max_minus > 0.0f ? top / g->max_minus : 0.0f;
    for (size_t j = 0; j < g->n_groups; j++) {
        g->sc[j] = (uint8_t)wfs_code_nearest(inverse * g->found[j].scale);
        g->m[j] = (uint8_t)wfs_code_nearest(inverse_minus * g->found[j].minus);
    }
    bool fits = wfs_code_put_f16(d, g->max_scale / top);
    return wfs_code_put_f16(dmin, g->max_minus / top) && fits;
}

/* Codes by the rounded scales; a group whose scale became 0 keeps those of its search. */
static void round_codes(struct affine_groups *g, const float *in, int top, float d, float dmin)
{
    for (size_t j = 0; j < g->n_groups; j++) {
        float scale = d * (float)g->sc[j], minus = dmin * (float)g->m[j];
        if (scale == 0.0f)
            continue;
        for (size_t i = j * g->per_group; i < (j + 1) * g->per_group; i++)
            g->q[i] = (uint8_t)wfs_code_nearest_in((in[i] + minus) / scale, 0, top);
    }
}

bool wfs_q2_k_encode(const float *in, uint8_t *block)
{
    static const struct wfs_affine_search search = {16, 3, -0.5f, 15, true};
    struct affine_groups g = {0};
    if (!wfs_code_in_reach(in, N))
        return false;
    search_groups(&g, &search, in);
    if (!round_scales(&g, 15.0f, block + 80, block + 82))
        return false;
    for (size_t j = 0; j < 16; j++) {
        block[j] = (uint8_t)(g.sc[j] | g.m[j] << 4);
        g.sc[j] = block[j] & 15;
        g.m[j] = block[j] >> 4;
    }
    round_codes(&g, in, 3, wfs_code_f16(block + 80), wfs_code_f16(block + 82));
    wfs_code_pack(block + 16, 64, 32, 2, g.q);
    return true;
}

static void put_six_bits(uint8_t *out, const uint8_t *sc, const uint8_t *m)
{
    for (size_t j = 0; j < 4; j++) {
        out[j] = (uint8_t)(sc[j] | (sc[j + 4] >> 4) << 6);
        out[j + 4] = (uint8_t)(m[j] | (m[j + 4] >> 4) << 6);
        out[j + 8] = (uint8_t)((sc[j + 4] & 15) | (m[j + 4] & 15) << 4);
    }
}

static bool encode_32(const struct wfs_affine_search *search, const float *in, uint8_t *block,
                      struct affine_groups *g)
{
    if (!wfs_code_in_reach(in, N))
        return false;
    search_groups(g, search, in);
    if (!round_scales(g, 63.0f, block, block + 2))
        return false;
    for (size_t j = 0; j < 8; j++) {
        g->sc[j] = g->sc[j] > 63 ? 63 : g->sc[j];
        g->m[j] = g->m[j] > 63 ? 63 : g->m[j];
    }
    round_codes(g, in, search->top, wfs_code_f16(block), wfs_code_f16(block + 2));
    put_six_bits(block + 4, g->sc, g->m);
    return true;
}

bool wfs_q4_k_encode(const float *in, uint8_t *block)
{
    static const struct wfs_affine_search search = {32, 15, -1.0f, 20, false};
    struct affine_groups g = {0};
    if (!encode_32(&search, in, block, &g))
        return false;
    wfs_code_pack(block + 16, 128, 32, 4, g.q);
    return true;
}

bool wfs_q5_k_encode(const float *in, uint8_t *block)
{
    static const struct wfs_affine_search search = {32, 31, -0.5f, 15, false};
    struct affine_groups g = {0};
    if (!encode_32(&search, in, block, &g))
        return false;
    wfs_code_pack(block + 48, 128, 32, 4, g.q);
    for (size_t i = 0; i < N; i++)
        g.q[i] >>= 4;
    wfs_code_pack(block + 16, 32, 32, 1, g.q);
    return true;
}

/* ---- a scale alone ------------------------------------------------------------------------- */

/* Codes by the rounded scale, in [-half, half), stored from 0. */
static void recode(const float *x, float scale, int half, uint8_t *q)
{
    if (scale == 0.0f)
        return;
    for (size_t i = 0; i < 16; i++)
        q[i] = (uint8_t)(wfs_code_nearest_in(x[i] / scale, -half, half - 1) + half);
}

bool wfs_q6_k_encode(const float *in, uint8_t *block)
{
    uint8_t q[N];
    float scales[16];
    if (!wfs_code_in_reach(in, N))
        return false;
    for (size_t j = 0; j < 16; j++)
        scales[j] = wfs_search_signed(in + 16 * j, q + 16 * j);
    float extreme = wfs_code_extreme(scales, 16);
    memset(block, 0, 210);
    if (fabsf(extreme) < WFS_CODE_ZERO)
        return true;
    float inverse = -128.0f / extreme;
    if (!wfs_code_put_f16(block + 208, 1.0f / inverse))
        return false;
    for (size_t j = 0; j < 16; j++) {
        int sc = wfs_code_nearest(inverse * scales[j]);
        block[192 + j] = (uint8_t)(sc > 127 ? 127 : sc);
        float scale = wfs_code_f16(block + 208) * (float)(int8_t)block[192 + j];
        recode(in + 16 * j, scale, 32, q + 16 * j);
    }
    wfs_code_pack(block, 128, 64, 4, q);
    for (size_t i = 0; i < N; i++)
        q[i] >>= 4;
    wfs_code_pack(block + 128, 64, 32, 2, q);
    return true;
}

bool wfs_q3_k_encode(const float *in, uint8_t *block)
{
    uint8_t q[N], sc[16] = {0}, *d = block + 108;
    float scales[16];
    if (!wfs_code_in_reach(in, N))
        return false;
    for (size_t j = 0; j < 16; j++)
        scales[j] = wfs_search_by_sweeps(in + 16 * j, q + 16 * j);
    float extreme = wfs_code_extreme(scales, 16), inverse = -32.0f / extreme;
    if (!wfs_code_put_f16(d, extreme != 0.0f ? 1.0f / inverse : 0.0f))
        return false;
    for (size_t j = 0; j < 16; j++) {
        if (extreme != 0.0f)
            sc[j] = (uint8_t)(wfs_code_nearest_in(inverse * scales[j], -32, 31) + 32);
        recode(in + 16 * j, wfs_code_f16(d) * (float)(sc[j] - 32), 4, q + 16 * j);
    }
    wfs_code_pack(block + 32, 64, 32, 2, q);
    for (size_t i = 0; i < N; i++)
        q[i] >>= 2;
    wfs_code_pack(block, 32, 32, 1, q);
    wfs_code_pack(block + 96, 8, 8, 4, sc);
    for (size_t j = 0; j < 16; j++)
        sc[j] >>= 4;
    wfs_code_pack(block + 104, 4, 4, 2, sc);
    return true;
}
