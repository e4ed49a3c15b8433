/*
 * plan_fixture.h - catalogs made by hand, plans over them and what is expected of those.
 */
#ifndef TESTS_UNIT_PLAN_FIXTURE_H
#define TESTS_UNIT_PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "source/catalog.h"
#include "mapping/mapping.h"

/* ---- catalogs ------------------------------------------------------------------------------ */

static inline struct wfs_catalog *new_catalog(void)
{
    struct wfs_catalog *c = wfs_catalog_new("test");
    assert_non_null(c);
    c->format = "safetensors";
    return c;
}

/* A tensor whose elements are its place in the catalog and then count up. */
static inline void add(struct wfs_catalog *c, const char *name, enum wfs_dtype dtype, uint32_t ndim,
                       const uint64_t *shape)
{
    struct wfs_error err = {0};
    struct wfs_tensor t = wfs_tensor_init(NULL, NULL);
    uint32_t index;
    t.name = wfs_arena_strdup(c->arena, name);
    t.path = wfs_path_from_name(c->arena, t.name, '.');
    assert_int_equal(
        wfs_expr_arange(c->arena, dtype, ndim, shape, c->n_tensors * 1000.0, 1, &t.expr, &err), 0);
    if (wfs_catalog_add_tensor(c, &t, &index, &err))
        fail_msg("%s", err.message);
}

#define ADD(c, name, ...)                                                                          \
    add(c, name, WFS_F32, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                    \
        (uint64_t[]){__VA_ARGS__})

static inline const char *write_text(const char *suffix, const char *text)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/wfs_test_plan_XXXXXX%s", suffix);
    int fd = mkstemps(path, (int)strlen(suffix));
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

struct options {
    const char *view, *rules, *template, *dtype;
    const char *set[4];
    bool strict;
};

static inline int make(const struct wfs_catalog *c, struct options o, struct wfs_plan **ret,
                       struct wfs_error *err)
{
    char rules[64] = "", template[64] = "";
    if (o.rules)
        strcpy(rules, write_text(".map", o.rules));
    if (o.template)
        strcpy(template, write_text(".json", o.template));
    struct wfs_view_options options = {.name = o.view,
                                       .rules = o.rules ? rules : NULL,
                                       .template_path = o.template ? template : NULL,
                                       .dtype = o.dtype,
                                       .set = o.set,
                                       .strict = o.strict};
    int r = wfs_plan_view(c, &options, ret, err);
    if (o.rules)
        unlink(rules);
    if (o.template)
        unlink(template);
    return r;
}

static inline struct wfs_plan *plan(const struct wfs_catalog *c, struct options o)
{
    struct wfs_error err = {0};
    struct wfs_plan *p = NULL;
    if (make(c, o, &p, &err))
        fail_msg("%s", err.message);
    return p;
}

static inline void expect_refused(const struct wfs_catalog *c, struct options o,
                                  const char *message)
{
    struct wfs_error err = {0};
    struct wfs_plan *p = NULL;
    assert_int_equal(make(c, o, &p, &err), -EINVAL);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static inline const struct wfs_target *find(const struct wfs_plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_targets; i++) {
        char *joined = wfs_path_join_dup(p->arena, p->targets[i].path, '.');
        if (strcmp(joined, name) == 0)
            return &p->targets[i];
    }
    fail_msg("no target %s", name);
    return NULL;
}

static inline const struct wfs_report_entry *find_entry(const struct wfs_plan *p,
                                                        enum wfs_status status)
{
    for (uint32_t i = 0; i < p->n_entries; i++)
        if (p->entries[i].status == status)
            return &p->entries[i];
    fail_msg("no entry %s", wfs_status_name(status));
    return NULL;
}

/* The first elements of a float32 target. */
static inline void expect_values(const struct wfs_target *t, const float *want, size_t n)
{
    float got[64];
    struct wfs_error err = {0};
    assert_true(n <= 64 && t->expr->size_bytes >= n * 4);
    assert_int_equal(wfs_expr_read(t->expr, got, n * 4, 0, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_true(got[i] == want[i]);
}
#define VALUES(t, ...)                                                                             \
    expect_values(t, (float[]){__VA_ARGS__}, sizeof((float[]){__VA_ARGS__}) / sizeof(float))

static inline void done(struct wfs_catalog *c, struct wfs_plan *p)
{
    wfs_plan_free(p);
    wfs_catalog_free(c);
}

static inline struct wfs_catalog *bert(void)
{
    struct wfs_catalog *c = new_catalog();
    ADD(c, "embeddings.word_embeddings.weight", 5, 3);
    ADD(c, "layer.0.dense.weight", 2, 3);
    ADD(c, "layer.0.dense.bias", 2);
    ADD(c, "layer.0.LayerNorm.weight", 3);
    ADD(c, "layer.0.LayerNorm.bias", 3);
    ADD(c, "norm.weight", 3);
    return c;
}

#endif
