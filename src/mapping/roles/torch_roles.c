/*
 * torch_roles.c - shapes of biases, norms and siblings, then names.
 *
 * A matrix (a, b) with a bias is a dense layer, and the bias has as many elements as the layer has
 * outputs: a of a Linear, b of a Hugging Face Conv1D. A square one is as its siblings are. Without a
 * bias it may be an embedding as well; a name tells, where shapes do not speak against it. A norm
 * has as many elements as its features: those are an embedding's columns, and never its rows alone.
 *
 * Three axes are a convolution (out, in, width), layers of several experts (experts, out, in) or
 * nn.Bilinear (out, in, in). The last axis of the last two is a number of features.
 */
#include "mapping/roles/torch_roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Wider kernels of one axis than this have a name that says convolution. */
#define WIDTH_MAX 16

static struct wfs_verdict verdict(enum wfs_role role, const char *reason)
{
    return (struct wfs_verdict){role, reason};
}

static uint64_t bias_size(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *bias = wfs_evidence_sibling(ev, item->path, "bias");
    return bias && bias->ndim == 1 ? bias->shape[0] : 0;
}

/* One over several axes has a bias of the weight's own shape. */
static bool is_norm(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr, *bias = wfs_evidence_sibling(ev, item->path, "bias");
    return bias && bias->ndim == e->ndim && bias->shape[e->ndim - 1] == e->shape[e->ndim - 1];
}

/* ---- matrices ------------------------------------------------------------------------------ */

static struct wfs_verdict square(struct wfs_evidence *ev, const struct wfs_item *item)
{
    unsigned family = wfs_evidence_family(ev, item->path);
    unsigned namesakes = wfs_evidence_namesakes(ev, item->path);
    unsigned said = family ? family : namesakes ? namesakes : ev->proved;
    if (said == WFS_PROVED_IO && (family || namesakes))
        return verdict(WFS_ROLE_DENSE_IO, "it is square, and its siblings are stored (in, out)");
    if (said == WFS_PROVED_OI || said == 0)
        return verdict(WFS_ROLE_DENSE, "it has a bias, and nothing is stored (in, out)");
    if (!family && !namesakes && (ev->proved & WFS_PROVED_OI))
        return verdict(WFS_ROLE_DENSE,
                       "it has a bias, and its siblings are not those stored (in, out)");
    return verdict(WFS_ROLE_DENSE_OR_IO,
                   "it is square, and other layers are stored both ways or (in, out)");
}

static struct wfs_verdict with_bias(struct wfs_evidence *ev, const struct wfs_item *item,
                                    uint64_t bias)
{
    uint64_t a = item->expr->shape[0], b = item->expr->shape[1];
    if (a == b && bias == a)
        return square(ev, item);
    if (bias == a)
        return verdict(WFS_ROLE_DENSE, "its bias has as many elements as its first axis");
    if (bias == b)
        return verdict(WFS_ROLE_DENSE_IO, "its bias has as many elements as its second axis");
    return verdict(WFS_ROLE_DOUBTFUL, "its bias has the size of neither axis");
}

/* The rows are features of a norm and the columns are none: a projection's (out, in). */
static bool rows_are_features(const struct wfs_evidence *ev, const struct wfs_expr *e)
{
    return wfs_sizes_have(&ev->norms, e->shape[0]) && !wfs_sizes_have(&ev->norms, e->shape[1]);
}

static bool columns_are_features(const struct wfs_evidence *ev, const struct wfs_expr *e)
{
    return wfs_sizes_have(&ev->norms, e->shape[1]) && !wfs_sizes_have(&ev->norms, e->shape[0]);
}

