/*
 * grids.h - the grids of ggml's IQ codes. Private to tensor/codes.
 */
#ifndef WEIGHTFS_TENSOR_CODES_GRIDS_H
#define WEIGHTFS_TENSOR_CODES_GRIDS_H

#include <stdint.h>

/* 8 elements of 2 bits: which of 8, 25, 43. */
extern const uint16_t wfs_grid_iq2_xxs[256], wfs_grid_iq2_xs[512], wfs_grid_iq2_s[1024];
/* 4 elements of 3 bits, in nibbles: which of the code's eight values. */
extern const uint16_t wfs_grid_iq3_xxs[256], wfs_grid_iq3_s[512];
/* 8 elements of 2 bits: one more than the element (-1, 0, 1). */
extern const uint16_t wfs_grid_iq1[2048];

#endif
