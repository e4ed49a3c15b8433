/*
 * gguf.c - GGUF files, as llama.cpp's gguf.cpp reads them (versions 2 and 3, either byte order).
 *
 *     0    "GGUF", u32 version, i64 number of tensors, i64 number of keys
 *     24   the keys (keys.c)
 *          of each tensor: name, u32 number of axes, i64 sizes (the fastest axis first), u32 type,
 *          u64 offset from the data
 *     pad  the data, aligned to general.alignment, each tensor padded to it
 *
 * A version whose low 16 bits are 0 is one of the other byte order. Shapes are turned round, so that
 * the last axis is the fastest. A quantised tensor is a tensor of a block type (tensor.h): its shape
 * counts elements, its bytes are the file's blocks. In a big-endian file the numbers inside of blocks
 * are turned round: such blocks are no ggml blocks, and those tensors are refused one by one.
 *
 * Refused: version 1 and those that nobody wrote, counts and sizes that are negative, zero or do not
 * fit into the file, more than 4 axes, names of 64 bytes and more, names that are no UTF-8 or are there
 * twice, types that ggml does not have (or dropped), a last axis that is not whole blocks, an offset
 * that is not the sum of the padded sizes before it, data past the end of the file.
 *
 * A split checkpoint (split.no, split.count) is the set of its files; a file of another set, or a
 * whole checkpoint beside one, is refused.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/gguf/ggml_types.h"
#include "source/gguf/keys.h"
#include "source/gguf/reader.h"
#include "source/source.h"

#define MAX_AXES  4  /* GGML_MAX_DIMS */
#define NAME_SIZE 64 /* GGML_MAX_NAME, with its NUL */
#define MIN_KEY   13 /* bytes of a pair: an empty name, a type, one byte */
#define MIN_INFO  24 /* bytes of a tensor's description: an empty name, no axes, type, offset */

struct info {
    const char *name;
    const struct wfs_ggml_type *type;
    uint32_t ndim;
    uint64_t shape[MAX_AXES]; /* the last axis is the fastest */
    uint64_t off, size_bytes; /* of the data */
    uint64_t at;              /* where its description begins */
};

struct scan {
    struct wfs_catalog *catalog;
    uint32_t file;
    struct wfs_gguf_reader g;
    struct wfs_gguf_keys keys;
    uint64_t n_infos, n_keys;
    size_t cap_infos;
    struct info *infos;
    struct wfs_buf text;
    uint64_t sum; /* of the padded sizes so far */
    uint64_t data_off;
    uint32_t n_refused;
};

static const char *name_of(const struct scan *s)
{
    return s->catalog->files[s->file].name;
}

/* ---- the first 24 bytes -------------------------------------------------------------------- */

static int check_version(struct scan *s, uint32_t version, struct wfs_error *err)
{
    if (version == 1)
        return wfs_gguf_fail(&s->g, 4, err, "GGUF version 1, which llama.cpp no longer reads");
    if (version < 2 || version > 3)
        return wfs_gguf_fail(&s->g, 4, err, "GGUF version %" PRIu32 "; there are 2 and 3", version);
    return 0;
}

static int read_start(struct scan *s, struct wfs_error *err)
{
    uint32_t magic, version;
    uint64_t n_infos, n_keys;
    int r = wfs_gguf_u32(&s->g, &magic, err);
    if (!r && magic != 0x46554747)
        r = wfs_gguf_fail(&s->g, 0, err, "no \"GGUF\"");
    if (!r)
        r = wfs_gguf_u32(&s->g, &version, err);
    if (r)
        return r;
    s->g.is_big_endian = (version & 0xffff) == 0;
    r = check_version(s, s->g.is_big_endian ? __builtin_bswap32(version) : version, err);
    if (!r)
        r = wfs_gguf_number(&s->g, 8, &n_infos, err);
    if (!r)
        r = wfs_gguf_number(&s->g, 8, &n_keys, err);
    if (r)
        return r;
    if (n_infos > wfs_cursor_left(s->g.cur) / MIN_INFO)
        return wfs_gguf_fail(&s->g, 8, err, "%" PRId64 " tensors do not fit into the file",
                             (int64_t)n_infos);
    if (n_keys > wfs_cursor_left(s->g.cur) / MIN_KEY)
        return wfs_gguf_fail(&s->g, 16, err, "%" PRId64 " keys do not fit into the file",
                             (int64_t)n_keys);
    s->n_infos = n_infos;
    s->n_keys = n_keys;
    return 0;
}

