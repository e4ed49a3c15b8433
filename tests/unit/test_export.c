/* Export: whole and in parts give the file's bytes; failures leave nothing behind. */
#include "file_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

struct fixture {
    char dir[64], path[96];
    struct wfs_arena *arena;
    const struct wfs_vfile *file;
    struct wfs_export_options options;
};

/* Members over several chunks, within one, a page of zeros between, two in a chunk. */
static const struct wfs_vfile *npz(struct wfs_arena *arena, double first)
{
    static const uint64_t shapes[][1] = {{5 * MIB}, {3}, {300000}, {4 * MIB + 7}, {1000}};
    struct wfs_error err = {0};
    struct wfs_manifest_entry entries[5];
    for (unsigned i = 0; i < 5; i++) {
        entries[i].path = wfs_arena_printf(arena, "t%u", i);
        assert_ok(
            wfs_expr_arange(arena, WFS_I32, 1, shapes[i], first + i, 3, &entries[i].expr, &err),
            err);
    }
    struct wfs_manifest m = {.n = 5, .entries = entries, .sep = '.'};
    return fx_plan("npz", &m, arena);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/wfs-export-XXXXXX", .arena = wfs_arena_new()};
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/out.npz", f->dir);
    f->file = npz(f->arena, 0);
    f->options = (struct wfs_export_options){.path = f->path, .n_threads = 2};
}

