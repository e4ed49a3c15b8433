/*
 * look.h - what the looking verbs share: which rows of which plan, and how they are read.
 */
#ifndef WEIGHTFS_CLI_LOOK_H
#define WEIGHTFS_CLI_LOOK_H

#include "cli/cli.h"
#include "inspect/inspect.h"

#define WFS_LOOK_ROOT    0x200
#define WFS_LOOK_NAME    0x201
#define WFS_LOOK_EXCLUDE 0x202
#define WFS_LOOK_INCLUDE 0x203
#define WFS_LOOK_JSON    0x204

/* Rows of a verb's table of long options. */
#define WFS_LOOK_LONG_OPTIONS                                                                      \
    {"root", required_argument, NULL, WFS_LOOK_ROOT},                                              \
        {"name", required_argument, NULL, WFS_LOOK_NAME},                                          \
    {                                                                                              \
        "json", no_argument, NULL, WFS_LOOK_JSON                                                   \
    }
#define WFS_LOOK_HELP                                                                              \
    "  --root PATH                  the tree to look at (default: a train state's parameters)\n"   \
    "  --name GLOB                  only tensors whose name matches; repeatable\n"                 \
    "  --json                       for programs\n"

struct wfs_look {
    struct wfs_strings names, exclude, include;
    struct wfs_inspect_options options; /* complete after wfs_look_finish */
    bool json;
    bool silent;         /* nothing is said on stderr but errors */
    bool is_root_chosen; /* by -o root= */
    bool *matched;       /* of the names: whether a tensor is called so */
    const char *weights; /* -o weights= of the other checkpoint */
};
/* Takes the option c where it is one of the above; -ENOENT where it is not. */
int wfs_look_option(struct wfs_look *look, struct wfs_cli *cli, int c, struct wfs_error *err);
void wfs_look_free(struct wfs_look *look);
/* After the last option: 0, or the exit status of a mistake that was reported. */
int wfs_look_finish(struct wfs_look *look, struct wfs_cli *cli);

/* The rows of the view that was named, else of the source. What lies beside a root that nobody
 * chose is said on stderr. */
int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err);

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

/* Columns of the terminal on stdout; 0 where it is none. */
unsigned wfs_look_width(void);
/* A terminal that shows colours, and nobody who said NO_COLOR. */
bool wfs_look_color(void);
/* Text to stdout, on a terminal no line wider than it; the exit status. */
int wfs_look_print(struct wfs_buf *text);

#endif