/* ---- a tensor's description ---------------------------------------------------------------- */

static int fail_info(const struct scan *s, const struct info *info, struct wfs_error *err,
                     const char *text)
{
    return wfs_gguf_fail(&s->g, info->at, err, "tensor \"%s\": %s", info->name, text);
}

static int read_name(struct scan *s, struct info *info, struct wfs_error *err)
{
    uint64_t len;
    int r = wfs_gguf_string(&s->g, NAME_SIZE - 1, &s->text, &len, err);
    if (r)
        return r;
    if (len >= NAME_SIZE)
        return wfs_gguf_fail(&s->g, info->at, err,
                             "a tensor's name of %" PRIu64 " bytes; ggml has names of up to %d",
                             len, NAME_SIZE - 1);
    const char *text = len ? s->text.data : "";
    if (!wfs_utf8_valid(text, (size_t)len))
        return wfs_gguf_fail(&s->g, info->at, err, "a tensor's name that is no UTF-8");
    info->name = wfs_name_from_bytes(s->catalog->arena, text, (size_t)len);
    return info->name ? 0 : wfs_error_nomem(err, "a tensor's name");
}

/* The file has the fastest axis first. Their product must stay below 2^63, as in ggml. */
static int read_shape(struct scan *s, struct info *info, struct wfs_error *err)
{
    uint64_t n_elems = 1;
    int r = wfs_gguf_u32(&s->g, &info->ndim, err);
    if (!r && info->ndim > MAX_AXES)
        r = fail_info(s, info, err, "it has more than 4 axes");
    for (uint32_t i = info->ndim; !r && i-- > 0;) {
        r = wfs_gguf_number(&s->g, 8, &info->shape[i], err);
        if (!r && (info->shape[i] == 0 || info->shape[i] > INT64_MAX))
            r = fail_info(s, info, err, "an axis has no size, or a negative one");
        if (!r && (!wfs_mul_u64(n_elems, info->shape[i], &n_elems) || n_elems > INT64_MAX))
            r = fail_info(s, info, err, "its number of elements overflows 63 bits");
    }
    return r;
}

static int read_type(struct scan *s, struct info *info, struct wfs_error *err)
{
    const char *removed = NULL;
    uint32_t number;
    char text[96];
    int r = wfs_gguf_u32(&s->g, &number, err);
    if (r)
        return r;
    info->type = wfs_ggml_type(number, &removed);
    if (info->type)
        return 0;
    if (removed)
        snprintf(text, sizeof(text), "it is %s, which ggml no longer has: convert the model anew",
                 removed);
    else
        snprintf(text, sizeof(text), "type %" PRIu32 " is none of ggml's", number);
    return fail_info(s, info, err, text);
}

/* Sets the size, and checks the offset against the sum of what stands before. */
static int place(struct scan *s, struct info *info, struct wfs_error *err)
{
    struct wfs_error why = {0};
    uint64_t n_elems, mask = s->keys.alignment - 1, padded;
    char text[128];
    int r = wfs_shape_size(info->type->dtype, info->ndim, info->shape, &n_elems, &info->size_bytes,
                           &why);
    if (r)
        return fail_info(s, info, err, why.message);
    if (info->off != s->sum) {
        snprintf(text, sizeof(text), "its offset is %" PRIu64 ", but %" PRIu64 " is next",
                 info->off, s->sum);
        return fail_info(s, info, err, text);
    }
    if (!wfs_add_u64(info->size_bytes, mask, &padded) ||
        !wfs_add_u64(s->sum, padded & ~mask, &s->sum))
        return fail_info(s, info, err, "the sizes overflow 64 bits");
    return 0;
}

static int read_info(struct scan *s, struct info *info, struct wfs_error *err)
{
    info->at = wfs_gguf_at(&s->g);
    int r = read_name(s, info, err);
    if (!r)
        r = read_shape(s, info, err);
    if (!r)
        r = read_type(s, info, err);
    if (!r)
        r = wfs_gguf_number(&s->g, 8, &info->off, err);
    return r ? r : place(s, info, err);
}

