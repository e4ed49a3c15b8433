/* Sharded sets: the split is huggingface_hub's, the index transformers'. */
#include "file_fixture.h"

static struct wfs_manifest manifest_of(struct wfs_arena *arena, const uint64_t *sizes, uint32_t n)
{
    struct wfs_error err = {0};
    struct wfs_manifest_entry *entries = wfs_arena_array(arena, n + 1, sizeof(*entries));
    for (uint32_t i = 0; i < n; i++) {
        entries[i].path = wfs_arena_printf(arena, "layer" WFS_SEP_STR "%u", i);
        assert_ok(wfs_expr_fill(arena, WFS_U8, 1, &sizes[i], 0, &entries[i].expr, &err), err);
    }
    return (struct wfs_manifest){.n = n, .entries = entries, .sep = '.', .format_tag = "pt"};
}

/* split_torch_state_dict_into_shards(sizes 4 3 9 2 7 1, max_shard_size=8) gives, in its order:
 * {2} (too large, at once), {0, 1}, {3}, ... by the rule; here worked out by hand. */
static void test_shards__greedy_in_order(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {4, 3, 9, 2, 7, 1};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_manifest m = manifest_of(arena, sizes, 6);
    const struct wfs_shard *shards;
    uint32_t n;
    assert_ok(wfs_shards_split(&m, 8, arena, &shards, &n, &err), err);
    assert_int_equal(n, 4); /* {2}, {0, 1}, {3}, {4, 5}: 7 + 2 is over 8, 2 + 7 too */
    assert_int_equal(shards[0].manifest.n, 1);
    assert_ptr_equal(shards[0].manifest.entries[0].expr, m.entries[2].expr);
    assert_int_equal(shards[1].manifest.n, 2);
    assert_ptr_equal(shards[1].manifest.entries[1].expr, m.entries[1].expr);
    assert_int_equal(shards[2].manifest.n, 1);
    assert_int_equal(shards[3].manifest.n, 2);
    assert_string_equal(shards[0].file_name, "model-00001-of-00004.safetensors");
    assert_string_equal(shards[3].file_name, "model-00004-of-00004.safetensors");
    assert_int_equal(shards[3].manifest.sep, '.');
    wfs_arena_free(arena);
}

static void test_shards__one_file_has_the_plain_name(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {4, 3};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_manifest m = manifest_of(arena, sizes, 2);
    const struct wfs_shard *shards;
    uint32_t n;
    assert_ok(wfs_shards_split(&m, 7, arena, &shards, &n, &err), err);
    assert_int_equal(n, 1);
    assert_string_equal(shards[0].file_name, "model.safetensors");
    m.n = 0;
    assert_ok(wfs_shards_split(&m, 7, arena, &shards, &n, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(shards[0].manifest.n, 0);
    assert_int_equal(wfs_shards_split(&m, 0, arena, &shards, &n, &err), -EINVAL);
    wfs_arena_free(arena);
}

static void test_shards__every_tensor_once_and_none_too_large(void **state)
{
    (void)state;
    uint64_t rng = fx_seed(), sizes[300];
    for (int round = 0; round < 200; round++) {
        struct wfs_arena *arena = wfs_arena_new();
        struct wfs_error err = {0};
        uint32_t count = (uint32_t)(fx_random(&rng) % 300), n, seen = 0;
        uint64_t bound = 1 + fx_random(&rng) % 200;
        for (uint32_t i = 0; i < count; i++)
            sizes[i] = fx_random(&rng) % 100;
        struct wfs_manifest m = manifest_of(arena, sizes, count);
        const struct wfs_shard *shards;
        assert_ok(wfs_shards_split(&m, bound, arena, &shards, &n, &err), err);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t total = 0;
            for (uint32_t j = 0; j < shards[i].manifest.n; j++)
                total += shards[i].manifest.entries[j].expr->size_bytes;
            assert_true(total <= bound || shards[i].manifest.n == 1);
            seen += shards[i].manifest.n;
        }
        assert_int_equal(seen, count);
        wfs_arena_free(arena);
    }
}

static void test_shards__index_is_transformers_json(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {5, 6};
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    struct wfs_manifest m = manifest_of(arena, sizes, 2);
    const struct wfs_shard *shards;
    const struct wfs_vfile *file;
    uint32_t n;
    assert_ok(wfs_shards_split(&m, 6, arena, &shards, &n, &err), err);
    assert_ok(wfs_shards_index(shards, n, arena, &file, &err), err);
    uint8_t *data = fx_read(file);
    static const char want[] = "{\n"
                               "  \"metadata\": {\n"
                               "    \"total_size\": 11\n"
                               "  },\n"
                               "  \"weight_map\": {\n"
                               "    \"layer.0\": \"model-00001-of-00002.safetensors\",\n"
                               "    \"layer.1\": \"model-00002-of-00002.safetensors\"\n"
                               "  }\n"
                               "}\n";
    assert_int_equal(file->size_bytes, sizeof(want) - 1);
    assert_memory_equal(data, want, sizeof(want) - 1);
    free(data);
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards__greedy_in_order),
        cmocka_unit_test(test_shards__one_file_has_the_plain_name),
        cmocka_unit_test(test_shards__every_tensor_once_and_none_too_large),
        cmocka_unit_test(test_shards__index_is_transformers_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
