/*
 * convert_tool.c - not a test: `convert_tool FROM TO` reads packed elements of one type from
 * standard input and writes them converted, so that tests in other languages can judge.
 * `convert_tool
 * --exact FROM TO` prints 1 or 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

static int parse(const char *name, enum wfs_dtype *ret)
{
    if (wfs_dtype_by_name(name, ret))
        return 0;
    fprintf(stderr, "no such type: %s\n", name);
    return -1;
}

static char *read_all(size_t *ret_len)
{
    struct wfs_buf buf = {0};
    static char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        wfs_buf_add(&buf, chunk, n);
    *ret_len = buf.len;
    return wfs_buf_ok(&buf) ? buf.data : NULL;
}

static int convert(enum wfs_dtype from, enum wfs_dtype to)
{
    struct wfs_error err = {0};
    size_t len = 0;
    char *in wfs_cleanup(wfs_freep) = read_all(&len);
    uint64_t n = (uint64_t)len * 8 / wfs_dtype_bits(from);
    size_t out_len = (size_t)((n * wfs_dtype_bits(to) + 7) / 8);
    char *out wfs_cleanup(wfs_freep) = malloc(out_len + 1);
    if ((in == NULL && len > 0) || out == NULL)
        return 3;
    if (n > 0 && wfs_convert(from, in, to, out, n, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return fwrite(out, 1, out_len, stdout) == out_len ? 0 : 3;
}

int main(int argc, char **argv)
{
    enum wfs_dtype from, to;
    bool exact = argc == 4 && strcmp(argv[1], "--exact") == 0;
    if (argc != 3 && !exact)
        return 2;
    if (parse(argv[argc - 2], &from) < 0 || parse(argv[argc - 1], &to) < 0)
        return 2;
    if (!exact)
        return convert(from, to);
    puts(wfs_convert_is_exact(from, to) ? "1" : "0");
    return 0;
}