static unsigned n_files(const struct fixture *f)
{
    unsigned n = 0;
    DIR *dir = opendir(f->dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void tear_down(struct fixture *f)
{
    unlink(f->path);
    assert_int_equal(n_files(f), 0);
    assert_int_equal(rmdir(f->dir), 0);
    wfs_arena_free(f->arena);
}

static void assert_same_as(const char *path, const struct wfs_vfile *file)
{
    struct wfs_error err = {0};
    enum { STEP = 3000001 };
    uint8_t *a = malloc(STEP), *b = malloc(STEP);
    int fd = open(path, O_RDONLY);
    struct stat st;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, file->size_bytes);
    for (uint64_t off = 0; off < file->size_bytes; off += STEP) {
        size_t n;
        assert_ok(wfs_vfile_read(file, NULL, a, STEP, off, NULL, &n, &err), err);
        assert_int_equal(pread(fd, b, n, (off_t)off), n);
        assert_memory_equal(a, b, n);
    }
    close(fd);
    free(a);
    free(b);
}

static void test_export__whole(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    assert_ok(wfs_export(f.file, NULL, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    assert_int_equal(n_files(&f), 1);
    /* Again over it, by one thread, with other contents. */
    const struct wfs_vfile *other = npz(f.arena, 1000);
    f.options.n_threads = 1;
    assert_ok(wfs_export(other, NULL, &f.options, &err), err);
    assert_same_as(f.path, other);
    tear_down(&f);
}

static void test_export__zeros_are_holes(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    struct wfs_vfile_builder b;
    struct stat st;
    set_up(&f);
    b = (struct wfs_vfile_builder){.arena = f.arena};
    wfs_vfile_add_literal(&b, "begin", 5);
    wfs_vfile_add_zeros(&b, 100 * MIB);
    wfs_vfile_add_literal(&b, "end", 3);
    assert_ok(wfs_vfile_finish(&b, &f.file, &err), err);
    assert_ok(wfs_export(f.file, NULL, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    assert_int_equal(stat(f.path, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 < 2 * MIB);
    tear_down(&f);
}

static void test_export__empty_file(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    struct wfs_vfile_builder b = {.arena = f.arena};
    assert_ok(wfs_vfile_finish(&b, &f.file, &err), err);
    assert_ok(wfs_export(f.file, NULL, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    tear_down(&f);
}

/* A source whose middle is the end of the process that reads it, as SIGKILL is. */
static int deadly_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                       struct wfs_error *err)
{
    (void)err;
    if (off + len > bytes->size_bytes / 2)
        _exit(0);
    memset(buf, 'g', len);
    return 0;
}

static void deadly_free(struct wfs_bytes *bytes)
{
    (void)bytes;
}

static void leave_partial(struct fixture *f)
{
    static const struct wfs_bytes_ops ops = {
        .kind = "deadly", .read = deadly_read, .free = deadly_free};
    struct wfs_bytes deadly = {.ops = &ops, .n_refs = 1, .size_bytes = 64 * MIB, .name = "deadly"};
    const struct wfs_vfile *file;
    struct wfs_error err = {0};
    struct wfs_vfile_builder b = {.arena = f->arena};
    wfs_vfile_add_bytes(&b, &deadly, 0, deadly.size_bytes);
    assert_ok(wfs_vfile_finish(&b, &file, &err), err);
    pid_t child = fork();
    if (child == 0)
        _exit(wfs_export(file, NULL, &f->options, NULL) ? 1 : 2);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(n_files(f), 1);
}

/* What a killed export left is begun afresh: no byte of it shows through the holes. */
static void test_export__over_what_was_left(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    leave_partial(&f);
    assert_ok(wfs_export(f.file, NULL, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    assert_int_equal(unlink(f.path), 0);
    leave_partial(&f);
    assert_ok(wfs_export_abort(f.path, &err), err);
    tear_down(&f);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_text(const char *path, const char *text)
{
    char line[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, text);
    fclose(file);
}

/* Somebody's file that happens to be called so: neither overwritten nor removed. */
static void test_export__foreign_partial_stays(void **state)
{
    (void)state;
    static const char text[] = "somebody's only copy";
    struct fixture f;
    char partial[128];
    set_up(&f);
    snprintf(partial, sizeof(partial), "%s.partial", f.path);
    write_text(partial, text);
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    assert_int_equal(wfs_export_abort(f.path, NULL), -EEXIST);
    f.options.part = f.options.n_parts = 2;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    assert_text(partial, text);
    assert_int_equal(n_files(&f), 1);
    assert_int_equal(unlink(partial), 0);
    assert_int_equal(mkfifo(partial, 0600), 0);
    f.options.part = f.options.n_parts = 0;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EINVAL);
    assert_int_equal(wfs_export_abort(f.path, NULL), -EEXIST);
    assert_int_equal(unlink(partial), 0);
    tear_down(&f);
}

static void test_export__interrupted_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    atomic_bool stop = true;
    set_up(&f);
    f.options.interrupt = &stop;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EINTR);
    assert_int_equal(n_files(&f), 0);
    tear_down(&f);
}

/* A full disk, as far as a test can have one: the process may write 20 MiB to a file. */
static void test_export__no_room_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    pid_t child = fork();
    if (child == 0) {
        struct wfs_error err = {0};
        struct rlimit limit = {20 * MIB, 20 * MIB};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(wfs_export(f.file, NULL, &f.options, &err) == -EFBIG ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(n_files(&f), 0);
    tear_down(&f);
}

/* A source that can be read up to its middle. */
static int half_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    if (off + len > bytes->size_bytes / 2)
        return wfs_error_set(err, EIO, "half: byte %llu cannot be read", (unsigned long long)off);
    memset(buf, 1, len);
    return 0;
}

static void half_free(struct wfs_bytes *bytes)
{
    (void)bytes;
}

static void test_export__failing_source_leaves_nothing(void **state)
{
    (void)state;
    static const struct wfs_bytes_ops ops = {.kind = "half", .read = half_read, .free = half_free};
    struct wfs_bytes half = {.ops = &ops, .n_refs = 1, .size_bytes = 64 * MIB, .name = "half"};
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    struct wfs_vfile_builder b = {.arena = f.arena};
    wfs_vfile_add_bytes(&b, &half, 0, half.size_bytes);
    assert_ok(wfs_vfile_finish(&b, &f.file, &err), err);
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EIO);
    assert_non_null(strstr(err.message, "cannot be read"));
    assert_int_equal(n_files(&f), 0);
    /* A part that fails leaves no marker. */
    err = (struct wfs_error){0};
    f.options.part = f.options.n_parts = 2;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EIO);
    assert_int_equal(wfs_export_finish(f.file, &f.options, NULL), -ENOENT);
    assert_int_equal(wfs_export_abort(f.path, NULL), 0);
    tear_down(&f);
}

static void test_export__refuses_what_is_no_file(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    f.options.path = f.dir;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EISDIR);
    f.options.path = "/dev/null";
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EINVAL);
    tear_down(&f);
}

static void run_part(struct fixture *f, uint32_t part, uint32_t n_parts)
{
    struct wfs_error err = {0};
    f->options.part = part;
    f->options.n_parts = n_parts;
    assert_ok(wfs_export(f->file, NULL, &f->options, &err), err);
}

static void test_export__parts_in_any_order(void **state)
{
    (void)state;
    static const uint32_t orders[][5] = {{3, 1, 5, 2, 4}, {5, 4, 3, 2, 1}, {1, 2, 3, 4, 5}};
    for (size_t o = 0; o < WFS_ARRAY_SIZE(orders); o++) {
        struct fixture f;
        struct wfs_error err = {0};
        set_up(&f);
        for (int i = 0; i < 5; i++) {
            assert_true(wfs_export_finish(f.file, &f.options, NULL) != 0);
            run_part(&f, orders[o][i], 5);
            run_part(&f, orders[o][0], 5); /* run again: nothing to do */
        }
        assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
        assert_same_as(f.path, f.file);
        assert_int_equal(n_files(&f), 1);
        tear_down(&f);
    }
}

static void test_export__more_parts_than_chunks(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    for (uint32_t part = 1; part <= 23; part++)
        run_part(&f, part, 23);
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    tear_down(&f);
}

static void test_export__parts_at_once_and_killed(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    uint64_t rng = fx_seed();
    bool done[4] = {false};
    set_up(&f);
    for (int rounds = 0; rounds < 200 && !(done[0] && done[1] && done[2] && done[3]); rounds++) {
        pid_t children[4] = {0};
        for (uint32_t i = 0; i < 4; i++) {
            if (done[i])
                continue;
            children[i] = fork();
            if (children[i] == 0) {
                f.options.part = i + 1;
                f.options.n_parts = 4;
                _exit(wfs_export(f.file, NULL, &f.options, NULL) ? 1 : 0);
            }
        }
        usleep((useconds_t)(fx_random(&rng) % (10000u * (unsigned)(rounds + 1))));
        for (uint32_t i = 0; i < 4; i++) {
            int status;
            if (children[i] == 0)
                continue;
            if (rounds < 5 && fx_random(&rng) % 2)
                kill(children[i], SIGKILL);
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            done[i] = WIFEXITED(status) && WEXITSTATUS(status) == 0;
            assert_true(done[i] || WIFSIGNALED(status));
        }
    }
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    /* A part killed while its marker was written leaves a temporary: --abort removes it. */
    (void)wfs_export_abort(f.path, NULL);
    tear_down(&f);
}

static void test_export__another_plan_or_source_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    run_part(&f, 1, 2);
    const struct wfs_vfile *ours = f.file;
    f.options.part = 2;
    f.file = npz(f.arena, 5); /* the same size, other values */
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    f.file = ours;
    f.options.source_id.bytes[3] = 9;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    f.options.source_id.bytes[3] = 0;
    f.options.state_id.bytes[3] = 9;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EEXIST);
    assert_non_null(strstr(err.message, "mtime or ctime"));
    err = (struct wfs_error){0};
    f.options.state_id.bytes[3] = 0;
    f.options.n_parts = 3;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    f.options.n_parts = f.options.part = 0;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EEXIST);
    run_part(&f, 2, 2);
    f.options.source_id.bytes[3] = 9;
    assert_int_equal(wfs_export_finish(f.file, &f.options, NULL), -EEXIST);
    f.options.source_id.bytes[3] = 0;
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    tear_down(&f);
}

