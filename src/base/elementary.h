/*
 * elementary.h - exp, log and pow of float32 numbers, rounded correctly: the nearest float32, ties to
 * even. The same bits on every machine, which the C library's own do not promise. Public to the stages
 * above.
 */
#ifndef WEIGHTFS_BASE_ELEMENTARY_H
#define WEIGHTFS_BASE_ELEMENTARY_H

/* e^x; NaN of NaN. */
float wfs_expf(float x);
/* The natural logarithm; NaN of what is below 0, -inf of 0. */
float wfs_logf(float x);
/* x^y for x > 0, both finite; NaN of any other. */
float wfs_powf(float x, float y);

#endif
