/*
 * look.h - what the verbs that look at tensors share (table, norms, check, diff): the options that
 * choose tensors, and the rows that they choose.
 */
#ifndef WEIGHTFS_CLI_LOOK_LOOK_H
#define WEIGHTFS_CLI_LOOK_LOOK_H

#include "inspect/inspect.h"
#include "cli/cli.h"

#define WFS_LOOK_ROOT    0x200
#define WFS_LOOK_NAME    0x201
#define WFS_LOOK_EXCLUDE 0x202
#define WFS_LOOK_INCLUDE 0x203
#define WFS_LOOK_JSON    0x204

/* To be put into a verb's table of long options, and into its help. */
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
    bool *matched;       /* for each name: whether a tensor has it */
    const char *weights; /* -o weights= of the other checkpoint */
};
/* Applies option c where it is one of the above; -ENOENT where it is not. */
int wfs_look_option(struct wfs_look *look, struct wfs_cli *cli, int c, struct wfs_error *err);
void wfs_look_free(struct wfs_look *look);
/* After the last option: 0, or the exit status of a mistake that was reported. */
int wfs_look_finish(struct wfs_look *look, struct wfs_cli *cli);

/* The rows of the view that was named, else of the source. Where a root was chosen that nobody
 * asked for, stderr says how many tensors lie beside it. */
int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err);

/* For what looks at two checkpoints (pair.h). -EINVAL naming the --name that no tensor is called;
 * asked once all rows are made. */
int wfs_look_check_names(const struct wfs_look *look, struct wfs_error *err);
/* The root of the rows as it is shown, in `out`; "" where it is all, or without memory. */
const char *wfs_look_show_root(const struct wfs_inspect_rows *rows, struct wfs_buf *out);

#endif
