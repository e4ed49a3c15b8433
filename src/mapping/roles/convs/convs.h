/*
 * convs.h - the convolutions of a checkpoint in the order of their names, and which of them hand
 * their channels on to another one.
 *
 * Names tell the order of two modules where they differ first in a number (layer3.0, layer4.1;
 * conv1, conv2); else the order is open, and either may be the first.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_CONVS_CONVS_H
#define WEIGHTFS_MAPPING_ROLES_CONVS_CONVS_H

#include "mapping/items/item.h"

struct wfs_conv {
    const struct wfs_item *item;
    uint64_t in, out;
    uint32_t n_sides;
    bool in_groups;        /* maybe: it may have as many inputs as outputs */
    bool is_last;          /* no other one takes its channels */
    bool is_last_in_part;  /* none that has the same first component but for digits does */
    bool is_first;         /* no other one makes its inputs */
    bool is_first_in_part; /* none that stands before it by number makes them */
};
struct wfs_convs {
    struct wfs_conv *v;
    size_t n, cap;
    size_t *by_in, *by_out; /* indices, sorted by size */
};
/* By their roles. 0 or -ENOMEM. */
int wfs_convs_gather(struct wfs_convs *convs, const struct wfs_table *items);
/* Their names tell by number that `a` stands before `b`. */
bool wfs_conv_precedes(const struct wfs_conv *a, const struct wfs_conv *b);
void wfs_convs_free(struct wfs_convs *convs);
/* A square of so many sides; any line, where there is one. */
bool wfs_is_square(uint64_t k, uint32_t n_sides);

#endif
