/*
 * x86.h - strips: the innermost step of a transposition, and the ones that an x86-64 CPU has
 * instructions for. Private to the copy kernels.
 */
#ifndef WEIGHTFS_TENSOR_KERNEL_X86_H
#define WEIGHTFS_TENSOR_KERNEL_X86_H

#include <stddef.h>
#include <stdint.h>

/*
 * A strip: N = WFS_STRIP_BYTES / elem source rows (one register of every column) and n_cols >= N
 * source columns. Row i starts at src + src_off[i]; column j goes to out + j * WFS_PITCH_BYTES. The
 * strip may prefetch the rows src_off[WFS_ROWS_AHEAD + i].
 */
#define WFS_STRIP_BYTES         16
#define WFS_ROWS_AHEAD          16
#define WFS_CACHE_LINE          64
#define WFS_RUN_BYTES           512                              /* of a column of a block */
#define WFS_PITCH_BYTES         (WFS_RUN_BYTES + WFS_CACHE_LINE) /* no power of two */
#define WFS_PLANE_MAX_ELEM_LOG2 4
typedef void (*wfs_strip_fn)(uint8_t *out, const uint8_t *src, const int64_t *src_off,
                             size_t n_cols);
struct wfs_strips {
    wfs_strip_fn by_elem_log2[WFS_PLANE_MAX_ELEM_LOG2 + 1];
};

/* Implementations, better ones later: 0 is portable, on x86-64 1 is SSE2 and 2 is AVX2. */
#define WFS_N_STRIP_LEVELS 3
/* Levels 1 and up, for this architecture; NULL where this CPU does not run that level. */
const struct wfs_strips *wfs_strips_native(unsigned level);

#endif
