/*
 * renames.h - tensors that no name pairs, paired by their bytes. Of several of one
 * content (zeroed biases, tied copies) the one with the most alike name is taken, and of those the
 * first, so that layer 0 becomes layer 0.
 */
#ifndef WEIGHTFS_INSPECT_DIFF_RENAMES_H
#define WEIGHTFS_INSPECT_DIFF_RENAMES_H

#include "inspect/inspect.h"

struct wfs_renames {
    const struct wfs_inspect_rows *a, *b;
    const struct wfs_hash *hashes_a, *hashes_b;
    const bool *paired_b; /* by name */
    /* Made by wfs_renames_init: lists of b's rows by content. */
    struct wfs_strmap by_content; /* key -> list */
    uint32_t *lists;              /* the first row of each list, or WFS_NO_INDEX */
    uint32_t *next;               /* the row that follows each row in its list */
    uint32_t n_lists;
    bool failed; /* out of memory */
};
int wfs_renames_init(struct wfs_renames *renames, struct wfs_arena *arena, struct wfs_error *err);
/* The row of b that a's row i became, taken from the lists, where the names have at least
 * `n_common` components at their ends in common; WFS_NO_INDEX: none. Asked first with
 * WFS_RENAMES_COMMON_MAX for all rows, then with less, so that no row takes another's better
 * match. */
#define WFS_RENAMES_COMMON_MAX 3
uint32_t wfs_renames_take(struct wfs_renames *renames, uint32_t i, unsigned n_common);
void wfs_renames_free(struct wfs_renames *renames);

#endif