/* A list of layers that take different inputs, as in a Sequential; tables in a list have one width. */
static bool is_in_a_sequence(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const char *last = strrchr(item->path, WFS_SEP), *digits = last;
    while (digits && digits > item->path && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    if (!last || digits == last || last - digits > 4 || digits == item->path ||
        digits[-1] != WFS_SEP)
        return false;
    long number = strtol(digits, NULL, 10);
    for (long other = number - 3; other <= number + 3; other++) {
        char name[32];
        snprintf(name, sizeof(name), "%ld%sweight", other, WFS_SEP_STR);
        const struct wfs_expr *e =
            other < 0 || other == number ? NULL : wfs_evidence_relative(ev, item->path, 2, name);
        if (e && e->ndim == 2 && e->shape[1] != item->expr->shape[1])
            return true;
    }
    return false;
}

/* As an embedding its columns would be what others work on, as a projection its rows. */
static bool reads_as_projection(const struct wfs_evidence *ev, const struct wfs_expr *e)
{
    return wfs_sizes_have(&ev->known, e->shape[0]) && !wfs_sizes_have(&ev->known, e->shape[1]);
}

static struct wfs_verdict called_embedding(struct wfs_evidence *ev, const struct wfs_item *item,
                                           bool is_weak)
{
    const struct wfs_expr *e = item->expr;
    if (rows_are_features(ev, e))
        return verdict(WFS_ROLE_DENSE_OR_EMBEDDING,
                       "an embedding by its name, but its rows are features of a norm");
    if (is_weak && (!columns_are_features(ev, e) || wfs_sizes_have(&ev->known, e->shape[0])))
        return verdict(WFS_ROLE_DENSE_OR_EMBEDDING,
                       "its name is one of embeddings and of projections");
    if (reads_as_projection(ev, e))
        return verdict(
            WFS_ROLE_DENSE_OR_EMBEDDING,
            "an embedding by its name, but its rows are the size of other layers, and its "
            "columns are not");
    if (is_in_a_sequence(ev, item))
        return verdict(WFS_ROLE_DENSE_OR_EMBEDDING,
                       "an embedding by its name, but in a sequence of layers");
    return verdict(WFS_ROLE_EMBEDDING, "its name, and it has no bias");
}

/* Below a number there are layers; a table seldom has their sizes on both axes. */
static bool is_in_a_block(const char *path)
{
    for (const char *at = path; (at = strchr(at, WFS_SEP)); at++)
        if (at[1] >= '0' && at[1] <= '9')
            return true;
    return false;
}

static struct wfs_verdict unnamed(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr;
    uint64_t a = e->shape[0], b = e->shape[1];
    if (is_in_a_block(item->path) && wfs_sizes_have(&ev->known, a) &&
        wfs_sizes_have(&ev->known, b) && !columns_are_features(ev, e))
        return verdict(WFS_ROLE_DENSE, "its axes are those of other layers");
    if (rows_are_features(ev, e) && wfs_sizes_have(&ev->known, b))
        return verdict(WFS_ROLE_DENSE, "its rows are features of a norm, its columns are not");
    if (wfs_config_names_size(ev->mapper->config, a) && columns_are_features(ev, e) &&
        !wfs_sizes_have(&ev->tables, a))
        return verdict(WFS_ROLE_EMBEDDING, "its rows are a size of the config's tables");
    return verdict(WFS_ROLE_DENSE_OR_EMBEDDING, "neither a bias nor its name nor shapes tell");
}

static struct wfs_verdict without_bias(struct wfs_evidence *ev, const struct wfs_item *item)
{
    switch (wfs_word_hint(item->path)) {
    case WFS_HINT_EMBEDDING:
        return called_embedding(ev, item, false);
    case WFS_HINT_TABLE:
        return rows_are_features(ev, item->expr)
                   ? verdict(WFS_ROLE_DENSE_OR_EMBEDDING,
                             "an embedding by its name, but its rows are features of a norm")
                   : verdict(WFS_ROLE_EMBEDDING, "its name, and it has no bias");
    case WFS_HINT_WEAK_EMBEDDING:
        return called_embedding(ev, item, true);
    case WFS_HINT_WEAK_DENSE:
        return unnamed(ev, item);
    case WFS_HINT_DENSE:
    case WFS_HINT_CONVOLUTION:
    case WFS_HINT_EXPERTS:
        if (wfs_evidence_family(ev, item->path) == WFS_PROVED_IO)
            return verdict(WFS_ROLE_DENSE_OR_IO,
                           "it has no bias, and its siblings are stored (in, out)");
        return verdict(WFS_ROLE_DENSE, "its name");
    default:
        return unnamed(ev, item);
    }
}

static struct wfs_verdict matrix(struct wfs_evidence *ev, const struct wfs_item *item)
{
    uint64_t bias = bias_size(ev, item);
    return bias ? with_bias(ev, item, bias) : without_bias(ev, item);
}

/* ---- three axes and more ------------------------------------------------------------------- */

static struct wfs_verdict three_axes(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr, *bias = wfs_evidence_sibling(ev, item->path, "bias");
    enum wfs_word_hint hint = wfs_word_hint(item->path);
    uint64_t width = e->shape[2];
    bool ends_in_features = width > 1 && wfs_sizes_have(&ev->known, width);
    if (bias && bias->ndim == 2)
        return verdict(WFS_ROLE_STACKED, "its bias has two axes");
    if (hint == WFS_HINT_BILINEAR)
        return verdict(WFS_ROLE_BILINEAR, "its name");
    if (hint == WFS_HINT_CONVOLUTION || width == 1)
        return verdict(WFS_ROLE_CONVOLUTION, "three axes, and its name or its width");
    if (bias && bias->ndim == 1 && bias->shape[0] != e->shape[0])
        return verdict(WFS_ROLE_CONVOLUTION, "three axes, and its bias is one of a transposed one");
    bool is_layer = hint == WFS_HINT_DENSE || hint == WFS_HINT_EXPERTS;
    if (!bias && is_layer && (ends_in_features || width > WIDTH_MAX))
        return verdict(WFS_ROLE_STACKED, "its name, its last axis, and it has no bias");
    if (!bias && hint == WFS_HINT_EXPERTS)
        return verdict(WFS_ROLE_STACKED, "its name");
    bool may_be_stacked = is_layer && !bias; /* narrow experts, by a name that no convolution has */
    if (!ends_in_features && width <= WIDTH_MAX && !may_be_stacked)
        return verdict(WFS_ROLE_CONVOLUTION, "three axes, the last one small");
    if (bias && width != e->shape[1] && (width <= WIDTH_MAX || width % 2 || e->shape[1] == 1))
        return verdict(WFS_ROLE_CONVOLUTION, "three axes and a bias");
    return verdict(WFS_ROLE_CONVOLUTION_OR_STACKED,
                   bias ? "a convolution or nn.Bilinear: its last axis may be features"
                        : "a convolution or several layers: its last axis may be features");
}

static struct wfs_verdict more_axes(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *bias = wfs_evidence_sibling(ev, item->path, "bias");
    if (wfs_word_hint(item->path) == WFS_HINT_EXPERTS)
        return verdict(WFS_ROLE_STACKED, "its name");
    if (bias && bias->ndim > 1)
        return verdict(WFS_ROLE_STACKED, "its bias has several axes");
    return verdict(WFS_ROLE_CONVOLUTION, "four axes or five");
}

/* ---- all ----------------------------------------------------------------------------------- */

/* One input for each of several outputs: they may be those of one channel each. */
static struct wfs_verdict inputs_of(struct wfs_evidence *ev, const struct wfs_item *item,
                                    struct wfs_verdict found)
{
    const struct wfs_expr *e = item->expr;
    uint64_t bias = bias_size(ev, item);
    if (found.role != WFS_ROLE_CONVOLUTION || e->shape[1] != 1 || e->shape[0] < 2 ||
        (bias && bias != e->shape[0]))
        return found;
    return verdict(WFS_ROLE_CONVOLUTION_OR_DEPTHWISE, "each of its outputs has one input");
}

struct wfs_verdict wfs_torch_role(struct wfs_evidence *ev, const struct wfs_item *item)
{
    if (is_norm(ev, item))
        return verdict(WFS_ROLE_NORM, "its bias has its own shape");
    if (item->expr->ndim == 2)
        return matrix(ev, item);
    return inputs_of(ev, item, item->expr->ndim == 3 ? three_axes(ev, item) : more_axes(ev, item));
}

/* A norm beside the table, over its rows and not its columns. */
static bool norm_speaks_against(struct wfs_evidence *ev, const struct wfs_item *item)
{
    static const char *const norms[] = {"norm", "layer_norm", "layernorm", "LayerNorm", "ln"};
    const struct wfs_expr *e = item->expr;
    const char *sep = strrchr(item->path, WFS_SEP);
    size_t len = sep ? (size_t)(sep - item->path) : 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf module = {0};
    wfs_buf_add(&module, item->path, len);
    wfs_buf_char(&module, 0);
    if (!len || !wfs_buf_ok(&module))
        return false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(norms); i++) {
        const struct wfs_expr *norm = NULL;
        wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
        wfs_buf_printf(&name, "%s%sweight", norms[i], WFS_SEP_STR);
        if (wfs_buf_ok(&name))
            norm = wfs_evidence_sibling(ev, module.data, name.data);
        if (norm && norm->ndim == 1 && norm->shape[0] == e->shape[0] &&
            norm->shape[0] != e->shape[1])
            return true;
    }
    return false;
}

