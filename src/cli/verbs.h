/*
 * verbs.h - the verbs' descriptors, each at the bottom of its own file.
 */
#ifndef WEIGHTFS_CLI_VERBS_H
#define WEIGHTFS_CLI_VERBS_H

#include "cli/cli.h"

extern const struct wfs_verb wfs_verb_cat;
extern const struct wfs_verb wfs_verb_cp;
extern const struct wfs_verb wfs_verb_table;
extern const struct wfs_verb wfs_verb_norms;
extern const struct wfs_verb wfs_verb_diff;
extern const struct wfs_verb wfs_verb_check;
extern const struct wfs_verb wfs_verb_export;
extern const struct wfs_verb wfs_verb_index;
extern const struct wfs_verb wfs_verb_ls;
extern const struct wfs_verb wfs_verb_map;
extern const struct wfs_verb wfs_verb_mount;
extern const struct wfs_verb wfs_verb_umount;

#endif
