/*
 * folder_fixture.h - what the tests of folders share: a scratch folder for each test, weight files
 * of one tensor in it, and what a test expects of the catalog.
 */
#ifndef TESTS_UNIT_FOLDER_FIXTURE_H
#define TESTS_UNIT_FOLDER_FIXTURE_H

#include "source_fixture.h"

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
/* The header of a file of two tensors. */
#define TWO(a, b)                                                                                  \
    "{\"" a "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"" b                      \
    "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"

static inline int setup(void **state)
{
    static struct scratch s;
    scratch_make(&s);
    *state = &s;
    return 0;
}

static inline int teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

static inline void weights(struct scratch *s, const char *name, const char *tensor)
{
    char header[256];
    snprintf(header, sizeof(header),
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", tensor);
    scratch_safetensors(s, name, header, 1);
}

static inline struct wfs_catalog *open_ok_with(const char *path,
                                               const struct wfs_source_options *options)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    if (wfs_catalog_open(path, options, &c, &err))
        fail_msg("%s: %s", path, err.message);
    return c;
}

static inline struct wfs_catalog *open_ok(struct scratch *s)
{
    return open_ok_with(s->dir, NULL);
}

static inline void expect_refused_with(const char *path, const struct wfs_source_options *options,
                                       const char *part, const char *other_part)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    int r = wfs_catalog_open(path, options, &c, &err);
    assert_true(r < 0);
    assert_int_equal(r, -err.code);
    assert_null(c);
    if (!strstr(err.message, part) || !strstr(err.message, other_part))
        fail_msg("\"%s\" and \"%s\" expected: %s", part, other_part, err.message);
}

static inline void expect_refused(struct scratch *s, const char *part, const char *other_part)
{
    expect_refused_with(s->dir, NULL, part, other_part);
}

static inline void expect_note(const struct wfs_catalog *c, const char *subject, const char *part)
{
    for (uint32_t i = 0; i < c->n_notes; i++)
        if (strcmp(c->notes[i].subject, subject) == 0 && strstr(c->notes[i].text, part))
            return;
    fail_msg("no note of \"%s\" says \"%s\"", subject, part);
}

static inline bool has_side_file(const struct wfs_catalog *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_side_files; i++)
        if (strcmp(c->side_files[i].name, name) == 0)
            return true;
    return false;
}

static inline void link_to(struct scratch *s, const char *target, const char *name)
{
    scratch_text(s, name, "");
    unlink(scratch_path(s, name));
    assert_int_equal(symlink(target, s->path), 0);
}

#endif
