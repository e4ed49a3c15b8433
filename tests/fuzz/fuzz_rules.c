/*
 * fuzz_rules.c - a rule file: parsed, turned around, and applied in both directions to a few
 * tensors, one of which is explained.
 */
#include <stdint.h>
#include <stdlib.h>

#include "source/catalog.h"
#include "mapping/apply/apply.h"
#include "mapping/items/convolution.h"
#include "mapping/apply/explain.h"
#include "mapping/items/intake.h"

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
        struct wfs_tensor t =
            wfs_tensor_init(names[i], wfs_path_from_name(c->arena, names[i], '.'));
        uint32_t index;
        if (wfs_expr_arange(c->arena, WFS_F32, (uint32_t)(i % 4), shape, 0, 1, &t.expr, NULL) ||
            wfs_catalog_add_tensor(c, &t, &index, NULL))
            abort();
    }
    return c;
}

struct question {
    const char *path;
    struct wfs_buf out;
    struct wfs_error err;
};

static int explain(void *user, const struct wfs_set *set, struct wfs_apply *apply)
{
    struct question *q = user;
    (void)set;
    return wfs_explain_apply(apply, q->path, &q->out, &q->err);
}

static void apply(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_set *set,
                  struct wfs_table *items, struct wfs_table *ret)
{
    struct question question = {.path = mapper->catalog->tensors[3].path};
    struct wfs_watch watch = {explain, &question};
    struct wfs_apply_options options = {.is_last = true, .watch = &watch};
    *sink->err = (struct wfs_error){0};
    if (!set->program && wfs_mark_convolutions(mapper, sink, set, items) == 0)
        wfs_apply(mapper, sink, set, &options, items, ret);
    wfs_buf_free(&question.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = make_catalog();
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_view_options options = {.name = "fuzz"};
    struct wfs_error err = {0};
    struct wfs_mapper mapper = {.arena = arena, .catalog = catalog, .options = &options};
    struct wfs_sink sink = {.arena = arena, .err = &err};
    struct wfs_config *config;
    struct wfs_table items = {0}, out = {0}, back = {0};
    struct wfs_set *set, *inverse;
    if (!arena || wfs_config_load(arena, catalog, NULL, &config, &err) ||
        wfs_intake(arena, catalog, &items, &err))
        abort();
    mapper.config = config;
    if (wfs_set_parse(arena, "fuzz.map", (const char *)data, size, NULL, &set, &err) == 0) {
        apply(&mapper, &sink, set, &items, &out);
        if (wfs_set_invert(arena, set, &inverse, &err) == 0)
            apply(&mapper, &sink, inverse, &out, &back);
    }
    free(items.items);
    free(out.items);
    free(back.items);
    free(sink.entries);
    return 0;
}
