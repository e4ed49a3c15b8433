/*
 * test_bytes.c - files, memory, inflated members, windows and the parse cursor, with what
 * happens when a file is cut, rewritten or replaced under them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes/bytes.h"
#if HAVE_ZLIB
#include <zlib.h>
#endif

static char dir[] = "/tmp/wfs-bytes-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(in_dir(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static struct wfs_bytes *open_file(const char *name)
{
    struct wfs_bytes *bytes = NULL;
    struct wfs_error err = {0};
    assert_int_equal(wfs_bytes_open(in_dir(name), &bytes, &err), 0);
    return bytes;
}

static void test_bytes__read_is_exact(void **state)
{
    (void)state;
    write_file("a", "0123456789", 10);
    struct wfs_bytes *bytes = open_file("a");
    char buf[10];
    struct wfs_error err = {0};
    assert_int_equal(wfs_bytes_read(bytes, buf, 4, 6, &err), 0);
    assert_memory_equal(buf, "6789", 4);
    assert_int_equal(wfs_bytes_read(bytes, buf, 5, 6, &err), -EIO);
    assert_non_null(strstr(err.message, "there are only 10"));
    assert_int_equal(wfs_bytes_read(bytes, buf, 1, UINT64_MAX, NULL), -EIO);
    wfs_bytes_unref(bytes);
}

/* Every way that a destination can lie above its source modulo the page, over several pieces of
 * the buffer that bad ones go through. */
static void test_bytes__read_to_any_alignment(void **state)
{
    enum { SIZE = 300000, FIRST = 4090 };
    (void)state;
    uint8_t *data = malloc(SIZE), *room = aligned_alloc(4096, SIZE / 4096 * 4096 + 3 * 4096);
    assert_true(data && room);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    write_file("a", data, SIZE);
    struct wfs_bytes *bytes = open_file("a");
    for (size_t above = 0; above < 40; above++) {
        uint8_t *buf = room + (FIRST + above) % 4096;
        assert_int_equal(wfs_bytes_read(bytes, buf, SIZE - FIRST, FIRST, NULL), 0);
        assert_memory_equal(buf, data + FIRST, SIZE - FIRST);
    }
    assert_int_equal(truncate(in_dir("a"), 200000), 0);
    assert_int_equal(wfs_bytes_read(bytes, room + (FIRST + 8) % 4096, SIZE - FIRST, FIRST, NULL),
                     -EIO);
    wfs_bytes_unref(bytes);
    free(room);
    free(data);
}

static void test_bytes__fifo_and_device_are_refused(void **state)
{
    (void)state;
    struct wfs_bytes *bytes = NULL;
    struct wfs_error err = {0};
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(wfs_bytes_open(in_dir("fifo"), &bytes, &err), -EINVAL);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(wfs_bytes_open("/dev/zero", &bytes, NULL), -EINVAL);
    assert_int_equal(wfs_bytes_open(dir, &bytes, NULL), -EINVAL);
    assert_null(bytes);
}

