/*
 * test_index_damage.c - an index through every way a file can be bad, locked or used by others at
 * once: right bytes or a miss, never wrong bytes, never a failure.
 */
#include "index_fixture.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* ---- files that cannot be used ------------------------------------------------------------- */

static void test_index_damage__none(void **state)
{
    struct scratch *s = *state;
    s->options.index_path = "none";
    assert_null(wfs_index_open(&s->options));
}

static void test_index_damage__foreign_files_are_left_alone(void **state)
{
    struct scratch *s = *state;
    char path[192];
    snprintf(path, sizeof path, "%s/letter.txt", s->dir);
    static const char text[] = "Dear reader, this is no database, and a page of text at that.";
    write_at(path, text, sizeof text, 0);
    s->options.index_path = path;
    struct stat st;
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(wfs_index_open(&s->options));
    assert_file_is(path, text, sizeof text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);

    snprintf(path, sizeof path, "%s/other.db", s->dir);
    raw_exec(path, "CREATE TABLE mine(x); INSERT INTO mine VALUES(42)");
    chmod(path, 0600);
    assert_null(wfs_index_open(&s->options));
    int64_t x = 0;
    sqlite3 *db = raw_connection(path);
    assert_int_equal(wfs_db_get_i64(db, "SELECT x FROM mine", &x), SQLITE_ROW);
    assert_int_equal(x, 42);
    sqlite3_close(db);
}

static void test_index_damage__newer_version_is_left_alone(void **state)
{
    struct scratch *s = *state;
    make_index(s, 1);
    raw_exec(s->path, "PRAGMA user_version = 99");
    uint64_t size = file_size(s->path);
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(file_size(s->path), size);
}

static void test_index_damage__older_version_is_made_anew(void **state)
{
    struct scratch *s = *state;
    make_index(s, 1);
    raw_exec(s->path, "PRAGMA user_version = 0");
    assert_int_equal(count_hits(s, 1), 0);
    make_index(s, 1);
    assert_int_equal(count_hits(s, 1), 1);
}

static void test_index_damage__unsafe_places_are_refused(void **state)
{
    struct scratch *s = *state;
    char target[192], link[192], dir[160];
    snprintf(target, sizeof target, "%s/target.db", s->dir);
    snprintf(link, sizeof link, "%s/link.db", s->dir);
    assert_int_equal(symlink(target, link), 0);
    s->options.index_path = link;
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(access(target, F_OK), -1);

    snprintf(dir, sizeof dir, "%s/open", s->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    snprintf(target, sizeof target, "%s/x.db", dir);
    s->options.index_path = target;
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(access(target, F_OK), -1);

    assert_int_equal(chmod(dir, 0700), 0);
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    wfs_index_close(index);
    assert_int_equal(chmod(target, 0666), 0);
    assert_null(wfs_index_open(&s->options));
    assert_int_equal(chmod(target, 0600), 0);
    snprintf(link, sizeof link, "%s/second-name.db", s->dir);
    assert_int_equal(rename(target, link), 0);
    assert_int_equal(mkfifo(target, 0600), 0);
    assert_null(wfs_index_open(&s->options));
    s->options.index_path = dir;
    assert_null(wfs_index_open(&s->options));
    s->options.index_path = "/proc/nowhere/x.db";
    assert_null(wfs_index_open(&s->options));
}

static void test_index_damage__header_scribbled_is_made_anew(void **state)
{
    struct scratch *s = *state;
    make_index(s, 4);
    write_at(s->path, "this was an index once", 22, 0);
    assert_int_equal(count_hits(s, 4), 0);
    make_index(s, 4);
    assert_int_equal(count_hits(s, 4), 4);
}

static void test_index_damage__truncated(void **state)
{
    struct scratch *s = *state;
    make_index(s, 8);
    uint64_t size = file_size(s->path);
    const uint64_t cuts[] = {size - 1, size / 2, 20000, 16384, 512, 100, 10, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        assert_int_equal(truncate(s->path, (off_t)cuts[i]), 0);
        count_hits(s, 8); /* asserts the bytes of whatever it gives */
        make_index(s, 8);
        count_hits(s, 8);
        make_index(s, 8);
        assert_int_equal(count_hits(s, 8), 8);
    }
}

/* Random bytes anywhere, then used, written to and used again: no crash and no wrong byte. */
static void test_index_damage__scribbled(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 24; round++) {
        make_index(s, 6);
        uint64_t size = file_size(s->path);
        for (int i = 0; i < 1 + round % 8; i++) {
            uint64_t noise[32];
            for (size_t k = 0; k < 32; k++)
                noise[k] = rng();
            uint64_t at = round % 3 == 0 ? rng() % 65536 : rng() % size;
            write_at(s->path, noise, 1 + rng() % sizeof noise, at);
        }
        count_hits(s, 6);
        make_index(s, 7);
        count_hits(s, 7);
    }
}

static void test_index_damage__read_only(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    assert_int_equal(chmod(s->path, 0400), 0);
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    assert_true(wfs_index_is_read_only(index));
    assert_int_equal(get(index, 2), WFS_INDEX_HIT);
    wfs_index_close(index);
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Somebody keeps the write lock: readers notice nothing, the writer gives up soon. */
static void test_index_damage__locked_for_writing(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    struct wfs_index *index = wfs_index_open(&s->options);
    sqlite3 *db = raw_connection(s->path);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t start = now_ms();
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 10; i < 20; i++)
        put(s, writer, i);
    assert_int_equal(get(index, 2), WFS_INDEX_HIT);
    wfs_writer_flush(writer);
    assert_true(now_ms() - start < 15000); /* 2 s, and not for each of ten */
    assert_int_equal(wfs_writer_n_lost(writer), 10);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    put(s, writer, 10);
    wfs_writer_flush(writer);
    assert_int_equal(get(index, 10), WFS_INDEX_HIT);
    wfs_writer_free(writer);
    wfs_index_close(index);
}

