/*
 * verb.c - see verb.h.
 */
#include "cli/verb.h"

#include "mount/mount.h"

int wfs_cli_misuse(const struct wfs_verb *verb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "weightfs %s: ", verb->name);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nusage: weightfs %s [OPTIONS] %s  (see weightfs %s --help)\n", verb->name,
            verb->operands, verb->name);
    return WFS_EXIT_UNREADABLE;
}

int wfs_cli_one_of(const struct wfs_verb *verb, const struct wfs_cli_choice *choices)
{
    const char *given = NULL;
    for (; choices->name; choices++) {
        if (choices->is_given && given)
            return wfs_cli_misuse(verb, "%s and %s: not both", given, choices->name);
        given = choices->is_given ? choices->name : given;
    }
    return 0;
}
