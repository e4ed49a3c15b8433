/*
 * failing_open.h - opening a source while memory runs out: -ENOMEM with a message, or the same
 * catalog as with memory enough, and nothing leaked (the sanitizer build tells).
 */
#ifndef TESTS_UNIT_FAILING_OPEN_H
#define TESTS_UNIT_FAILING_OPEN_H

#include "failing_alloc.h"
#include "source_fixture.h"

struct opened {
    uint32_t n_tensors, n_side_files, n_notes, n_roots, n_chosen;
    size_t n_objects; /* bytes of the plain values */
};

/* allocation: the one that fails, for the message. */
static bool open_failing(const char *path, struct opened *ret, long allocation)
{
    struct wfs_error err = {0};
    struct wfs_catalog *c = NULL;
    int r = wfs_catalog_open(path, NULL, &c, &err);
    long left = allocations_left;
    allocations_left = -1;
    if (r && (r != -ENOMEM || err.code != ENOMEM || !err.message[0]))
        fail_msg("%s: allocation %ld: %d: %s", path, allocation, r, err.message);
    allocations_left = left;
    if (r) {
        assert_null(c);
        return false;
    }
    *ret = (struct opened){.n_tensors = c->n_tensors,
                           .n_side_files = c->n_side_files,
                           .n_notes = c->n_notes,
                           .n_roots = c->n_roots,
                           .n_objects = c->objects_json ? strlen(c->objects_json) : 0};
    for (uint32_t i = 0; i < c->n_roots; i++)
        ret->n_chosen += c->roots[i].is_chosen;
    wfs_catalog_free(c);
    return true;
}

/* Every allocation fails, alone and with all after it. */
static void open_out_of_memory(const char *path)
{
    struct opened want = {0}, got = {0};
    allocations_left = -1;
    assert_true(open_failing(path, &want, -1));
    for (int once = 0; once < 2; once++) {
        long n = 0;
        for (bool was_hit = true; was_hit; n++) {
            fail_once = once;
            allocations_left = n;
            bool opened = open_failing(path, &got, n);
            was_hit = allocations_left <= 0;
            allocations_left = -1;
            if (opened && memcmp(&got, &want, sizeof(got)) != 0)
                fail_msg("%s: allocation %ld: another catalog: %u tensors of %u, %u notes of %u",
                         path, n, got.n_tensors, want.n_tensors, got.n_notes, want.n_notes);
            assert_true(opened || was_hit);
        }
        assert_true(n > 10);
    }
}

#endif