/* A rollback journal's exclusive lock keeps readers out: each is a miss at once. */
static void test_index_damage__locked_for_reading(void **state)
{
    struct scratch *s = *state;
    make_index(s, 3);
    raw_exec(s->path, "PRAGMA journal_mode = DELETE");
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    sqlite3 *db = raw_connection(s->path);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t start = now_ms();
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(index, 1), WFS_INDEX_MISS);
    assert_true(now_ms() - start < 20000);    /* no wait for the lock each */
    assert_null(wfs_index_open(&s->options)); /* a mount starts without it */
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(get(index, 1), WFS_INDEX_HIT);
    wfs_index_close(index);
}

/* A small file system of its own; only root can make one. */
static void test_index_damage__disk_full(void **state)
{
    struct scratch *s = *state;
    char dir[160], path[192];
    snprintf(dir, sizeof dir, "%s/small", s->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m,mode=0700") < 0) {
        print_message("no tmpfs here: not tested\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/x.db", dir);
    s->options.index_path = path;
    struct wfs_index *index = wfs_index_open(&s->options);
    assert_non_null(index);
    struct wfs_writer *writer = writer_of(s, index);
    for (uint64_t i = 0; i < 10; i++)
        put(s, writer, i);
    wfs_writer_flush(writer);
    assert_true(wfs_writer_n_lost(writer) > 0);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < 10; i++)
        hits += get(index, i) == WFS_INDEX_HIT;
    assert_true(hits < 10);
    wfs_writer_free(writer);
    wfs_index_close(index);
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void test_index_damage__killed_while_writing(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 8; round++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct wfs_index *index = wfs_index_open(&s->options);
            struct wfs_writer *writer = NULL;
            if (!index || wfs_writer_new(index, s->pool, &s->options, &writer, NULL) < 0)
                _exit(1);
            for (uint64_t i = 0;; i++)
                put(s, writer, (uint64_t)round * 1000 + i);
        }
        wfs_sleep_ms(20 + (unsigned)(rng() % 150));
        int status = 0;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct wfs_index *index = wfs_index_open(&s->options);
        assert_non_null(index);
        for (uint64_t i = 0; i < 50; i++)
            assert_int_not_equal(get(index, (uint64_t)round * 1000 + i), WFS_INDEX_BAD);
        wfs_index_close(index);
        uint64_t n_blocks = 0, n_bad = 0;
        assert_int_equal(wfs_index_verify(s->path, false, &n_blocks, &n_bad, NULL), 0);
        assert_int_equal(n_bad, 0);
    }
}

/* Two processes write the same index at once: nobody loses more than time, or what it says that it
 * lost, where a busy machine held the other one's transaction up. */
static void test_index_damage__two_mounts_share_it(void **state)
{
    struct scratch *s = *state;
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        fflush(NULL);
        children[c] = fork();
        assert_true(children[c] >= 0);
        if (children[c] != 0)
            continue;
        struct wfs_index *index = wfs_index_open(&s->options);
        struct wfs_writer *writer = NULL;
        if (!index || wfs_writer_new(index, s->pool, &s->options, &writer, NULL) < 0)
            _exit(99);
        for (uint64_t i = 0; i < 20; i++)
            put(s, writer, (uint64_t)c * 10 + i);
        wfs_writer_flush(writer);
        int n_lost = (int)wfs_writer_n_lost(writer);
        wfs_writer_free(writer);
        wfs_index_close(index);
        _exit(n_lost);
    }
    int n_lost = 0;
    for (int c = 0; c < 2; c++) {
        int status = 1;
        waitpid(children[c], &status, 0);
        assert_true(WIFEXITED(status));
        n_lost += WEXITSTATUS(status);
    }
    assert_in_range(n_lost, 0, 20);
    assert_in_range(count_hits(s, 30), 30 - n_lost, 30);
}

/* Mounts that come and go at the same moment: each gets the index, whether it must make the tables
 * or meets another one that makes them, or one that folds up the log because it leaves last. */
static void test_index_damage__opened_and_closed_at_once(void **state)
{
    struct scratch *s = *state;
    for (int round = 0; round < 40; round++) {
        pid_t children[4];
        for (size_t c = 0; c < WFS_ARRAY_SIZE(children); c++) {
            fflush(NULL);
            children[c] = fork();
            assert_true(children[c] >= 0);
            for (int i = 0; children[c] == 0; i++) {
                struct wfs_index *index = i < 10 ? wfs_index_open(&s->options) : NULL;
                if (!index)
                    _exit(i);
                wfs_index_close(index);
            }
        }
        for (size_t c = 0; c < WFS_ARRAY_SIZE(children); c++) {
            int status = 1;
            waitpid(children[c], &status, 0);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 10);
        }
        assert_int_equal(wfs_index_unlink(s->path, NULL, NULL), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_index_damage__##name, set_up, tear_down)

int main(void)
{
    set_seed();
    const struct CMUnitTest tests[] = {
        TEST(none),
        TEST(foreign_files_are_left_alone),
        TEST(newer_version_is_left_alone),
        TEST(older_version_is_made_anew),
        TEST(unsafe_places_are_refused),
        TEST(header_scribbled_is_made_anew),
        TEST(truncated),
        TEST(scribbled),
        TEST(read_only),
        TEST(locked_for_writing),
        TEST(locked_for_reading),
        TEST(disk_full),
        TEST(killed_while_writing),
        TEST(two_mounts_share_it),
        TEST(opened_and_closed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