static void test_bytes__rewritten_with_mtime_restored(void **state)
{
    (void)state;
    write_file("c", "0123456789", 10);
    struct wfs_bytes *bytes = open_file("c");
    struct stat st;
    assert_int_equal(stat(in_dir("c"), &st), 0);
    usleep(20000); /* past the file system's time granularity */
    int fd = open(in_dir("c"), O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    char buf[10];
    struct wfs_error err = {0};
    assert_int_equal(wfs_bytes_read(bytes, buf, 10, 0, &err), -EIO);
    assert_non_null(strstr(err.message, "changed in place"));
    wfs_bytes_unref(bytes);
}

static void test_bytes__replaced_by_rename_is_served_on(void **state)
{
    (void)state;
    write_file("d", "old", 3);
    struct wfs_bytes *bytes = open_file("d");
    usleep(20000);
    write_file("d.new", "new", 3);
    char from[256];
    snprintf(from, sizeof(from), "%s", in_dir("d.new"));
    assert_int_equal(rename(from, in_dir("d")), 0);
    char buf[3];
    assert_int_equal(wfs_bytes_read(bytes, buf, 3, 0, NULL), 0);
    assert_memory_equal(buf, "old", 3);
    wfs_bytes_unref(bytes);
}

static int touch(void *ctx)
{
    volatile const uint8_t *p = ctx;
    return p[0] + p[9000] < 0;
}

static void test_bytes__truncated_under_a_window(void **state)
{
    (void)state;
    char *data = calloc(1, 20000);
    write_file("e", data, 20000);
    free(data);
    struct wfs_bytes *bytes = open_file("e");
    struct wfs_window window;
    assert_int_equal(wfs_bytes_map(bytes, 0, 20000, &window, NULL), 0);
    assert_int_equal(wfs_guarded(touch, (void *)window.data, "e", NULL), 0);
    assert_int_equal(truncate(in_dir("e"), 100), 0);
    struct wfs_error err = {0};
    assert_int_equal(wfs_guarded(touch, (void *)window.data, "e", &err), -EIO);
    assert_int_equal(wfs_bytes_check(bytes, NULL), -EIO);
    wfs_window_release(&window);
    wfs_bytes_unref(bytes);
}

static void test_cursor__never_passes_its_end(void **state)
{
    (void)state;
    struct wfs_bytes *mem;
    struct wfs_cursor *cur = calloc(1, sizeof(*cur));
    assert_int_equal(wfs_bytes_from_memory("m", "\x01\x02\x03\x04\x05line\nrest", 14, &mem, NULL),
                     0);
    assert_int_equal(wfs_cursor_init(cur, mem, 0, 14, NULL), 0);
    uint32_t v;
    uint8_t b;
    assert_int_equal(wfs_cursor_u32le(cur, &v, NULL), 0);
    assert_int_equal(v, 0x04030201);
    assert_int_equal(wfs_cursor_u8(cur, &b, NULL), 0);
    assert_int_equal(b, 5);
    assert_int_equal(wfs_cursor_skip(cur, 5, NULL), 0);
    struct wfs_error err = {0};
    uint64_t u;
    assert_int_equal(wfs_cursor_u64le(cur, &u, &err), -EINVAL);
    assert_non_null(strstr(err.message, "byte 10"));
    assert_int_equal(wfs_cursor_skip(cur, 5, NULL), -EINVAL);
    assert_int_equal(wfs_cursor_init(cur, mem, 10, 5, NULL), -EIO);
    wfs_bytes_unref(mem);
    free(cur);
}

#if HAVE_ZLIB
#define PLAIN_BYTES (8u << 20)

/* Compressible, but not so much that there are no block boundaries. */
static uint8_t *plain_data(void)
{
    uint8_t *data = malloc(PLAIN_BYTES);
    uint32_t x = 1;
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (uint8_t)((x >> 24) & 0x3f);
    }
    return data;
}