/* The bytes of a part that is marked went with the file: markers are no bytes. */
static void test_export__lost_partial_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    char partial[128];
    set_up(&f);
    snprintf(partial, sizeof(partial), "%s.partial", f.path);
    run_part(&f, 1, 2);
    assert_int_equal(unlink(partial), 0);
    f.options.part = 2;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, &err), -EEXIST);
    assert_non_null(strstr(err.message, "--abort"));
    assert_true(wfs_export_finish(f.file, &f.options, NULL) != 0);
    err = (struct wfs_error){0};
    assert_ok(wfs_export_abort(f.path, &err), err);
    run_part(&f, 2, 2);
    run_part(&f, 1, 2);
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    tear_down(&f);
}

static void test_export__finish_onto_a_directory_can_be_repeated(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    set_up(&f);
    run_part(&f, 1, 1);
    assert_int_equal(mkdir(f.path, 0700), 0);
    assert_int_equal(wfs_export_finish(f.file, &f.options, NULL), -EISDIR);
    assert_int_equal(rmdir(f.path), 0);
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    tear_down(&f);
}

/* Another file in its place, of the length that it has or will have. */
static void test_export__replaced_partial_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct stat st;
    char partial[128];
    set_up(&f);
    snprintf(partial, sizeof(partial), "%s.partial", f.path);
    for (int stamped = 0; stamped < 2; stamped++) {
        run_part(&f, 1, 2);
        run_part(&f, 2, 2);
        assert_int_equal(stat(partial, &st), 0);
        assert_int_equal(unlink(partial), 0);
        write_text(partial, "other");
        off_t len = stamped ? st.st_size : (off_t)f.file->size_bytes;
        assert_int_equal(truncate(partial, len), 0);
        assert_int_equal(wfs_export_finish(f.file, &f.options, NULL), -EEXIST);
        assert_int_equal(access(f.path, F_OK), -1);
        assert_int_equal(wfs_export_abort(f.path, NULL), -EEXIST); /* the markers go, it stays */
        assert_int_equal(n_files(&f), 1);
        assert_int_equal(unlink(partial), 0);
    }
    tear_down(&f);
}

