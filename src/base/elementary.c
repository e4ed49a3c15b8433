/*
 * elementary.c - exp, log and pow of float32 numbers, rounded correctly.
 *
 * Everything is computed with pairs of doubles (hi + lo, |lo| at most half a unit of hi's last place),
 * whose error stays below 2^-90: no result of a float32 argument lies so near the middle between two
 * float32 numbers without being it. Only + - * / of doubles in a fixed order are used, and the project
 * is compiled without contraction: the bits do not depend on the machine.
 */
#include "base/elementary.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

struct pair {
    double hi, lo;
};

/* ---- pairs --------------------------------------------------------------------------------- */

/* a + b exactly. */
static struct pair two_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (struct pair){s, (a - (s - t)) + (b - t)};
}

/* a * b exactly (Dekker: each factor as two halves of 26 bits). */
static struct pair two_product(double a, double b)
{
    const double splitter = 0x1p27 + 1;
    double ca = splitter * a, cb = splitter * b;
    double a1 = ca - (ca - a), a2 = a - a1, b1 = cb - (cb - b), b2 = b - b1;
    double p = a * b;
    return (struct pair){p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2};
}

static struct pair add(struct pair a, struct pair b)
{
    struct pair s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
    s = two_sum(s.hi, s.lo + t.hi);
    return two_sum(s.hi, s.lo + t.lo);
}

static struct pair multiply(struct pair a, struct pair b)
{
    struct pair p = two_product(a.hi, b.hi);
    return two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static struct pair divide(struct pair a, double b)
{
    double q = a.hi / b;
    struct pair back = two_product(q, b);
    return two_sum(q, ((a.hi - back.hi) - back.lo + a.lo) / b);
}

/* The float32 nearest to hi + lo. First an odd double with the same neighbours: what was cut off
 * makes its last bit 1, so that a tie of hi alone is none. */
static float round_pair(struct pair a)
{
    uint64_t bits;
    if (a.lo != 0 && isfinite(a.hi)) {
        memcpy(&bits, &a.hi, sizeof(bits));
        if ((a.lo < 0) != (a.hi < 0))
            bits--; /* towards zero */
        bits |= 1;
        memcpy(&a.hi, &bits, sizeof(bits));
    }
    return (float)a.hi;
}

/* ---- functions ----------------------------------------------------------------------------- */

static const struct pair ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

#define EXP_TERMS 24 /* of the Taylor series, |r| < 0.35: r^24 / 24! < 2^-115 */
#define LOG_TERMS 24 /* of atanh, s^2 < 0.03: s^48 / 49 < 2^-126 */

static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* e^(hi + lo) as a float32. */
static float exp_pair(struct pair x)
{
    if (x.hi > 89)
        return INFINITY;
    if (x.hi < -104)
        return 0;
    int k = (int)(x.hi / ln2.hi + (x.hi < 0 ? -0.5 : 0.5));
    struct pair kln2 = multiply((struct pair){-k, 0}, ln2);
    struct pair r = add(x, kln2), sum = {1, 0};
    for (int n = EXP_TERMS; n > 0; n--)
        sum = add((struct pair){1, 0}, multiply(divide(r, n), sum));
    double scale = power_of_two(k);
    return round_pair((struct pair){sum.hi * scale, sum.lo * scale});
}

/* The logarithm of x > 0, finite. */
static struct pair log_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | (UINT64_C(1023) << 52);
    double m;
    memcpy(&m, &bits, sizeof(m));
    if (m > 0x1.6a09e6p0) {
        m /= 2;
        e++;
    }
    struct pair s = divide((struct pair){m - 1, 0}, m + 1), s2 = multiply(s, s), sum = {0, 0};
    for (int n = LOG_TERMS; n >= 0; n--)
        sum = add(divide((struct pair){1, 0}, 2 * n + 1), multiply(s2, sum));
    sum = multiply(s, sum);
    sum = (struct pair){2 * sum.hi, 2 * sum.lo};
    return add(multiply((struct pair){e, 0}, ln2), sum);
}

float wfs_expf(float x)
{
    return isnan(x) ? x : exp_pair((struct pair){(double)x, 0});
}

float wfs_logf(float x)
{
    if (isnan(x) || x < 0)
        return NAN;
    if (x == 0)
        return -INFINITY;
    return isinf(x) ? x : round_pair(log_double((double)x));
}

float wfs_powf(float x, float y)
{
    if (!(x > 0) || !isfinite(x) || !isfinite(y))
        return NAN;
    struct pair p = multiply((struct pair){(double)y, 0}, log_double((double)x));
    return exp_pair(p);
}
