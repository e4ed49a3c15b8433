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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats__torch_tar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
