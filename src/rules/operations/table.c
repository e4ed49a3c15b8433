/*
 * table.c - every operation of the language, by name.
 */
#include "rules/operations/table.h"

#include <string.h>

#include "rules/operations/blocks.h"
#include "rules/operations/fans.h"
#include "rules/operations/fills.h"
#include "rules/operations/heads.h"
#include "rules/operations/layout.h"
#include "rules/operations/parts.h"
#include "rules/operations/values.h"

static const struct wfs_operation *const *const families[] = {
    wfs_layout_operations, wfs_parts_operations, wfs_heads_operations, wfs_values_operations,
    wfs_fans_operations,   wfs_fills_operations, wfs_blocks_operations};

const struct wfs_operation *wfs_operation_find(const char *name)
{
    for (size_t f = 0; f < WFS_ARRAY_SIZE(families); f++)
        for (size_t i = 0; families[f][i]; i++)
            if (strcmp(families[f][i]->name, name) == 0)
                return families[f][i];
    return NULL;
}
