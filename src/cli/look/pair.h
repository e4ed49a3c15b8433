/*
 * pair.h - what the verbs that compare share: the other checkpoint, and which rows are compared.
 */
#ifndef WEIGHTFS_CLI_LOOK_PAIR_H
#define WEIGHTFS_CLI_LOOK_PAIR_H

#include "cli/look/look.h"

/* -o weights= chooses in a directory: where one of source and `other` is a file, in the other
 * alone. Before the source is opened. */
void wfs_look_share_weights(struct wfs_look *look, struct wfs_cli *cli, const char *other);
/* Another checkpoint, opened with the verb's options but for the views; without a cache. */
int wfs_look_open_other(const struct wfs_look *look, struct wfs_cli *cli, const char *path,
                        struct wfs_session **ret, struct wfs_error *err);

/* What is compared with what. */
struct wfs_look_side {
    const char *label; /* "A", "the target": for what is said on stderr */
    const struct wfs_catalog *catalog;
    const struct wfs_plan *plan;
    struct wfs_inspect_rows *rows; /* made by wfs_look_pair; the caller frees them */
};
/* Of two train states everything; where one side is a train state and the other is not, its model
 * alone, which is said on stderr. --root, where it is given, is of both; a side without it that is
 * no train state is that tree itself, which is said as well. */
int wfs_look_pair(struct wfs_look *look, struct wfs_look_side *a, struct wfs_look_side *b,
                  struct wfs_error *err);
/* The same where B is keys: a's rows, and the keys to hold against them. */
int wfs_look_pair_keys(struct wfs_look *look, struct wfs_look_side *a, struct wfs_arena *arena,
                       const struct wfs_check_key **keys, size_t *n_keys, struct wfs_error *err);

#endif
