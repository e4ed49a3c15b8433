/*
 * names.c - roles as text.
 */
#include "mapping/roles/names.h"

#include <string.h>

static const char *const names[WFS_N_ROLES] = {
    [WFS_ROLE_DENSE] = "dense",
    [WFS_ROLE_DENSE_IO] = "dense_io",
    [WFS_ROLE_EMBEDDING] = "embedding",
    [WFS_ROLE_NORM] = "norm",
    [WFS_ROLE_CONVOLUTION] = "convolution",
    [WFS_ROLE_DEPTHWISE] = "depthwise",
    [WFS_ROLE_TRANSPOSED] = "transposed",
    [WFS_ROLE_STACKED] = "stacked",
    [WFS_ROLE_SCANNED] = "scanned",
    [WFS_ROLE_BILINEAR] = "bilinear",
    [WFS_ROLE_OPAQUE] = "opaque",
    [WFS_ROLE_FLATTENED] = "flattened",
    [WFS_ROLE_UNFLATTENED] = "unflattened",
    [WFS_ROLE_DENSE_OR_EMBEDDING] = "dense_or_embedding",
    [WFS_ROLE_DENSE_OR_IO] = "dense_or_io",
    [WFS_ROLE_DENSE_OR_FLATTENED] = "dense_or_flattened",
    [WFS_ROLE_DENSE_OR_UNFLATTENED] = "dense_or_unflattened",
    [WFS_ROLE_CONVOLUTION_OR_STACKED] = "convolution_or_stacked",
    [WFS_ROLE_CONVOLUTION_OR_DEPTHWISE] = "convolution_or_depthwise",
    [WFS_ROLE_DOUBTFUL] = "doubtful",
};

const char *wfs_role_name(enum wfs_role role)
{
    return (unsigned)role < WFS_N_ROLES ? names[role] : NULL;
}

bool wfs_role_is_certain(enum wfs_role role)
{
    return role > WFS_ROLE_NONE && role <= WFS_ROLE_OPAQUE;
}

enum wfs_role wfs_role_by_name(const char *name, size_t len)
{
    for (int i = 0; i < WFS_N_ROLES; i++)
        if (wfs_role_is_certain((enum wfs_role)i) && strlen(names[i]) == len &&
            memcmp(names[i], name, len) == 0)
            return (enum wfs_role)i;
    return WFS_ROLE_NONE;
}
