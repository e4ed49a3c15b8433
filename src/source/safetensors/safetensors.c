/*
 * safetensors.c - safetensors files.
 *
 *     0        u64le N, at most 100,000,000
 *     8        N bytes of JSON in UTF-8:
 *                {"__metadata__": {"format": "pt"},
 *                 "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *     8 + N    data; offsets count from here
 *
 * Read as the reference reader does (safetensors 0.8): the tensors, sorted by offset, tile the data
 * exactly, from its first byte to the file's last; sizes are checked products; white space around
 * the JSON, unknown fields of a tensor, any alignment, any order of entries, and a tensor written
 * as an array [dtype, shape, offsets] are fine.
 *
 * Refused beyond what it refuses: every duplicate name or metadata key, more than WFS_MAX_NDIM
 * axes, more than MAX_METADATA metadata entries, a dtype written as {"F32": null}.
 *
 * Nothing but the header is read, in one streaming pass; a tensor costs its catalog row, its name
 * and path, its expression and a slot of the map, no allocation of its own.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "source/safetensors/json_stream.h"
#include "source/source.h"

#define MAX_HEADER   100000000
#define MAX_METADATA 65536
#define MAX_DTYPE    32
/* How much of a name goes into a message. */
#define SHOWN "%.200s"

struct scan {
    struct wfs_catalog *catalog;
    uint32_t file;
    struct wfs_bytes *bytes;
    uint64_t data_off, data_size;
    uint32_t first_tensor; /* of this file */
    bool has_metadata;
    struct wfs_strmap metadata_keys;
    struct wfs_json js;
};

enum field { FIELD_DTYPE, FIELD_SHAPE, FIELD_OFFSETS, FIELD_OTHER };

/* One entry of the header while it is parsed; the fields come in any order. */
struct entry {
    const char *name;
    unsigned seen; /* bits of enum field */
    enum wfs_dtype dtype;
    uint32_t ndim;
    uint64_t shape[WFS_MAX_NDIM];
    uint64_t begin, end; /* from data_off */
};

/* ---- the fields of an entry ---------------------------------------------------------------- */

static int parse_dtype(struct scan *s, struct entry *e, struct wfs_error *err)
{
    const char *text;
    size_t len;
    int r = wfs_json_string(&s->js, &text, &len, err);
    if (r)
        return r;
    char name[MAX_DTYPE + 1];
    if (len <= MAX_DTYPE && !memchr(text, '\0', len)) {
        memcpy(name, text, len);
        name[len] = '\0';
        if (wfs_dtype_by_safetensors(name, &e->dtype))
            return 0;
    }
    return wfs_json_fail(&s->js, err, "unknown dtype \"%.*s\"",
                         len < MAX_DTYPE ? (int)len : MAX_DTYPE, text);
}

static int parse_shape(struct scan *s, struct entry *e, struct wfs_error *err)
{
    int r = wfs_json_expect(&s->js, '[', err);
    for (bool first = true, more; !r; first = false) {
        r = wfs_json_more(&s->js, first, ']', &more, err);
        if (r || !more)
            return r;
        if (e->ndim == WFS_MAX_NDIM)
            return wfs_json_fail(&s->js, err, "a shape of more than %d axes", WFS_MAX_NDIM);
        r = wfs_json_uint(&s->js, &e->shape[e->ndim], err);
        e->ndim++;
    }
    return r;
}

static int parse_offsets(struct scan *s, struct entry *e, struct wfs_error *err)
{
    int r = wfs_json_expect(&s->js, '[', err);
    if (!r)
        r = wfs_json_uint(&s->js, &e->begin, err);
    if (!r)
        r = wfs_json_expect(&s->js, ',', err);
    if (!r)
        r = wfs_json_uint(&s->js, &e->end, err);
    return r ? r : wfs_json_expect(&s->js, ']', err);
}

static enum field field_by_name(const char *name, size_t len)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return (enum field)i;
    return FIELD_OTHER;
}

