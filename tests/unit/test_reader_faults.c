/*
 * test_reader_faults.c - opening checkpoints of every format and kind of folder while memory runs
 * out or reads fail: an error with a message each time or the same catalog. They are seeds of the
 * fuzz corpora.
 *
 * Linked with --wrap for the allocation functions and for pread64 (pread of 64-bit offsets), which
 * every file is read with.
 */
#include "failing_open.h"

#include "../fuzz/fuzz_folder.h"

static const struct kind {
    const char *target;
    bool is_file; /* files[0] is opened, not the folder */
    struct fuzz_folder folder;
    const char *seeds[10];
} kinds[] = {
    {"safetensors",
     true,
     {.files = {"model.safetensors"}, .n_files = 1},
     {"plain", "escapes", "unordered", "unknown-fields"}},
    {"msgpack", true, {.files = {"flax_model.msgpack"}, .n_files = 1}, {"nested", "chunked"}},
    {"npy",
     true,
     {.files = {"x.npy"}, .n_files = 1},
     {"c-order", "fortran-order", "big-endian", "bfloat16", "scalar-v2"}},
    {"npz",
     true,
     {.files = {"x.npz"}, .n_files = 1},
#if HAVE_ZLIB
     {"stored", "deflated"}},
#else
     {"stored"}},
#endif
    {"torch",
     true,
     {.files = {"x.pt"}, .n_files = 1},
     {"good", "legacy", "tar-good", "attack-getattr", "storage-two-types"}},
    {"dcp",
     false,
     {.files = {".metadata", "__0_0.distcp", "__1_0.distcp"}, .n_files = 3},
     {"plain", "sharded", "no-planner", "safetensors", "object-cut", "chunks-overlap"}},
    {"dcp_hf",
     false,
     {.files = {"shard-00001-model-00001-of-00001.safetensors",
                "shard-00002-model-00001-of-00001.safetensors"},
      .n_files = 2},
     {"rows", "columns", "gap"}},
    {"index",
     true,
     {.files = {"model.safetensors.index.json", "1.safetensors", "2.safetensors"}, .n_files = 3},
     {"plain", "unlisted", "torch", "torch-legacy", "flax"}},
    {"meta",
     false,
     {.files = {"consolidated.00.pth", "consolidated.01.pth"}, .n_files = 2},
     {"legacy", "zip", "llama-3", "copies-differ", "missing", "unknown", "nested"}},
    {"megatron",
     false,
     {.files = {"mp_rank_00_000/model_optim_rng.pt", "mp_rank_01_000/model_optim_rng.pt",
                "mp_rank_00_001/model_optim_rng.pt", "mp_rank_01_001/model_optim_rng.pt"},
      .n_files = 4},
     {"all-ranks-alike", "stages", "version-0", "groups-odd"}},
};

/* ---- reads --------------------------------------------------------------------------------- */

static long reads_left = -1; /* -1: no end of them */

ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
    if (reads_left == 0) {
        errno = EIO;
        return -1;
    }
    reads_left -= reads_left > 0;
    return __real_pread64(fd, buf, len, off);
}

/* A read and all after it fail; what opens all the same had made its reads. */
static void open_unreadable(const char *path)
{
    long n = 0;
    for (int r = -1; r; n++) {
        struct wfs_error err = {0};
        struct wfs_catalog *c = NULL;
        reads_left = n;
        r = wfs_catalog_open(path, NULL, &c, &err);
        bool was_hit = reads_left == 0;
        reads_left = -1;
        if (r && (r != -EIO || err.code != EIO || !err.message[0]))
            fail_msg("%s: read %ld: %d: %s", path, n, r, err.message);
        assert_true(r == 0 || was_hit);
        wfs_catalog_free(c);
    }
    assert_true(n > 1);
}

/* ---- folders ------------------------------------------------------------------------------- */

static void write_seed(const struct kind *kind, const char *seed, const struct fuzz_folder *folder)
{
    char path[4096];
    static uint8_t data[1 << 20];
    snprintf(path, sizeof(path), "%s/../fuzz/corpus/%s/%s", getenv("WEIGHTFS_TEST_DATA"),
             kind->target, seed);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(data, 1, sizeof(data), f);
    fclose(f);
    fuzz_folder_write(folder, data, len);
}

static void with_each_folder(void (*run)(const char *path))
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(kinds); i++) {
        struct fuzz_folder folder = kinds[i].folder;
        char path[FUZZ_FOLDER_PATH];
        fuzz_folder_make(&folder);
        fuzz_path(&folder, kinds[i].is_file ? folder.files[0] : ".", path);
        for (const char *const *seed = kinds[i].seeds; *seed; seed++) {
            write_seed(&kinds[i], *seed, &folder);
            run(path);
        }
        fuzz_folder_remove(&folder);
    }
}

static void test_reader_faults__memory_runs_out(void **state)
{
    (void)state;
    with_each_folder(open_out_of_memory);
}

static void test_reader_faults__reads_fail(void **state)
{
    (void)state;
    with_each_folder(open_unreadable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_faults__memory_runs_out),
        cmocka_unit_test(test_reader_faults__reads_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
