/*
 * main.c - the first word is a verb, or the first of `SOURCE MOUNTPOINT`.
 */
#include <string.h>
#include <sys/resource.h>

#include "cli/help.h"
#include "cli/verbs.h"

/* A checkpoint may have more shards than the usual 1024 descriptors. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static const struct wfs_verb *find_verb(const char *word)
{
    for (const struct wfs_verb *const *verb = wfs_verbs; *verb; verb++)
        if (strcmp((*verb)->name, word) == 0)
            return *verb;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        wfs_help_program(stderr);
        return WFS_EXIT_UNREADABLE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return wfs_help_program(stdout);
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
        return printf("weightfs %s\n", WFS_VERSION) < 0 || fflush(stdout) ? WFS_EXIT_INTERNAL : 0;
    allow_many_files();
    const struct wfs_verb *verb = find_verb(argv[1]);
    if (verb)
        return verb->run(verb, argc - 1, argv + 1);
    return wfs_verb_mount.run(&wfs_verb_mount, argc, argv);
}
