/*
 * fuzz_rules.c - a rule file: parsed, turned around, and applied in both directions to a few
 * tensors, one of which is explained.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mapping/convolution.h"
#include "source/format.h"

static const char *const names[] = {
    "a.weight",
    "a.bias",
    "layers.0.q_proj.weight",
    "layers.1.q_proj.weight",
    "layers.0.k.bias",
    "e.0.w",
    "e.1.w",
    "e.2.w",
    "norm.weight",
    "bn.running_mean",
};

static struct wfs_catalog *make_catalog(void)
{
    struct wfs_catalog *c = wfs_catalog_new("fuzz");
    if (!c)
        abort();
    c->format = "safetensors";
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++) {
        const uint64_t shape[] = {4, 6, 2};
        struct wfs_tensor t = {.name = names[i],
                               .path = wfs_path_from_name(c->arena, names[i], '.'),
                               .file = WFS_NO_INDEX,
                               .file_off = UINT64_MAX,
                               .alias_of = WFS_NO_INDEX,
                               .shard_axis = -1,
                               .n_shards = 1};
        uint32_t index;
        if (wfs_expr_arange(c->arena, WFS_F32, (uint32_t)(i % 4), shape, 0, 1, &t.expr, NULL) ||
            wfs_catalog_add_tensor(c, &t, &index, NULL))
            abort();
    }
    return c;
}

static void apply(struct wfs_mapper *mapper, const struct wfs_set *set, struct wfs_table *items,
                  struct wfs_table *ret)
{
    *mapper->err = (struct wfs_error){0};
    if (!set->program && wfs_mark_convolutions(mapper, set, items) == 0)
        wfs_stage_run(mapper, set, true, items, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = make_catalog();
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_view_options options = {.name = "fuzz"};
    struct wfs_error err = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf explained = {0};
    struct wfs_mapper mapper = {.arena = arena,
                                .catalog = catalog,
                                .options = &options,
                                .explain = &explained,
                                .explain_name = catalog->tensors[3].path,
                                .err = &err};
    struct wfs_table items = {0}, out = {0}, back = {0};
    struct wfs_set *set, *inverse;
    if (!arena || wfs_config_load(arena, catalog, NULL, &mapper.config, &err) ||
        wfs_items_load(&mapper, &items))
        abort();
    if (wfs_set_parse(arena, "fuzz.map", (const char *)data, size, NULL, &set, &err) == 0) {
        apply(&mapper, set, &items, &out);
        if (wfs_set_invert(arena, set, &inverse, &err) == 0)
            apply(&mapper, inverse, &out, &back);
    }
    free(items.items);
    free(out.items);
    free(back.items);
    free(mapper.entries);
    return 0;
}