const char *wfs_torch_veto(struct wfs_evidence *ev, const struct wfs_item *item, enum wfs_role role)
{
    const struct wfs_expr *e = item->expr;
    uint64_t bias = bias_size(ev, item), a = e->shape[0], b = e->shape[1];
    bool is_matrix =
        role == WFS_ROLE_DENSE || role == WFS_ROLE_DENSE_IO || role == WFS_ROLE_EMBEDDING;
    is_matrix |= role == WFS_ROLE_FLATTENED;
    if (is_matrix != (e->ndim == 2) && role != WFS_ROLE_OPAQUE && role != WFS_ROLE_NORM)
        return "the number of its axes";
    if ((role == WFS_ROLE_BILINEAR || role == WFS_ROLE_STACKED) && e->ndim != 3)
        return "the number of its axes";
    if (role == WFS_ROLE_DEPTHWISE && b != 1)
        return "it has several inputs for each output";
    if ((role == WFS_ROLE_CONVOLUTION || role == WFS_ROLE_DEPTHWISE) && bias && bias != a)
        return "its bias has not as many elements as its first axis";
    if (role == WFS_ROLE_TRANSPOSED && bias && bias != b)
        return "its bias has not as many elements as its second axis";
    if (role == WFS_ROLE_EMBEDDING && bias)
        return "it has a bias";
    if (role == WFS_ROLE_EMBEDDING && norm_speaks_against(ev, item))
        return "the norm beside it is over its rows";
    if ((role == WFS_ROLE_DENSE || role == WFS_ROLE_FLATTENED) && bias && bias != a)
        return "its bias has not as many elements as its first axis";
    if (role == WFS_ROLE_DENSE_IO && bias && bias != b)
        return "its bias has not as many elements as its second axis";
    if (a == b && bias && role == WFS_ROLE_DENSE &&
        wfs_evidence_family(ev, item->path) == WFS_PROVED_IO)
        return "its siblings are stored (in, out)";
    if (a == b && bias && role == WFS_ROLE_DENSE_IO &&
        wfs_evidence_family(ev, item->path) == WFS_PROVED_OI)
        return "its siblings are stored (out, in)";
    return NULL;
}
