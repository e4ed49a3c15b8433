/*
 * look.h - what the looking verbs share: which rows of which plan, and how they are read.
 */
#ifndef WEIGHTFS_CLI_LOOK_H
#define WEIGHTFS_CLI_LOOK_H

#include "cli/cli.h"
#include "weightfs/inspect.h"

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
};
/* Takes the option c where it is one of the above; -ENOENT where it is not. */
int wfs_look_option(struct wfs_look *look, struct wfs_cli *cli, int c, struct wfs_error *err);
void wfs_look_free(struct wfs_look *look);

/* The rows of the view that was named, else of the source. */
int wfs_look_rows(struct wfs_look *look, const struct wfs_session *session,
                  struct wfs_inspect_rows **ret, struct wfs_error *err);

/* Columns of the terminal on stdout; 0 where it is none. */
unsigned wfs_look_width(void);

#endif
