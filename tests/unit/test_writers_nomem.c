/* Writers, shards and export when memory runs out: each allocation fails once. Every call ends with
 * -ENOMEM or as if nothing had failed; nothing is lost, nothing crashes. */
#include "file_fixture.h"

#include <unistd.h>

/* ---- an allocator that fails on demand ----------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_FAIL 0
#else
#define CAN_FAIL 1
#endif
#else
#define CAN_FAIL 1
#endif

static long fail_at = -1; /* counts down; at 0 one allocation fails */

#if CAN_FAIL
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}
#endif

/* ---- what is tried ------------------------------------------------------------------------- */

static const struct wfs_gguf_model *gguf_of(struct wfs_arena *arena,
                                            const struct wfs_manifest_entry *entries, uint32_t n)
{
    struct wfs_gguf_model *model = wfs_arena_alloc(arena, sizeof(*model));
    struct wfs_gguf_tensor *tensors = wfs_arena_array(arena, n, sizeof(*tensors));
    for (uint32_t i = 0; i < n; i++)
        tensors[i] = (struct wfs_gguf_tensor){entries[i].path, entries[i].expr, 0};
    *model = (struct wfs_gguf_model){.n_tensors = n, .tensors = tensors, .alignment = 32};
    return model;
}

static struct wfs_manifest manifest_of(struct wfs_arena *arena)
{
    static const uint64_t shapes[][2] = {{2, 3}, {0, 4}, {300, 40}};
    struct wfs_manifest_entry *e = wfs_arena_array(arena, 40, sizeof(*e));
    for (unsigned i = 0; i < 40; i++) {
        e[i].path =
            wfs_arena_printf(arena, "m%u" WFS_SEP_STR "long.er%u" WFS_SEP_STR "w", i % 7, i);
        e[i].expr = fx_expr(arena, i % 2 ? WFS_F32 : WFS_I64, 2, shapes[i % 3], i);
    }
    return (struct wfs_manifest){
        .n = 40, .entries = e, .sep = '.', .format_tag = "pt", .gguf = gguf_of(arena, e, 40)};
}

/* True where the failure came (and was reported), false where fail_at was beyond the last one. */
static bool try_writer(const struct wfs_writer *writer, const struct wfs_manifest *m, long n)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_error err = {0};
    const struct wfs_vfile *file = NULL;
    fail_at = n;
    const char *reason = "untouched";
    int r = writer->refuses(m, arena, &reason);
    if (r == 0 && !reason)
        r = writer->plan(m, arena, &file, &err);
    bool came = fail_at < 0;
    fail_at = -1;
    if (r)
        assert_int_equal(r, -ENOMEM);
    else
        free(fx_read(file)); /* whole, or the failure was one that could be borne */
    assert_true(came || r == 0);
    assert_true(r || !reason); /* what can be written is never refused for want of memory */
    if (r)
        assert_null(file);
    wfs_arena_free(arena);
    return came;
}

static void test_writers_nomem__each_allocation(void **state)
{
    (void)state;
    if (!CAN_FAIL)
        skip(); /* the sanitizers' allocator is their own */
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest m = manifest_of(arena);
    const struct wfs_writer *w;
    for (uint32_t i = 0; (w = wfs_writer(i)); i++) {
        long n = 0;
        while (try_writer(w, &m, n))
            n++;
        print_message("%s: %ld allocations\n", w->name, n);
        assert_true(n > 3);
    }
    wfs_arena_free(arena);
}

static bool try_shards(const struct wfs_manifest *m, long n)
{
    struct wfs_arena *arena = wfs_arena_new();
    const struct wfs_shard *shards;
    const struct wfs_vfile *file;
    uint32_t n_shards;
    fail_at = n;
    int r = wfs_shards_split(m, 20000, arena, &shards, &n_shards, NULL);
    if (r == 0)
        r = wfs_shards_index(shards, n_shards, arena, &file, NULL);
    bool came = fail_at < 0;
    fail_at = -1;
    assert_true(r == 0 || r == -ENOMEM);
    wfs_arena_free(arena);
    return came;
}

static void test_writers_nomem__shards(void **state)
{
    (void)state;
    if (!CAN_FAIL)
        skip();
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest m = manifest_of(arena);
    for (long n = 0; try_shards(&m, n); n++)
        ;
    wfs_arena_free(arena);
}

/* One thread, so that it is always the same allocation. */
static void test_writers_nomem__export(void **state)
{
    (void)state;
    if (!CAN_FAIL)
        skip();
    char dir[] = "/tmp/wfs-nomem-XXXXXX", path[64], partial[80];
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_manifest m = manifest_of(arena);
    const struct wfs_vfile *file = fx_plan("npz", &m, arena);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.npz", dir);
    snprintf(partial, sizeof(partial), "%s.partial", path);
    struct wfs_export_options options = {.path = path, .n_threads = 1};
    for (long n = 0;; n++) {
        fail_at = n;
        int r = wfs_export(file, NULL, &options, NULL);
        bool came = fail_at < 0;
        fail_at = -1;
        assert_true(r == 0 || r == -ENOMEM);
        assert_int_not_equal(access(partial, F_OK), 0);
        assert_int_equal(access(path, F_OK) == 0, r == 0);
        unlink(path);
        if (!came)
            break;
    }
    assert_int_equal(rmdir(dir), 0);
    wfs_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writers_nomem__each_allocation),
        cmocka_unit_test(test_writers_nomem__shards),
        cmocka_unit_test(test_writers_nomem__export),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
