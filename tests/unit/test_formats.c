/*
 * test_formats.c - which first bytes each format takes for its own, and which not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "source/formats.h"

#define TAR_BLOCK 512

static bool is_tar(const char *member, const char *magic, size_t len)
{
    uint8_t head[TAR_BLOCK] = {0};
    memcpy(head, member, strlen(member));
    memcpy(head + 257, magic, strlen(magic));
    return wfs_format_torch_tar.probe(head, len, 10 * TAR_BLOCK);
}

/* Any of torch's members may be the first. */
static void test_formats__torch_tar(void **state)
{
    (void)state;
    static const char *const members[] = {"sys_info", "pickle", "storages", "tensors"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(members); i++) {
        char dotted[16];
        snprintf(dotted, sizeof(dotted), "./%s", members[i]);
        assert_true(is_tar(members[i], "ustar", TAR_BLOCK));
        assert_true(is_tar(dotted, "ustar", TAR_BLOCK));
        assert_false(is_tar(members[i], "ustar", TAR_BLOCK - 1));
        assert_false(is_tar(members[i], "ustaR", TAR_BLOCK));
    }
    assert_false(is_tar("model", "ustar", TAR_BLOCK));
    assert_false(is_tar("./", "ustar", TAR_BLOCK));
}

/* An array alone is an extension of any length, or of a fixed one; a map begins with a text. */
static void test_formats__flax_msgpack(void **state)
{
    (void)state;
    static const struct {
        uint8_t head[10];
        bool is_flax;
    } rows[] = {{{0xc7, 9, 1}, true},     {{0xc8, 0, 9, 1}, true}, {{0xc9, 0, 0, 0, 9, 1}, true},
                {{0xc6, 0, 0, 0}, false}, {{0xca, 0, 0}, false},   {{0xd4, 1}, true},
                {{0xd8, 1}, true},        {{0xd4, 2}, false},      {{0xd9, 1}, false},
                {{0x81, 0xa1}, true},     {{0x81, 0xbf}, true},    {{0x81, 0x9f}, false},
                {{0x81, 0xc0}, false},    {{0x81, 0xd9}, true},    {{0x81, 0xdb}, true},
                {{0x81, 0xdc}, false},    {{0x81, 0xc4}, true},    {{0x81, 0xc7}, false}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++)
        if (wfs_format_flax_msgpack.probe(rows[i].head, 10, 100) != rows[i].is_flax)
            fail_msg("row %zu", i);
    assert_false(wfs_format_flax_msgpack.probe(rows[0].head, 8, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats__torch_tar),
        cmocka_unit_test(test_formats__flax_msgpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
