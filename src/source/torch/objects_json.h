/*
 * objects_json.h - plain values of a checkpoint, and the keys of its dicts, as text.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_OBJECTS_JSON_H
#define WEIGHTFS_SOURCE_TORCH_OBJECTS_JSON_H

#include "source/torch/pickle/node.h"

/* A plain value (no container, no tensor) as JSON. */
void wfs_objects_json_value(struct wfs_buf *out, const struct wfs_node *node);
/* Appends a dict's key as the text of a component, with \xNN for what is not UTF-8; false where it
 * is none (too long, of no kind that has a text): what was looked at is in `out` all the same. */
bool wfs_objects_key(struct wfs_buf *out, const struct wfs_node *key);
/* What a key is that is no name: "a text of 70000 bytes". */
void wfs_objects_key_kind(struct wfs_buf *out, const struct wfs_node *key);
/* "module.name" of a global or a call's callee. */
void wfs_objects_global_name(struct wfs_buf *out, const struct wfs_node *node);

#endif