static void test_export__parts_are_one_to_n(void **state)
{
    (void)state;
    static const uint32_t bad[][2] = {{0, 2}, {3, 2}, {1, WFS_EXPORT_MAX_PARTS + 1}};
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(bad); i++) {
        f.options.part = bad[i][0];
        f.options.n_parts = bad[i][1];
        assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EINVAL);
    }
    tear_down(&f);
}

static void spoil(const struct fixture *f, const char *suffix, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s.partial.%s", f->path, suffix);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    char line[256];
    assert_non_null(fgets(line, sizeof(line), file)); /* keep the plan's line */
    fseek(file, 0, SEEK_CUR);
    fputs(text, file);
    assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
    fclose(file);
}

static void test_export__damaged_markers_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "part=1 chunks=0-9", "garbage\n",
                                        "part=2 chunks=0-2 hash=00 crcs=1\n00000000\n"};
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(texts); i++) {
        struct wfs_error err = {0};
        run_part(&f, 1, 2);
        run_part(&f, 2, 2);
        spoil(&f, "1-of-2", texts[i]);
        assert_int_equal(wfs_export_finish(f.file, &f.options, &err), -EINVAL);
        assert_ok(wfs_export_abort(f.path, &err), err);
        assert_int_equal(n_files(&f), 0);
    }
    tear_down(&f);
}

