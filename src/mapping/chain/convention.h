/*
 * convention.h - whose names a source has, and what follows from that.
 *
 * A convention is a way to name and lay out weights that a framework's loader expects. Rule sets
 * say which one they read (`from`) and which they make (`to`).
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_CONVENTION_H
#define WEIGHTFS_MAPPING_CHAIN_CONVENTION_H

#include "mapping/items/mapper.h"

struct wfs_convention {
    const char *name;         /* "torch": as in `from` and `to` */
    const char *format_tag;   /* safetensors metadata `format`; NULL: "weightfs-VIEW" */
    const char *default_view; /* what a source of these names is shown as; NULL: sets tell */
    const char *loader_file;  /* by writer name, beside safetensors; or NULL */
    char file_sep;            /* joins names in loader files; 0: as in the directory */
    /* Is this the last component of a name that no other convention gives to a tensor of so many
     * axes? NULL: its names are told by the `detect` of its set alone. */
    bool (*owns)(const char *last, uint32_t ndim);
};

/* NULL: nothing is known but the name. `name` may be NULL. */
const struct wfs_convention *wfs_convention_find(const char *name);
/* "torch", "flax", "gguf", ... for as long as the catalog lives; NULL where names do not tell. In
 * this order: the file's own metadata, names of a convention (most of its `detect`, or one where the
 * file's format is the same; below the chosen root, without wrappers), the last components of all
 * names (those of two conventions tell nothing), the file's format. Found once, and kept in the
 * catalog. */
int wfs_convention_of(const struct wfs_catalog *catalog, const char **ret, struct wfs_error *err);
/* Takes `model` off the front of all names where they are those of a convention but for that. */
int wfs_convention_take_off(struct wfs_sink *sink, struct wfs_table *items);
/* A convolution of PyTorch's names whose channels seem to come last, where nothing but names and
 * shapes tells; or NULL. */
const struct wfs_tensor *wfs_convention_channels_last(const struct wfs_catalog *catalog);
/* Names of several conventions side by side. */
bool wfs_convention_is_mixed(const struct wfs_catalog *catalog);

#endif