static int parse_value(struct scan *s, enum field field, struct entry *e, struct wfs_error *err)
{
    static const char *const names[] = {"dtype", "shape", "data_offsets"};
    if (field == FIELD_OTHER)
        return wfs_json_skip(&s->js, err);
    if (e->seen & 1u << field)
        return wfs_json_fail(&s->js, err, "\"%s\" is there twice", names[field]);
    e->seen |= 1u << field;
    if (field == FIELD_DTYPE)
        return parse_dtype(s, e, err);
    return field == FIELD_SHAPE ? parse_shape(s, e, err) : parse_offsets(s, e, err);
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...} */
static int parse_entry_object(struct scan *s, struct entry *e, struct wfs_error *err)
{
    int r = wfs_json_expect(&s->js, '{', err);
    for (bool first = true, more; !r; first = false) {
        const char *text;
        size_t len;
        r = wfs_json_more(&s->js, first, '}', &more, err);
        if (r || !more)
            return r;
        r = wfs_json_string(&s->js, &text, &len, err);
        if (r)
            return r;
        enum field field = field_by_name(text, len);
        r = wfs_json_expect(&s->js, ':', err);
        if (!r)
            r = parse_value(s, field, e, err);
    }
    return r;
}

/* ["F32", [2, 3], [0, 24]] */
static int parse_entry_array(struct scan *s, struct entry *e, struct wfs_error *err)
{
    int r = wfs_json_expect(&s->js, '[', err);
    for (int field = 0; !r && field < FIELD_OTHER; field++) {
        if (field)
            r = wfs_json_expect(&s->js, ',', err);
        if (!r)
            r = parse_value(s, (enum field)field, e, err);
    }
    return r ? r : wfs_json_expect(&s->js, ']', err);
}

static int parse_entry(struct scan *s, struct entry *e, struct wfs_error *err)
{
    uint8_t c;
    int r = wfs_json_peek(&s->js, &c, err);
    if (!r)
        r = c == '[' ? parse_entry_array(s, e, err) : parse_entry_object(s, e, err);
    if (r)
        return r;
    if (!(e->seen & 1u << FIELD_DTYPE))
        return wfs_json_fail(&s->js, err, "no \"dtype\" before here");
    if (!(e->seen & 1u << FIELD_SHAPE))
        return wfs_json_fail(&s->js, err, "no \"shape\" before here");
    if (!(e->seen & 1u << FIELD_OFFSETS))
        return wfs_json_fail(&s->js, err, "no \"data_offsets\" before here");
    return 0;
}

/* ---- from an entry to a tensor ------------------------------------------------------------- */

static int check_entry(struct scan *s, const struct entry *e, struct wfs_error *err)
{
    uint64_t n_elems, size_bytes;
    if (e->begin > e->end)
        return wfs_json_fail(&s->js, err, "data_offsets [%" PRIu64 ", %" PRIu64 "] run backwards",
                             e->begin, e->end);
    if (e->end > s->data_size)
        return wfs_json_fail(&s->js, err,
                             "data_offsets [%" PRIu64 ", %" PRIu64 "] end beyond the %" PRIu64
                             " bytes of data",
                             e->begin, e->end, s->data_size);
    int r = wfs_shape_size(e->dtype, e->ndim, e->shape, &n_elems, &size_bytes, err);
    if (r) {
        wfs_error_prefix(err, "%s: byte %" PRIu64, s->bytes->name, s->js.chunk_off + s->js.pos);
        return r;
    }
    if (size_bytes != e->end - e->begin)
        return wfs_json_fail(&s->js, err,
                             "shape and dtype make %" PRIu64 " bytes, data_offsets [%" PRIu64
                             ", %" PRIu64 "] %" PRIu64,
                             size_bytes, e->begin, e->end, e->end - e->begin);
    return 0;
}

static int add_tensor(struct scan *s, const struct entry *e, struct wfs_error *err)
{
    struct wfs_tensor tensor =
        wfs_tensor_init(e->name, wfs_path_from_name(s->catalog->arena, e->name, s->catalog->sep));
    tensor.file = s->file;
    tensor.file_off = s->data_off + e->begin;
    if (!tensor.path)
        return wfs_error_nomem(err, "a tensor's path");
    int r = wfs_expr_contiguous(s->catalog->arena, s->bytes, tensor.file_off, e->dtype, e->ndim,
                                e->shape, &tensor.expr, err);
    return r ? r : wfs_catalog_add_tensor(s->catalog, &tensor, NULL, err);
}

/* ---- __metadata__ -------------------------------------------------------------------------- */

static void settle_convention(struct wfs_catalog *catalog, const char *key, const char *value)
{
    if (strcmp(key, "format") != 0 || catalog->convention)
        return;
    if (strcmp(value, "pt") == 0)
        catalog->convention = "torch";
    else if (strcmp(value, "flax") == 0)
        catalog->convention = "flax";
}

