/*
 * mapper.h - one view being planned: what every step of the way there may use. It owns nothing and
 * is not changed on the way, so a trial that needs another arena or catalog takes a copy.
 *
 * catalog -> wrappers out -> set -> set -> ... -> template -> casts -> plan. Each arrow takes a
 * table of items and makes the next.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_MAPPER_H
#define WEIGHTFS_MAPPING_ITEMS_MAPPER_H

#include "mapping/items/config.h"
#include "mapping/items/item.h"
#include "mapping/items/notes.h"
#include "mapping/items/template.h"

struct wfs_mapper {
    struct wfs_arena *arena; /* the plan's */
    const struct wfs_catalog *catalog;
    const struct wfs_view_options *options;
    const struct wfs_config *config;
    struct wfs_template *template; /* or NULL; the target of the chain's last set */
};

#endif
