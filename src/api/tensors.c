/*
 * tensors.c - the tensors of an open checkpoint: found, described, read.
 */
#include <string.h>

#include "api/checkpoint.h"

uint32_t wfs_checkpoint_n_tensors(const struct wfs_checkpoint *checkpoint)
{
    return checkpoint->n_tensors;
}

int wfs_checkpoint_find_tensor(const struct wfs_checkpoint *checkpoint, const char *name,
                               uint32_t *ret_tensor, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    uint64_t index;
    if (!wfs_strmap_get(&checkpoint->by_name, name, &index))
        return wfs_api_fail(wfs_error_set(&err, ENOENT, "%s: there is no such tensor", name), &err,
                            failure);
    if (index == WFS_API_AMBIGUOUS)
        return wfs_api_fail(
            wfs_error_set(&err, ENOTUNIQ, "%s: several tensors are called so", name), &err,
            failure);
    *ret_tensor = (uint32_t)index;
    return 0;
}

static int check_tensor(const struct wfs_checkpoint *checkpoint, uint32_t tensor,
                        struct wfs_error *err)
{
    if (tensor < checkpoint->n_tensors)
        return 0;
    return wfs_error_set(err, ERANGE, "tensor %u: there are %u", tensor, checkpoint->n_tensors);
}

int wfs_checkpoint_tensor(const struct wfs_checkpoint *checkpoint, uint32_t tensor,
                          struct wfs_checkpoint_tensor *ret, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    int r = check_tensor(checkpoint, tensor, &err);
    if (r)
        return wfs_api_fail(r, &err, failure);
    const struct wfs_api_tensor *t = &checkpoint->tensors[tensor];
    struct wfs_checkpoint_tensor description = {.struct_size = sizeof(description),
                                                .name = t->name,
                                                .dtype = wfs_dtype_info(t->expr->dtype)->name,
                                                .ndim = t->expr->ndim,
                                                .n_sources = t->n_sources,
                                                .shape = t->expr->shape,
                                                .size_bytes = t->expr->size_bytes,
                                                .sources = t->sources,
                                                .operations = t->operations};
    return wfs_api_fail(wfs_api_describe(ret, &description, &err), &err, failure);
}

int wfs_checkpoint_read_tensor(struct wfs_checkpoint *checkpoint, uint32_t tensor, void *buf,
                               size_t len, uint64_t off, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    int r = check_tensor(checkpoint, tensor, &err);
    if (r)
        return wfs_api_fail(r, &err, failure);
    const struct wfs_api_tensor *t = &checkpoint->tensors[tensor];
    uint64_t size = t->expr->size_bytes;
    if (off > size || len > size - off)
        r = wfs_error_set(&err, ERANGE, "%s: bytes %llu to %llu: it has %llu", t->name,
                          (unsigned long long)off, (unsigned long long)off + len,
                          (unsigned long long)size);
    else if (len > 0)
        r = wfs_cache_read(checkpoint->session->cache, t->expr, &t->hash, buf, len, off, NULL,
                           &err);
    return wfs_api_fail(r, &err, failure);
}
