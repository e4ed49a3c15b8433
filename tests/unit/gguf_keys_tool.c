/*
 * gguf_keys_tool.c - the keys of a GGUF file without its tensors and its tokenizer, for tests in Python:
 *
 *   gguf_keys_tool SOURCE OUT [file_type=N] [set=NAME=VALUE ...] [NAME=SIZExSIZE ...]
 *   gguf_keys_tool FILE.gguf config|generation_config      the way back, printed
 *
 * OUT is a GGUF file without tensors. NAME=SIZExSIZE is a tensor that the file would have.
 */
#include <stdlib.h>
#include <string.h>

#include "gguf/general/general.h"
#include "gguf/keys/back.h"
#include "gguf/keys/keys.h"

#define MAX_SETTINGS 64
#define MAX_TARGETS  1024
#define MAX_AXES     4

static void add_all(struct wfs_gguf_kv *kv, const struct wfs_gguf_kv *more)
{
    for (size_t i = 0; i < more->n; i++)
        wfs_gguf_put_pair(kv, &more->pairs[i]);
}

static void add_number(struct wfs_buf *out, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        wfs_buf_char(out, (char)(value >> (8 * i)));
}

static int write_file(const struct wfs_gguf_kv *kv, const char *path, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    wfs_buf_str(&out, "GGUF");
    add_number(&out, 3, 4);
    add_number(&out, 0, 8);
    add_number(&out, kv->n, 8);
    if (wfs_gguf_kv_encode(kv, &out))
        return wfs_error_nomem(err, path);
    FILE *f = fopen(path, "wb");
    bool is_written = f && fwrite(out.data, 1, out.len, f) == out.len;
    if (f)
        is_written &= fclose(f) == 0;
    return is_written ? 0 : wfs_error_set(err, EIO, "%s: cannot be written", path);
}

static int print(int (*make)(struct wfs_arena *, const struct wfs_catalog *, const char **,
                             struct wfs_error *),
                 struct wfs_arena *arena, const struct wfs_catalog *catalog, struct wfs_error *err)
{
    const char *text;
    int r = make(arena, catalog, &text, err);
    if (!r && text)
        fputs(text, stdout);
    return r;
}

static int run(struct wfs_arena *arena, const char *source, const char *path,
               struct wfs_gguf_inputs *inputs, struct wfs_error *err)
{
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = NULL;
    struct wfs_source_options options = {0};
    struct wfs_gguf_keys keys;
    int r = wfs_catalog_open(source, &options, &catalog, err);
    inputs->catalog = catalog;
    if (!r && strcmp(path, "config") == 0)
        return print(wfs_gguf_config, arena, catalog, err);
    if (!r && strcmp(path, "generation_config") == 0)
        return print(wfs_gguf_generation_config, arena, catalog, err);
    if (!r)
        r = wfs_gguf_keys(inputs, &keys, err);
    if (r)
        return r;
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena);
    wfs_gguf_put_str(kv, "general.architecture", keys.arch);
    add_all(kv, keys.first);
    r = wfs_gguf_general(kv, inputs, err);
    if (r)
        return r;
    add_all(kv, keys.rest);
    wfs_gguf_put_u32(kv, "general.quantization_version", 2);
    return write_file(kv, path, err);
}

/* "blk.0.attn_q.weight=4x8" */
static bool parse_target(char *arg, struct wfs_gguf_target *target, uint64_t *shape)
{
    char *size = strchr(arg, '=');
    if (!size)
        return false;
    *size = 0;
    *target = (struct wfs_gguf_target){.name = arg, .shape = shape};
    for (char *end = size; target->ndim < MAX_AXES; size = end) {
        shape[target->ndim++] = strtoull(size + 1, &end, 10);
        if (*end != 'x')
            return !*end && end > size + 1;
    }
    return false;
}

int main(int argc, char **argv)
{
    const char *set[MAX_SETTINGS + 1] = {0};
    static struct wfs_gguf_target targets[MAX_TARGETS];
    static uint64_t shapes[MAX_TARGETS][MAX_AXES];
    size_t n_set = 0;
    struct wfs_error err = {0};
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_inputs inputs = {
        .arena = arena, .set = set, .file_type = 1, .targets = targets};
    if (argc < 3)
        return 2;
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "set=", 4) == 0 && n_set < MAX_SETTINGS)
            set[n_set++] = argv[i] + 4;
        else if (strncmp(argv[i], "file_type=", 10) == 0)
            inputs.file_type = (uint32_t)atoi(argv[i] + 10);
        else if (inputs.n_targets == MAX_TARGETS ||
                 !parse_target(argv[i], &targets[inputs.n_targets++], shapes[i % MAX_TARGETS]))
            return 2;
    }
    if (run(arena, argv[1], argv[2], &inputs, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
