/*
 * packed.h - modules whose weights are packed or scaled.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_PACKED_H
#define WEIGHTFS_MAPPING_ITEMS_PACKED_H

#include "mapping/items/mapper.h"

/* Marks all items of such modules. */
int wfs_mark_packed(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                    struct wfs_table *items);
/* "7 of 9 tensors are packed (output.weight is q8_0)"; nothing where none is. */
void wfs_packed_text(const struct wfs_table *items, struct wfs_buf *out);
/* Says how many are left so. */
void wfs_report_packed(struct wfs_sink *sink, const struct wfs_table *items);

#endif
