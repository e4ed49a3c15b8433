/*
 * catalog_tool.c - opens a source and prints its catalog as JSON lines, for tests that compare it
 * with a checkpoint's own library without a mount.
 *
 *     catalog_tool [-s] [-r ROOT]... [-d NAME=VALUE]... [-w GLOB] [-o DIR] SOURCE
 *
 * -s: strict; -r: root=; -d: set=; -w: weights=; -o: every tensor's bytes to DIR/<index>, read
 * through its expression. The exit status is 1, with the message on stderr, where the source is
 * refused or a tensor cannot be read.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/source.h"

#define MAX_OPTIONS 32
#define CHUNK_BYTES (1u << 20)

static void field(struct wfs_buf *out, const char *key, const char *value)
{
    wfs_buf_printf(out, ", \"%s\": ", key);
    if (value)
        wfs_buf_json(out, value);
    else
        wfs_buf_str(out, "null");
}

static void put_path(struct wfs_buf *out, const char *path)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    wfs_buf_str(out, ", \"path\": [");
    for (size_t i = 0; i < wfs_path_n_components(path); i++) {
        size_t len;
        const char *s = wfs_path_component(path, i, &len);
        wfs_buf_str(out, i ? ", " : "");
        wfs_buf_json(out, wfs_arena_strndup(arena, s, len));
    }
    wfs_buf_str(out, "]");
}

static void put_tensor(struct wfs_buf *out, const struct wfs_catalog *catalog, uint32_t i)
{
    const struct wfs_tensor *t = &catalog->tensors[i];
    const char *root = catalog->roots[t->root].path;
    wfs_cleanup(wfs_buf_free) struct wfs_buf joined = {0};
    wfs_path_join(&joined, root, '.');
    wfs_buf_printf(out, "{\"tensor\": %u", i);
    field(out, "name", t->name);
    put_path(out, t->path);
    field(out, "dtype", wfs_dtype_info(t->expr->dtype)->name);
    wfs_buf_str(out, ", \"shape\": [");
    for (uint32_t k = 0; k < t->expr->ndim; k++)
        wfs_buf_printf(out, "%s%llu", k ? ", " : "", (unsigned long long)t->expr->shape[k]);
    wfs_buf_printf(out, "], \"bytes\": %llu, \"file\": %lld, \"file_off\": %lld",
                   (unsigned long long)t->expr->size_bytes,
                   t->file == WFS_NO_INDEX ? -1LL : (long long)t->file, (long long)t->file_off);
    wfs_buf_printf(out, ", \"alias_of\": %lld, \"shard_axis\": %d, \"n_shards\": %u",
                   t->alias_of == WFS_NO_INDEX ? -1LL : (long long)t->alias_of, t->shard_axis,
                   t->n_shards);
    field(out, "quantised", t->quantised ? t->quantised->text : NULL);
    field(out, "root", joined.len ? joined.data : "");
    wfs_buf_str(out, "}\n");
}

static void put_catalog(struct wfs_buf *out, const struct wfs_catalog *catalog)
{
    static const char *const kinds[] = {"info", "warning", "danger", "refused", "left out"};
    wfs_buf_printf(out, "{\"catalog\": 1");
    field(out, "format", catalog->format);
    wfs_buf_printf(out, ", \"files\": %u, \"objects\": %s}\n", catalog->n_files,
                   catalog->objects_json ? catalog->objects_json : "null");
    for (uint32_t i = 0; i < catalog->n_roots; i++) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf joined = {0};
        wfs_path_join(&joined, catalog->roots[i].path, '.');
        wfs_buf_printf(out, "{\"root\": %u, \"chosen\": %s", i,
                       catalog->roots[i].is_chosen ? "true" : "false");
        field(out, "path", joined.len ? joined.data : "");
        wfs_buf_str(out, "}\n");
    }
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        wfs_buf_printf(out, "{\"note\": %u", i);
        field(out, "kind", kinds[catalog->notes[i].kind]);
        field(out, "subject", catalog->notes[i].subject);
        field(out, "text", catalog->notes[i].text);
        wfs_buf_str(out, "}\n");
    }
    for (uint32_t i = 0; i < catalog->n_tensors; i++)
        put_tensor(out, catalog, i);
}

static int dump_tensor(const struct wfs_tensor *tensor, const char *dir, uint32_t i,
                       struct wfs_error *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%u", dir, i);
    wfs_cleanup(wfs_fclosep) FILE *f = fopen(path, "wb");
    wfs_cleanup(wfs_freep) void *buf = malloc(CHUNK_BYTES);
    if (!f || !buf)
        return wfs_error_set(err, EIO, "%s: cannot be written", path);
    for (uint64_t off = 0; off < tensor->expr->size_bytes;) {
        size_t n = (size_t)wfs_min_u64(CHUNK_BYTES, tensor->expr->size_bytes - off);
        int r = wfs_expr_read(tensor->expr, buf, n, off, err);
        if (r)
            return wfs_error_prefix(err, "%s", tensor->name);
        if (fwrite(buf, 1, n, f) != n)
            return wfs_error_set(err, EIO, "%s: cannot be written", path);
        off += n;
    }
    return 0;
}

static int run(const char *source, const struct wfs_source_options *options, const char *dir)
{
    struct wfs_error err = {0};
    wfs_cleanup(wfs_catalog_freep) struct wfs_catalog *catalog = NULL;
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    int r = wfs_catalog_open(source, options, &catalog, &err);
    for (uint32_t i = 0; !r && dir && i < catalog->n_tensors; i++)
        r = dump_tensor(&catalog->tensors[i], dir, i, &err);
    if (r) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    put_catalog(&out, catalog);
    return !wfs_buf_ok(&out) || fwrite(out.data, 1, out.len, stdout) != out.len;
}

int main(int argc, char **argv)
{
    static const char *roots[MAX_OPTIONS + 1], *set[MAX_OPTIONS + 1];
    struct wfs_source_options options = {0};
    const char *dir = NULL;
    size_t n_roots = 0, n_set = 0;
    for (int c; (c = getopt(argc, argv, "sr:d:w:o:")) != -1;) {
        if (c == 's')
            options.strict = true;
        else if (c == 'r' && n_roots < MAX_OPTIONS)
            roots[n_roots++] = optarg;
        else if (c == 'd' && n_set < MAX_OPTIONS)
            set[n_set++] = optarg;
        else if (c == 'w')
            options.weights = optarg;
        else if (c == 'o')
            dir = optarg;
        else
            return 2;
    }
    options.roots = n_roots ? roots : NULL;
    options.set = n_set ? set : NULL;
    return optind + 1 == argc ? run(argv[optind], &options, dir) : 2;
}
