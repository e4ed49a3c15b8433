/*
 * roles.h - what each weight of two or more axes is: the one place that decides.
 *
 * Evidence, in this order: the user (-o set=role.NAME=ROLE), the table of known architectures,
 * shapes of bias, norms and siblings, names. Shapes veto: what they contradict is a doubt whoever
 * claims it, but for the user, whom a note contradicts. A template is asked by the rules, where its
 * names or shapes leave one role.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_ROLES_H
#define WEIGHTFS_MAPPING_ROLES_ROLES_H

#include "mapping/items/mapper.h"

/* Marks the items, where the set asks for `role`, or (convolution.h) for `convolution`. */
int wfs_mark_roles(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *set, struct wfs_table *items);

#endif
