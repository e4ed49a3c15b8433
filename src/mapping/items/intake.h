/*
 * intake.h - the catalog as items.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_INTAKE_H
#define WEIGHTFS_MAPPING_ITEMS_INTAKE_H

#include "mapping/items/mapper.h"

/* The tensors of the chosen root (or all), by the identity. -EINVAL where there are several roots
 * and none is chosen. */
int wfs_intake(struct wfs_arena *arena, const struct wfs_catalog *catalog, struct wfs_table *ret,
               struct wfs_error *err);
/* Takes out what wrappers put into names (_orig_mod, DistributedDataParallel's module); reports it.
 */
int wfs_unwrap(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_table *items);
/* Whether there are names, and all of them are below this component. */
bool wfs_are_below(const struct wfs_table *items, const char *component);
/* Takes it off all names, which are below it; reports it. */
void wfs_take_off(struct wfs_sink *sink, struct wfs_table *items, const char *component);

#endif
