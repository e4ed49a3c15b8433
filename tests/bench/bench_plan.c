/*
 * bench_plan.c - how long 100,000 tensors take to be planned for a view. Wanted: under 0.3 s of one
 * core for flax. Exit status 1 where it takes longer.
 *
 *     ninja -C build tests/bench/bench_plan && build/tests/bench/bench_plan [REPEATS [VIEW]]
 */
#include <stdio.h>

#include "bench.h"
#include "source/catalog.h"
#include "mapping/mapping.h"

#define N_TENSORS   100000u
#define MAX_REPEATS 101
#define WANTED_S    0.3

static void die(const struct wfs_error *err)
{
    fprintf(stderr, "bench_plan: %s\n", err->message);
    exit(1);
}

static void add(struct wfs_catalog *c, uint32_t i, struct wfs_error *err)
{
    static const uint64_t shape[] = {4, 8};
    bool is_bias = i % 2 != 0;
    uint32_t index, expert = i / 2;
    const char *name = wfs_arena_printf(c->arena, "model.layers.%u.mlp.experts.%u.down_proj.%s",
                                        expert / 1000, expert % 1000, is_bias ? "bias" : "weight");
    struct wfs_tensor t =
        wfs_tensor_init(name, name ? wfs_path_from_name(c->arena, name, '.') : NULL);
    if (!t.path ||
        wfs_expr_arange(c->arena, WFS_F32, is_bias ? 1 : 2, shape, i, 1, &t.expr, err) < 0 ||
        wfs_catalog_add_tensor(c, &t, &index, err) < 0)
        die(err);
}

static double sample(const struct wfs_catalog *c, const struct wfs_view_options *options,
                     struct wfs_error *err)
{
    struct wfs_plan *plan;
    double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    if (wfs_plan_view(c, options, &plan, err) < 0)
        die(err);
    double took = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start;
    wfs_plan_free(plan);
    return took;
}

int main(int argc, char **argv)
{
    int n_repeats = argc > 1 ? atoi(argv[1]) : 7;
    struct wfs_view_options options = {.name = argc > 2 ? argv[2] : "flax"};
    struct wfs_error err = {.message = "out of memory"};
    struct wfs_catalog *c = wfs_catalog_new("bench");
    double took[MAX_REPEATS];
    if (!c || n_repeats < 1 || n_repeats > MAX_REPEATS)
        die(&err);
    c->format = "safetensors";
    for (uint32_t i = 0; i < N_TENSORS; i++)
        add(c, i, &err);
    for (int i = 0; i < n_repeats; i++)
        took[i] = sample(c, &options, &err);
    wfs_catalog_free(c);
    double s = median(took, n_repeats);
    printf("%s %u tensors to %s: %.3f s (< %.1f s)\n", s < WANTED_S ? "ok    " : "MISSED",
           N_TENSORS, options.name, s, WANTED_S);
    return s < WANTED_S ? 0 : 1;
}
