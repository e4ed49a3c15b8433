/*
 * code_tool.c - not a test: `code_tool decode TYPE DTYPE` reads blocks of a ggml type from standard
 * input and writes their values as DTYPE, `code_tool encode TYPE DTYPE` reads values of DTYPE and
 * writes blocks, both through an expression; so tests in Python can judge.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

#define READ_BYTES 999983 /* ranges that begin and end anywhere */

static char *read_all(size_t *ret_len)
{
    struct wfs_buf buf = {0};
    static char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        wfs_buf_add(&buf, chunk, n);
    *ret_len = buf.len;
    wfs_buf_add(&buf, "", 1); /* so that there is memory for nothing, too */
    return wfs_buf_ok(&buf) ? buf.data : NULL;
}

static int write_all(const struct wfs_expr *expr, struct wfs_error *err)
{
    static char chunk[READ_BYTES];
    for (uint64_t off = 0; off < expr->size_bytes; off += READ_BYTES) {
        size_t len = wfs_min_u64(READ_BYTES, expr->size_bytes - off);
        int r = wfs_expr_read(expr, chunk, len, off, err);
        if (r)
            return r;
        if (fwrite(chunk, 1, len, stdout) != len)
            return wfs_error_set(err, EIO, "standard output");
    }
    return 0;
}

static int decode(struct wfs_arena *arena, struct wfs_bytes *bytes, enum wfs_dtype code,
                  enum wfs_dtype to, struct wfs_error *err)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(code);
    uint64_t n_elems = bytes->size_bytes * 8 / info->bits * info->block_elems;
    const struct wfs_expr *in, *out;
    int r = wfs_expr_contiguous(arena, bytes, 0, code, 1, &n_elems, &in, err);
    if (!r)
        r = wfs_expr_decode(arena, in, to, &out, err);
    return r ? r : write_all(out, err);
}

static int encode(struct wfs_arena *arena, struct wfs_bytes *bytes, enum wfs_dtype code,
                  enum wfs_dtype from, struct wfs_error *err)
{
    uint64_t n_elems = bytes->size_bytes * 8 / wfs_dtype_bits(from);
    const struct wfs_expr *in, *out;
    int r = wfs_expr_contiguous(arena, bytes, 0, from, 1, &n_elems, &in, err);
    if (!r)
        r = wfs_expr_encode(arena, in, code, &out, err);
    return r ? r : write_all(out, err);
}

int main(int argc, char **argv)
{
    enum wfs_dtype code, other;
    struct wfs_error err = {0};
    struct wfs_bytes *bytes wfs_cleanup(wfs_bytes_unrefp) = NULL;
    size_t len;
    if (argc != 4 || !wfs_dtype_by_name(argv[2], &code) || !wfs_dtype_by_name(argv[3], &other) ||
        !wfs_dtype_is_block(code))
        return 2;
    char *data wfs_cleanup(wfs_freep) = read_all(&len);
    struct wfs_arena *arena = wfs_arena_new();
    int r = !data || !arena ? -ENOMEM : wfs_bytes_from_memory("stdin", data, len, &bytes, &err);
    if (!r && strcmp(argv[1], "decode") == 0)
        r = decode(arena, bytes, code, other, &err);
    else if (!r)
        r = encode(arena, bytes, code, other, &err);
    if (r)
        fprintf(stderr, "%s\n", err.message);
    wfs_arena_free(arena);
    return r ? 1 : 0;
}
