/*
 * readings.h - how sizes of dense layers may be read as channels of convolutions, several times each.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_CONVS_READINGS_H
#define WEIGHTFS_MAPPING_ROLES_CONVS_READINGS_H

#include "mapping/roles/convs/convs.h"
#include "mapping/roles/evidence.h"

/* Channels and how many sides they have. */
struct wfs_reading {
    uint64_t channels;
    uint32_t n_sides;
    bool is_transposed;
};
struct wfs_readings {
    struct wfs_reading *v;
    size_t n, cap;
};
struct wfs_flattening {
    struct wfs_evidence *ev;
    struct wfs_sink *sink;
    struct wfs_sizes made;    /* sizes that layers, norms and tables make */
    struct wfs_sizes used;    /* sizes that layers and layer norms work on */
    struct wfs_sizes stripes; /* sizes that convolutions and batch norms have */
    struct wfs_convs convs;
    struct wfs_readings any;       /* outputs of all convolutions */
    struct wfs_readings last;      /* of those that hand them to no other one */
    struct wfs_readings part_last; /* of those that hand them to none of their part */
    struct wfs_readings first;     /* inputs of convolutions that no other one feeds */
    struct wfs_readings part_first;
    const struct wfs_item **sorted; /* by name; NULL until it is needed */
    bool has_layer_norms;           /* then channels may be put along frames or tokens as well */
    struct wfs_sizes roots;         /* inputs of layers that nothing feeds */
    struct wfs_sizes sinks;         /* outputs of layers that feed nothing but convolutions */
    struct wfs_sizes behind;        /* inputs of layers that are, or may be, behind a flattening */
};

/* A dense layer stored (out, in). */
static inline bool wfs_is_dense(const struct wfs_item *item)
{
    return item->role == WFS_ROLE_DENSE || item->role == WFS_ROLE_FLATTENED;
}
/* Zero-initialise, set `ev` and `sink`. 0 or -ENOMEM. */
int wfs_readings_gather(struct wfs_flattening *f);
void wfs_readings_free(struct wfs_flattening *f);
/* So many channels may lie several times in that size. */
bool wfs_reading_may_be(const struct wfs_flattening *f, uint64_t size,
                        const struct wfs_reading *reading);
bool wfs_reading_is_square(uint64_t size, const struct wfs_reading *reading);
/* Any of them; or any that makes a square. */
bool wfs_readings_may_be(const struct wfs_flattening *f, const struct wfs_readings *readings,
                         uint64_t size, bool square);
bool wfs_readings_have(const struct wfs_readings *readings, uint64_t channels);
bool wfs_is_batch_norm(const struct wfs_flattening *f, const struct wfs_item *item);
/* A numbered block of several modules, as a transformer's layer, or a module in one. */
struct wfs_block {
    bool makes;      /* a layer or layer norm of it makes that size */
    bool has_others; /* it has other dense layers */
};
/* Of the numbered blocks that the item is in, but for those with a convolution whose channels may lie
 * several times in that size. 0 or -ENOMEM. */
int wfs_block_look(struct wfs_flattening *f, const struct wfs_item *item, uint64_t size,
                   struct wfs_block *ret);
/* What -o set=KEY.NAME= says of the layer: *ret_channels, 0 for false; they divide `size`. */
int wfs_flattening_by_user(const struct wfs_flattening *f, const struct wfs_item *item,
                           const char *key, uint64_t size, bool *ret_found, uint64_t *ret_channels);

#endif
