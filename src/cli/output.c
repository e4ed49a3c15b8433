/*
 * output.c - see output.h. A full disk or a closed pipe is found when stdout is flushed, so nobody
 * takes half an answer for a whole one.
 */
#include "cli/output.h"

#include <string.h>

#include "mount/mount.h"

int wfs_cli_fail(const struct wfs_error *err)
{
    fprintf(stderr, "weightfs: %s\n", err->message);
    return wfs_exit_status(-err->code);
}

int wfs_cli_flush(void)
{
    struct wfs_error err = {0};
    if (!fflush(stdout) && !ferror(stdout))
        return WFS_EXIT_OK;
    wfs_error_set(&err, errno ? errno : EIO, "cannot write: %s", strerror(errno ? errno : EIO));
    return wfs_cli_fail(&err);
}

int wfs_cli_print(const struct wfs_buf *text)
{
    struct wfs_error err = {0};
    if (!wfs_buf_ok(text)) {
        wfs_error_nomem(&err, "the output");
        return wfs_cli_fail(&err);
    }
    fwrite(text->data ? text->data : "", 1, text->len, stdout);
    return wfs_cli_flush();
}
