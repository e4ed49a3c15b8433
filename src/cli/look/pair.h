/*
 * pair.h - what the verbs that compare share: the other checkpoint, and which rows are compared.
 */
#ifndef WEIGHTFS_CLI_LOOK_PAIR_H
#define WEIGHTFS_CLI_LOOK_PAIR_H

#include "cli/look/look.h"

/* -o weights= chooses among the files of a directory. Where one of the source and `other` is a
 * file, it is meant for the other one alone. To be called before the source is opened. */
void wfs_look_share_weights(struct wfs_look *look, struct wfs_cli *cli, const char *other);
/* Opens the other checkpoint with the verb's options, but without its views and without a cache. */
int wfs_look_open_other(const struct wfs_look *look, struct wfs_cli *cli, const char *path,
                        struct wfs_session **ret, struct wfs_error *err);

/* One side of a comparison. */
struct wfs_look_side {
    const char *label; /* "A", "the target": for what is said on stderr */
    const struct wfs_catalog *catalog;
    const struct wfs_plan *plan;
    struct wfs_inspect_rows *rows; /* made by wfs_look_pair; the caller frees them */
};
/* Makes the rows of both sides. Two train states are compared whole. Of a train state and something
 * that is none, the train state's model alone is compared, which stderr says. --root is of both
 * sides; a side that has no such root and is no train state is taken for that tree itself, and
 * stderr says so. */
int wfs_look_pair(struct wfs_look *look, struct wfs_look_side *a, struct wfs_look_side *b,
                  struct wfs_error *err);
/* The same where B is a list of keys: makes a's rows, and chooses the keys to compare them with. */
int wfs_look_pair_keys(struct wfs_look *look, struct wfs_look_side *a, struct wfs_arena *arena,
                       const struct wfs_check_key **keys, size_t *n_keys, struct wfs_error *err);

#endif
