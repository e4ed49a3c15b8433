/*
 * main.c - the first word is a verb, or the first of `SOURCE MOUNTPOINT`.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mount/mount.h"
#include "cli/output.h"
#include "cli/help.h"
#include "cli/cli.h"

#define VERB_ROW(verb) &verb,
static const struct wfs_verb *const verbs[] = {WFS_VERBS(VERB_ROW) NULL};

/* A checkpoint may have more shards than the usual 1024 descriptors. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The caller may have closed descriptor 0, 1 or 2. The next file that is opened would get the
 * number: messages for stderr would be written into it, and the server would replace it when it
 * lets go of the terminal. So /dev/null takes the place; open() returns the lowest free number. */
static void fill_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            return;
}

static const struct wfs_verb *find_verb(const char *word)
{
    for (const struct wfs_verb *const *verb = verbs; *verb; verb++)
        if (strcmp((*verb)->name, word) == 0)
            return *verb;
    return NULL;
}

int main(int argc, char **argv)
{
    fill_standard_files();
    if (argc < 2) {
        wfs_help_program(verbs, stderr);
        return WFS_EXIT_UNREADABLE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return wfs_help_program(verbs, stdout);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("weightfs %s\n", WFS_VERSION);
        return wfs_cli_flush();
    }
    allow_many_files();
    const struct wfs_verb *verb = find_verb(argv[1]);
    if (verb)
        return verb->run(verb, argc - 1, argv + 1);
    return wfs_verb_mount.run(&wfs_verb_mount, argc, argv);
}
