/*
 * fuzz_template.c - a JSON template {key: shape}, and its keys looked up.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mapping/items/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_template *t;
    if (!arena)
        abort();
    if (wfs_template_parse_json(arena, "fuzz.json", (const char *)data, size, '.', &t, &err))
        return 0;
    for (uint32_t i = 0; i < t->n_keys; i++)
        if (wfs_template_find(t, t->keys[i].bare) != i)
            abort();
    struct wfs_table items = {0};
    struct wfs_item item = {.path = "a" WFS_SEP_STR "b" WFS_SEP_STR "weight"};
    if (wfs_table_add(&items, &item, &err) == 0)
        wfs_template_align(t, &items, arena, &err);
    wfs_template_find(t, item.path);
    free(items.items);
    return 0;
}