static struct wfs_bytes *deflated(const uint8_t *plain, size_t len, size_t *ret_len)
{
    uLong bound = compressBound(len) + 64;
    uint8_t *out = malloc(bound);
    z_stream zs = {0};
    deflateInit2(&zs, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    zs.next_in = (Bytef *)plain;
    zs.avail_in = (uInt)len;
    zs.next_out = out;
    zs.avail_out = (uInt)bound;
    assert_int_equal(deflate(&zs, Z_FINISH), Z_STREAM_END);
    *ret_len = zs.total_out;
    deflateEnd(&zs);
    struct wfs_bytes *mem;
    assert_int_equal(wfs_bytes_from_memory("deflated", out, *ret_len, &mem, NULL), 0);
    free(out);
    return mem;
}

static void test_inflate__random_access(void **state)
{
    (void)state;
    uint8_t *plain = plain_data(), *buf = malloc(300000);
    size_t len;
    struct wfs_bytes *mem = deflated(plain, PLAIN_BYTES, &len), *bytes;
    uint32_t crc = (uint32_t)crc32_z(0, plain, PLAIN_BYTES), x = 7;
    assert_int_equal(wfs_bytes_inflate(mem, 0, len, PLAIN_BYTES, &crc, "x", &bytes, NULL), 0);
    for (int i = 0; i < 200; i++) {
        x = x * 1664525 + 1013904223;
        size_t off = i % 20 ? x % PLAIN_BYTES : PLAIN_BYTES - 200000, n = (x >> 3) % 300000;
        n = off + n > PLAIN_BYTES ? PLAIN_BYTES - off : n;
        struct wfs_error err = {0};
        assert_int_equal(wfs_bytes_read(bytes, buf, n, off, &err), 0);
        assert_memory_equal(buf, plain + off, n);
    }
    wfs_bytes_unref(bytes);
    wfs_bytes_unref(mem);
    free(plain);
    free(buf);
}

/* Whoever reads the last byte is told, wherever the reading began. */
static void test_inflate__wrong_crc(void **state)
{
    (void)state;
    uint8_t *plain = plain_data(), *buf = malloc(PLAIN_BYTES);
    size_t len;
    struct wfs_bytes *mem = deflated(plain, PLAIN_BYTES, &len), *bytes;
    uint32_t crc = (uint32_t)crc32_z(0, plain, PLAIN_BYTES) ^ 1;
    assert_int_equal(wfs_bytes_inflate(mem, 0, len, PLAIN_BYTES, &crc, "x", &bytes, NULL), 0);
    assert_int_equal(wfs_bytes_read(bytes, buf, PLAIN_BYTES - 1, 0, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct wfs_error err = {0};
        size_t n = i == 0 ? PLAIN_BYTES : 1000;
        assert_int_equal(wfs_bytes_read(bytes, buf, n, PLAIN_BYTES - n, &err), -EIO);
        assert_non_null(strstr(err.message, "another CRC"));
    }
    wfs_bytes_unref(bytes);
    wfs_bytes_unref(mem);
    free(plain);
    free(buf);
}

static void test_inflate__wrong_declared_size(void **state)
{
    (void)state;
    uint8_t *plain = plain_data(), *buf = malloc(PLAIN_BYTES + 1);
    size_t len;
    struct wfs_bytes *mem = deflated(plain, 100000, &len), *bytes;
    const uint64_t sizes[] = {99999, 100001};
    const char *const texts[] = {"more than its declared size", "ends before its declared size"};
    for (int i = 0; i < 2; i++) {
        struct wfs_error err = {0};
        assert_int_equal(wfs_bytes_inflate(mem, 0, len, sizes[i], NULL, "x", &bytes, NULL), 0);
        assert_int_equal(wfs_bytes_read(bytes, buf, sizes[i], 0, &err), -EIO);
        assert_non_null(strstr(err.message, texts[i]));
        wfs_bytes_unref(bytes);
    }
    struct wfs_error err = {0};
    assert_int_equal(wfs_bytes_inflate(mem, 0, len / 2, 100000, NULL, "x", &bytes, NULL), 0);
    assert_int_equal(wfs_bytes_read(bytes, buf, 100000, 0, &err), -EIO);
    assert_non_null(strstr(err.message, "cut off"));
    wfs_bytes_unref(bytes);
    wfs_bytes_unref(mem);
    free(plain);
    free(buf);
}
#endif

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes__read_is_exact),
        cmocka_unit_test(test_bytes__read_to_any_alignment),
        cmocka_unit_test(test_bytes__fifo_and_device_are_refused),
        cmocka_unit_test(test_bytes__rewritten_with_mtime_restored),
        cmocka_unit_test(test_bytes__replaced_by_rename_is_served_on),
        cmocka_unit_test(test_bytes__truncated_under_a_window),
        cmocka_unit_test(test_cursor__never_passes_its_end),
#if HAVE_ZLIB
        cmocka_unit_test(test_inflate__random_access),
        cmocka_unit_test(test_inflate__wrong_crc),
        cmocka_unit_test(test_inflate__wrong_declared_size),
#endif
    };
    return cmocka_run_group_tests_name("bytes", tests, make_dir, remove_dir);
}