/* Copies a decoded string of the header into the catalog's arena. */
static int parse_text(struct scan *s, const char **ret, struct wfs_error *err)
{
    const char *text;
    size_t len;
    int r = wfs_json_string(&s->js, &text, &len, err);
    if (r)
        return r;
    const char *copy = wfs_name_from_bytes(s->catalog->arena, text, len);
    if (!copy)
        return wfs_error_nomem(err, "a string of the header");
    *ret = copy;
    return 0;
}

static int parse_metadata_member(struct scan *s, struct wfs_error *err)
{
    const char *key, *value;
    int r = parse_text(s, &key, err);
    if (!r)
        r = wfs_json_expect(&s->js, ':', err);
    if (r)
        return r;
    if (s->metadata_keys.n >= MAX_METADATA)
        return wfs_json_fail(&s->js, err, "more than %d entries of metadata", MAX_METADATA);
    r = wfs_strmap_add(&s->metadata_keys, key, 0);
    if (r == -EEXIST)
        return wfs_json_fail(&s->js, err, "metadata \"" SHOWN "\" is there twice", key);
    if (r)
        return wfs_error_nomem(err, "the metadata");
    r = parse_text(s, &value, err);
    if (r)
        return r;
    settle_convention(s->catalog, key, value);
    return wfs_catalog_add_metadata(s->catalog, key, value, err);
}

static int parse_metadata(struct scan *s, struct wfs_error *err)
{
    if (s->has_metadata)
        return wfs_json_fail(&s->js, err, "\"__metadata__\" is there twice");
    s->has_metadata = true;
    uint8_t c;
    int r = wfs_json_peek(&s->js, &c, err);
    if (r)
        return r;
    if (c == 'n')
        return wfs_json_null(&s->js, err);
    r = wfs_json_expect(&s->js, '{', err);
    for (bool first = true, more; !r; first = false) {
        r = wfs_json_more(&s->js, first, '}', &more, err);
        if (r || !more)
            return r;
        r = parse_metadata_member(s, err);
    }
    return r;
}

/* ---- the header ---------------------------------------------------------------------------- */

static int parse_tensor(struct scan *s, const char *name, struct wfs_error *err)
{
    struct entry e;
    memset(&e, 0, offsetof(struct entry, shape));
    e.name = name;
    int r = parse_entry(s, &e, err);
    if (!r)
        r = check_entry(s, &e, err);
    if (r) {
        wfs_error_prefix(err, "tensor \"" SHOWN "\"", name);
        return r;
    }
    return add_tensor(s, &e, err);
}

static int parse_member(struct scan *s, struct wfs_error *err)
{
    const char *name;
    int r = parse_text(s, &name, err);
    if (!r)
        r = wfs_json_expect(&s->js, ':', err);
    if (r)
        return r;
    if (strcmp(name, "__metadata__") != 0)
        return parse_tensor(s, name, err);
    r = parse_metadata(s, err);
    if (r)
        wfs_error_prefix(err, "__metadata__");
    return r;
}

static int parse_header(struct scan *s, struct wfs_error *err)
{
    int r = wfs_json_expect(&s->js, '{', err);
    for (bool first = true, more = true; !r && more; first = false) {
        r = wfs_json_more(&s->js, first, '}', &more, err);
        if (!r && more)
            r = parse_member(s, err);
    }
    return r ? r : wfs_json_end(&s->js, err);
}

/* ---- the data must be tiled ---------------------------------------------------------------- */

struct range {
    uint64_t begin, end; /* in the file */
    uint32_t tensor;
};

static int range_cmp(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return 0;
}

static struct range range_of(const struct scan *s, uint32_t tensor)
{
    const struct wfs_tensor *t = &s->catalog->tensors[tensor];
    return (struct range){t->file_off, t->file_off + t->expr->size_bytes, tensor};
}

static int not_tiled(const struct scan *s, const struct range *r, uint64_t want,
                     struct wfs_error *err)
{
    const char *name = s->catalog->tensors[r->tensor].name;
    if (r->begin < want)
        return wfs_error_set(err, EINVAL,
                             "%s: tensor \"" SHOWN "\" begins at byte %" PRIu64
                             ", inside the tensor before it, which ends at byte %" PRIu64,
                             s->bytes->name, name, r->begin, want);
    return wfs_error_set(err, EINVAL,
                         "%s: bytes %" PRIu64 " to %" PRIu64 ", before tensor \"" SHOWN
                         "\", belong to no tensor",
                         s->bytes->name, want, r->begin, name);
}

/* True where the header lists the tensors in the order of their data and they tile it: then no sort
 * is needed. */