static int read_infos(struct scan *s, struct wfs_error *err)
{
    for (uint64_t i = 0; i < s->n_infos; i++) {
        if (wfs_grow(&s->infos, &s->cap_infos, (size_t)i + 1, sizeof(*s->infos)))
            return wfs_error_nomem(err, "the list of tensors");
        s->infos[i] = (struct info){0};
        int r = read_info(s, &s->infos[i], err);
        if (r)
            return r;
    }
    uint64_t mask = s->keys.alignment - 1, end = wfs_gguf_at(&s->g);
    if (!wfs_add_u64(end, mask, &s->data_off))
        return wfs_gguf_fail(&s->g, end, err, "the alignment overflows 64 bits");
    s->data_off &= ~mask;
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static int check_bounds(const struct scan *s, const struct info *info, struct wfs_error *err)
{
    uint64_t size = s->g.bytes->size_bytes, begin, end;
    char text[160];
    if (wfs_add_u64(s->data_off, info->off, &begin) && wfs_add_u64(begin, info->size_bytes, &end) &&
        end <= size)
        return 0;
    snprintf(text, sizeof(text),
             "its %" PRIu64 " bytes at offset %" PRIu64 " of the data, which begin at byte %" PRIu64
             ", reach past the end of the file",
             info->size_bytes, info->off, s->data_off);
    return fail_info(s, info, err, text);
}

static int make_expr(struct scan *s, const struct info *info, uint64_t off,
                     const struct wfs_expr **ret, struct wfs_error *err)
{
    enum wfs_dtype dtype = info->type->dtype;
    int r = wfs_expr_contiguous(s->catalog->arena, s->g.bytes, off, dtype, info->ndim, info->shape,
                                ret, err);
    if (r || !s->g.is_big_endian || wfs_dtype_is_block(dtype) || wfs_dtype_bits(dtype) == 8)
        return r;
    const struct wfs_elem_op swap = {.kind = WFS_ELEM_BYTESWAP, .dtype = dtype};
    return wfs_expr_elementwise(s->catalog->arena, *ret, &swap, ret, err);
}

static int add_tensor(struct scan *s, const struct info *info, struct wfs_error *err)
{
    struct wfs_catalog *catalog = s->catalog;
    int r = check_bounds(s, info, err);
    if (r)
        return r;
    if (s->g.is_big_endian && info->type->is_wide_block) {
        s->n_refused++;
        wfs_catalog_note(catalog, WFS_NOTE_REFUSED, info->name,
                         "%s blocks of a big-endian file: the numbers inside are turned round",
                         info->type->name);
        return 0;
    }
    struct wfs_tensor tensor =
        wfs_tensor_init(info->name, wfs_path_from_name(catalog->arena, info->name, catalog->sep));
    tensor.file = s->file;
    tensor.file_off = s->data_off + info->off;
    if (!tensor.path)
        return wfs_error_nomem(err, "a tensor's path");
    if (catalog->n_files == 1 && wfs_catalog_find(catalog, info->name))
        return fail_info(s, info, err, "it is there twice");
    r = make_expr(s, info, tensor.file_off, &tensor.expr, err);
    return r ? r : wfs_catalog_add_tensor(catalog, &tensor, NULL, err);
}

static int add_tensors(struct scan *s, struct wfs_error *err)
{
    int r = 0;
    for (uint64_t i = 0; !r && i < s->n_infos; i++)
        r = add_tensor(s, &s->infos[i], err);
    uint64_t end = s->data_off + s->sum;
    if (!r && s->n_infos && s->g.bytes->size_bytes > end)
        wfs_catalog_note(s->catalog, WFS_NOTE_WARNING, name_of(s),
                         "%" PRIu64 " bytes behind the last tensor belong to none",
                         s->g.bytes->size_bytes - end);
    return r;
}

/* ---- splits -------------------------------------------------------------------------------- */

static const char *metadata(const struct wfs_catalog *catalog, const char *key)
{
    for (uint32_t i = 0; i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], key) == 0)
            return catalog->metadata[i][1];
    return NULL;
}

