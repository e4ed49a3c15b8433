/*
 * sizes.c - a set of axis lengths, sorted.
 */
#include "mapping/roles/sizes.h"

#include <errno.h>
#include <stdlib.h>

int wfs_sizes_add(struct wfs_sizes *sizes, uint64_t size)
{
    if (wfs_grow(&sizes->v, &sizes->cap, sizes->n + 1, sizeof(*sizes->v)))
        return -ENOMEM;
    sizes->v[sizes->n++] = size;
    return 0;
}

static int compare(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

void wfs_sizes_sort(struct wfs_sizes *sizes)
{
    size_t n = 0;
    if (sizes->n)
        qsort(sizes->v, sizes->n, sizeof(*sizes->v), compare);
    for (size_t i = 0; i < sizes->n; i++)
        if (n == 0 || sizes->v[n - 1] != sizes->v[i])
            sizes->v[n++] = sizes->v[i];
    sizes->n = n;
}

bool wfs_sizes_have(const struct wfs_sizes *sizes, uint64_t size)
{
    return sizes->n && bsearch(&size, sizes->v, sizes->n, sizeof(size), compare);
}

void wfs_sizes_free(struct wfs_sizes *sizes)
{
    free(sizes->v);
    *sizes = (struct wfs_sizes){0};
}