static bool is_tiled_in_order(const struct scan *s, uint64_t *inout_at)
{
    uint64_t at = *inout_at;
    for (uint32_t i = s->first_tensor; i < s->catalog->n_tensors; i++) {
        struct range r = range_of(s, i);
        if (r.begin != at)
            return false;
        at = r.end;
    }
    *inout_at = at;
    return true;
}

static int check_sorted_tiles(const struct scan *s, uint64_t *inout_at, struct wfs_error *err)
{
    size_t n = s->catalog->n_tensors - s->first_tensor;
    wfs_cleanup(wfs_freep) struct range *ranges = calloc(n, sizeof(*ranges));
    if (!ranges)
        return wfs_error_nomem(err, "sorting the tensors");
    for (size_t i = 0; i < n; i++)
        ranges[i] = range_of(s, s->first_tensor + (uint32_t)i);
    qsort(ranges, n, sizeof(*ranges), range_cmp);
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].begin != *inout_at)
            return not_tiled(s, &ranges[i], *inout_at, err);
        *inout_at = ranges[i].end;
    }
    return 0;
}

static int check_tiles(const struct scan *s, struct wfs_error *err)
{
    uint64_t at = s->data_off;
    int r = is_tiled_in_order(s, &at) ? 0 : check_sorted_tiles(s, &at, err);
    if (r || at == s->bytes->size_bytes)
        return r;
    return wfs_error_set(err, EINVAL,
                         "%s: the tensors end at byte %" PRIu64 ", the file at byte %" PRIu64,
                         s->bytes->name, at, s->bytes->size_bytes);
}

/* ---- the format ---------------------------------------------------------------------------- */

static int read_length(struct scan *s, uint8_t ret_length[8], struct wfs_error *err)
{
    uint64_t size = s->bytes->size_bytes;
    if (size < 8)
        return wfs_error_set(err, EINVAL, "%s: %" PRIu64 " bytes are too short for safetensors",
                             s->bytes->name, size);
    int r = wfs_bytes_read(s->bytes, ret_length, 8, 0, err);
    if (r)
        return r;
    uint64_t n = wfs_load_u64le(ret_length);
    if (n > MAX_HEADER)
        return wfs_error_set(err, EINVAL,
                             "%s: byte 0: a header of %" PRIu64 " bytes is beyond the limit of %d; "
                             "no safetensors file",
                             s->bytes->name, n, MAX_HEADER);
    if (n > size - 8)
        return wfs_error_set(err, EINVAL,
                             "%s: byte 0: a header of %" PRIu64 " bytes in a file of %" PRIu64
                             ": the file is cut off",
                             s->bytes->name, n, size);
    s->data_off = 8 + n;
    s->data_size = size - s->data_off;
    return 0;
}

static int scan_header(struct scan *s, struct wfs_error *err)
{
    uint8_t length[8];
    int r = read_length(s, length, err);
    if (!r)
        r = wfs_json_open(&s->js, s->bytes, 8, s->data_off - 8, err);
    if (!r)
        r = parse_header(s, err);
    if (!r)
        r = check_tiles(s, err);
    if (r)
        return r;
    struct wfs_hash header = wfs_json_hash(&s->js);
    wfs_bytes_mix_id(s->bytes, &header);
    return 0;
}

static int safetensors_scan(struct wfs_catalog *catalog, uint32_t file,
                            const struct wfs_source_options *options, struct wfs_error *err)
{
    (void)options;
    struct scan s = {
        .catalog = catalog,
        .file = file,
        .bytes = catalog->files[file].bytes,
        .first_tensor = catalog->n_tensors,
    };
    int r = scan_header(&s, err);
    wfs_json_close(&s.js);
    wfs_strmap_free(&s.metadata_keys);
    return r;
}

/* A plausible length and the beginning of an object. A header longer than the file is still one of
 * ours: the scan says what is wrong with it. */
static bool safetensors_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    (void)size_bytes;
    if (len < 9 || wfs_load_u64le(head) > MAX_HEADER || wfs_load_u64le(head) < 2)
        return false;
    size_t i = 8;
    while (i < len && (head[i] == ' ' || head[i] == '\t' || head[i] == '\n' || head[i] == '\r'))
        i++;
    return i == len || head[i] == '{';
}

const struct wfs_format wfs_format_safetensors = {
    .name = "safetensors",
    .sep = '.',
    .is_flat = true,
    .names = (const char *const[]){"*.safetensors", NULL},
    .probe = safetensors_probe,
    .scan = safetensors_scan,
};
