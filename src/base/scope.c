/*
 * scope.c - cleanup functions for resources that live as long as a C scope.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

void wfs_freep(void *pp)
{
    free(*(void **)pp);
}

void wfs_closep(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

void wfs_fclosep(FILE **f)
{
    int saved = errno;
    if (*f)
        fclose(*f);
    errno = saved;
}