/* Whether the set is whole is told by the names (choose.c): they must say what the keys say. */
static int check_split_name(const struct scan *s, struct wfs_error *err)
{
    const struct wfs_gguf_keys *k = &s->keys;
    const char *name = name_of(s);
    char want[64];
    int n = snprintf(want, sizeof(want), "-%05" PRIu64 "-of-%05" PRIu64 ".gguf", k->split_no + 1,
                     k->split_count);
    if (strlen(name) >= (size_t)n && strcmp(name + strlen(name) - n, want) == 0)
        return 0;
    return wfs_error_set(err, EINVAL,
                         "%s: split.no and split.count call for a name that ends in \"%s\"", name,
                         want);
}

/* After the keys of a file: does it belong to those that were scanned before? */
static int check_split(const struct scan *s, struct wfs_error *err)
{
    const struct wfs_gguf_keys *k = &s->keys;
    const struct wfs_catalog *catalog = s->catalog;
    const char *first_count = metadata(catalog, "split.count");
    if (!catalog->is_set)
        return 0;
    if (!k->has_split || !first_count)
        return wfs_error_set(err, EINVAL,
                             "%s is no file of a split model, but %s is beside it: choose with "
                             "-o weights=GLOB",
                             name_of(s), s->file ? catalog->files[0].name : "another one");
    if (k->split_count != strtoull(first_count, NULL, 10))
        return wfs_error_set(err, EINVAL, "%s is one of %" PRIu64 " files, %s one of %s",
                             name_of(s), k->split_count, catalog->files[0].name, first_count);
    if (k->split_no != s->file)
        return wfs_error_set(err, EINVAL, "%s is file %" PRIu64 " of its model, where %u is next",
                             name_of(s), k->split_no, s->file);
    return check_split_name(s, err);
}

/* After a file's tensors: were those all? */
static int check_split_end(const struct scan *s, struct wfs_error *err)
{
    const struct wfs_gguf_keys *k = &s->keys;
    if (!k->has_split || k->split_count <= 1)
        return 0;
    if (!s->catalog->is_set) {
        wfs_catalog_note(s->catalog, WFS_NOTE_WARNING, name_of(s),
                         "one of the %" PRIu64 " files of a split model: its first file, or its "
                         "folder, gives the whole",
                         k->split_count);
        return 0;
    }
    uint64_t n = (uint64_t)s->catalog->n_tensors + s->n_refused;
    if (k->split_no + 1 == k->split_count && !s->n_refused && k->split_n_tensors != UINT64_MAX &&
        n != k->split_n_tensors)
        return wfs_error_set(err, EINVAL,
                             "%s: split.tensors.count is %" PRIu64 ", but the files have %" PRIu64
                             " tensors",
                             name_of(s), k->split_n_tensors, n);
    return 0;
}

/* ---- the format ---------------------------------------------------------------------------- */

static int scan_file(struct scan *s, struct wfs_error *err)
{
    struct wfs_bytes *bytes = s->catalog->files[s->file].bytes;
    int r = wfs_gguf_open(&s->g, bytes, err);
    if (!r)
        r = read_start(s, err);
    if (!r)
        r = wfs_gguf_read_keys(&s->g, s->catalog, name_of(s), s->n_keys, &s->keys, err);
    if (!r)
        r = check_split(s, err);
    if (!r)
        r = read_infos(s, err);
    if (!r)
        r = add_tensors(s, err);
    if (!r)
        r = check_split_end(s, err);
    if (r)
        return r;
    struct wfs_hash header = wfs_gguf_hash(&s->g);
    wfs_bytes_mix_id(bytes, &header);
    return 0;
}

static int gguf_scan(struct wfs_catalog *catalog, uint32_t file,
                     const struct wfs_source_options *options, struct wfs_error *err)
{
    (void)options;
    struct scan s = {.catalog = catalog, .file = file};
    catalog->convention = "gguf";
    int r = scan_file(&s, err);
    wfs_gguf_close(&s.g);
    wfs_buf_free(&s.text);
    free(s.infos);
    return r;
}

static bool gguf_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    (void)size_bytes;
    return len >= 4 && memcmp(head, "GGUF", 4) == 0;
}

const struct wfs_format wfs_format_gguf = {
    .name = "gguf",
    .sep = '.',
    .is_flat = true,
    .names = (const char *const[]){"*.gguf", NULL},
    .probe = gguf_probe,
    .scan = gguf_scan,
};
