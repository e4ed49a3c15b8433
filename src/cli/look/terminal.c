/*
 * terminal.c - see terminal.h.
 */
#include "cli/look/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "inspect/inspect.h"
#include "cli/output.h"

unsigned wfs_look_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return 0;
    return size.ws_col;
}

bool wfs_look_color(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

int wfs_look_print(struct wfs_buf *text)
{
    wfs_inspect_fit(text, wfs_look_width());
    return wfs_cli_print(text);
}
