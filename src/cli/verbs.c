/*
 * verbs.c - the table of verbs.
 */
#include "cli/verbs.h"

const struct wfs_verb *const wfs_verbs[] = {
    &wfs_verb_mount,
    &wfs_verb_umount,
    &wfs_verb_ls,
    &wfs_verb_cat,
    &wfs_verb_cp,
    &wfs_verb_export,
    &wfs_verb_map,
    &wfs_verb_table,
    &wfs_verb_norms,
    &wfs_verb_check,
    &wfs_verb_diff,
    &wfs_verb_index,
    NULL,
};
