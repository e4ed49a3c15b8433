/*
 * flax_roles.c - kernels of Flax: (in, out) of Dense, (*k, in, out) of Conv, (layers, in, out) of
 * layers that nn.scan stacks, (in, heads, size) and (heads, size, out) of DenseGeneral.
 *
 * Norms that are stacked have two axes (layers, features): then so has every kernel below the same
 * module. Kernels of several axes whose name does not say convolution and whose window is not that
 * of one are doubtful.
 */
#include "mapping/roles/flax_roles.h"

/* Windows of at most this many points a side are usual. */
#define WINDOW_MAX 64

static struct wfs_verdict verdict(enum wfs_role role, const char *reason)
{
    return (struct wfs_verdict){role, reason};
}

/* A square window, or a line that is not many features wide. */
static bool has_window(const struct wfs_evidence *ev, const struct wfs_expr *e)
{
    for (uint32_t i = 0; i + 2 < e->ndim; i++)
        if (e->shape[i] != e->shape[0] || e->shape[i] > WINDOW_MAX)
            return false;
    return e->ndim > 3 || e->shape[0] == 1 ||
           (e->shape[0] % 2 && !wfs_sizes_have(&ev->known, e->shape[0]));
}

struct wfs_verdict wfs_flax_role(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr, *bias = wfs_evidence_sibling(ev, item->path, "bias");
    enum wfs_word_hint hint = wfs_word_hint(item->path);
    if (e->ndim == 2)
        return verdict(WFS_ROLE_DENSE, "two axes");
    if (bias && bias->ndim > 1)
        return verdict(WFS_ROLE_SCANNED, "its bias has two axes");
    if (wfs_evidence_stacked(ev, item->path, e->shape[0]))
        return verdict(WFS_ROLE_SCANNED, "norms beside it are stacked along its first axis");
    if (hint == WFS_HINT_CONVOLUTION)
        return verdict(WFS_ROLE_CONVOLUTION, "its name");
    if (has_window(ev, e) && (bias || e->ndim > 3))
        return verdict(WFS_ROLE_CONVOLUTION, "its window");
    return verdict(
        WFS_ROLE_CONVOLUTION_OR_STACKED,
        "a convolution, stacked layers or DenseGeneral: neither its name nor its window tells");
}