static void test_export__abort_removes_what_is_ours(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    char beside[128];
    set_up(&f);
    snprintf(beside, sizeof(beside), "%s.partial.plan", f.path);
    write_text(beside, "somebody's plan, perhaps a checkpoint");
    assert_int_equal(wfs_export_abort(f.path, NULL), -EEXIST);
    assert_int_equal(unlink(beside), 0);
    snprintf(beside, sizeof(beside), "%s.partial.notes", f.path);
    write_text(beside, "");
    assert_int_equal(wfs_export_abort(f.path, NULL), -ENOENT);
    assert_int_equal(unlink(beside), 0);
    snprintf(beside, sizeof(beside), "%s.partial.1-of-3", f.path);
    write_text(beside, "somebody's shard");
    assert_int_equal(wfs_export_abort(f.path, NULL), -ENOENT);
    run_part(&f, 1, 2);
    assert_int_equal(n_files(&f), 4);
    assert_ok(wfs_export_abort(f.path, &err), err);
    assert_int_equal(n_files(&f), 1);
    assert_int_equal(unlink(beside), 0);
    tear_down(&f);
}

/* As many at once as a job array with a wrong dependency starts: one makes the file. */
static void test_export__finished_by_many_at_once(void **state)
{
    (void)state;
    enum { N = 3, ROUNDS = 3 };
    struct fixture f;
    set_up(&f);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t children[N];
        int n_good = 0;
        run_part(&f, 1, 2);
        run_part(&f, 2, 2);
        for (int i = 0; i < N; i++) {
            children[i] = fork();
            if (children[i] == 0)
                _exit(wfs_export_finish(f.file, &f.options, NULL) ? 1 : 0);
        }
        for (int i = 0; i < N; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_true(WIFEXITED(status));
            n_good += WEXITSTATUS(status) == 0;
        }
        assert_int_equal(n_good, 1);
        assert_same_as(f.path, f.file);
        assert_int_equal(n_files(&f), 1);
    }
    tear_down(&f);
}

static void test_export__locked_is_busy(void **state)
{
    (void)state;
    struct fixture f;
    struct wfs_error err = {0};
    char partial[128];
    set_up(&f);
    snprintf(partial, sizeof(partial), "%s.partial", f.path);
    run_part(&f, 1, 2);
    int fd = open(partial, O_RDWR);
    assert_true(fd >= 0);
    /* While it is finished, no part is written and nothing removed. */
    assert_int_equal(flock(fd, LOCK_EX), 0);
    f.options.part = 2;
    assert_int_equal(wfs_export(f.file, NULL, &f.options, NULL), -EBUSY);
    assert_int_equal(wfs_export_abort(f.path, NULL), -EBUSY);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    /* While a part is written, here a second time, others are and --finish waits its turn. */
    assert_int_equal(flock(fd, LOCK_SH), 0);
    run_part(&f, 2, 2);
    assert_int_equal(wfs_export_finish(f.file, &f.options, NULL), -EBUSY);
    assert_int_equal(access(f.path, F_OK), -1);
    close(fd);
    assert_ok(wfs_export_finish(f.file, &f.options, &err), err);
    assert_same_as(f.path, f.file);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export__whole),
        cmocka_unit_test(test_export__zeros_are_holes),
        cmocka_unit_test(test_export__empty_file),
        cmocka_unit_test(test_export__over_what_was_left),
        cmocka_unit_test(test_export__foreign_partial_stays),
        cmocka_unit_test(test_export__interrupted_leaves_nothing),
        cmocka_unit_test(test_export__no_room_leaves_nothing),
        cmocka_unit_test(test_export__failing_source_leaves_nothing),
        cmocka_unit_test(test_export__refuses_what_is_no_file),
        cmocka_unit_test(test_export__parts_in_any_order),
        cmocka_unit_test(test_export__more_parts_than_chunks),
        cmocka_unit_test(test_export__parts_at_once_and_killed),
        cmocka_unit_test(test_export__another_plan_or_source_is_refused),
        cmocka_unit_test(test_export__lost_partial_is_refused),
        cmocka_unit_test(test_export__replaced_partial_is_refused),
        cmocka_unit_test(test_export__finish_onto_a_directory_can_be_repeated),
        cmocka_unit_test(test_export__finished_by_many_at_once),
        cmocka_unit_test(test_export__locked_is_busy),
        cmocka_unit_test(test_export__parts_are_one_to_n),
        cmocka_unit_test(test_export__damaged_markers_are_refused),
        cmocka_unit_test(test_export__abort_removes_what_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
