/*
 * torch.c - a manifest as what torch.save makes of {name: tensor}.
 *
 *   pytorch_model/data.pkl    protocol 2: a plain dict of _rebuild_tensor_v2/v3 calls
 *   pytorch_model/byteorder   "little"
 *   pytorch_model/version     "3\n"
 *   pytorch_model/data/0 ...  one storage a tensor: elements | zeros | 4 bytes of CRC correction
 *
 * torch wants a record to be exactly as long as its storage says, so the storage is declared longer
 * than the tensor by the correction (and by what rounds that up to a whole element); the tensor is
 * contiguous from its start. Every tensor has a storage of its own, as the manifest has it: equal
 * bytes do not make two parameters one. What comes first in the file are the records that opening
 * reads. No .format_version: with it torch computes offsets that hold for its own writer only.
 * Refused: types that torch has not, and quantised ones, whose scale is another tensor.
 */
#include "file/writers/torch.h"

#include <inttypes.h>
#include <string.h>

#include "file/archive/zip.h"
#include "file/writers/refusal.h"

#define PREFIX "pytorch_model/"

/* ---- pickle -------------------------------------------------------------------------------- */

enum op {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_EMPTY_TUPLE = ')',
    OP_EMPTY_DICT = '}',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_BINUNICODE = 'X',
    OP_GLOBAL = 'c',
    OP_BINGET = 'h',
    OP_BINPUT = 'q',
    OP_SETITEMS = 'u',
    OP_TUPLE = 't',
    OP_PROTO = 0x80,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
};

/* As Python's pickler: so many items to a SETITEMS. */
#define BATCH 1000
/* Two names a type at most, and a handful besides: one-byte memo indices do. */
#define MEMO_MAX 128
_Static_assert(2 * WFS_FIRST_BLOCK_DTYPE + 8 < MEMO_MAX, "every global has a place in the memo");

struct pickler {
    struct wfs_buf out;
    uint32_t n_memo;
    const char *memo[MEMO_MAX]; /* what was put there, its opcode first */
};

static void op(struct pickler *p, enum op code)
{
    wfs_buf_char(&p->out, (char)code);
}

static void put_string(struct pickler *p, const char *s, size_t len)
{
    uint8_t length[4];
    wfs_store_u32le(length, (uint32_t)len);
    op(p, OP_BINUNICODE);
    wfs_buf_add(&p->out, length, sizeof(length));
    wfs_buf_add(&p->out, s, len);
}

static void put_int(struct pickler *p, uint64_t v)
{
    uint8_t bytes[9] = {0};
    wfs_store_u64le(bytes, v);
    if (v <= UINT8_MAX) {
        op(p, OP_BININT1);
        wfs_buf_add(&p->out, bytes, 1);
    } else if (v <= UINT16_MAX) {
        op(p, OP_BININT2);
        wfs_buf_add(&p->out, bytes, 2);
    } else if (v <= INT32_MAX) {
        op(p, OP_BININT);
        wfs_buf_add(&p->out, bytes, 4);
    } else {
        char n = 4; /* two's complement: one bit stays clear */
        while (n < 9 && v >> (8 * n - 1))
            n++;
        op(p, OP_LONG1);
        wfs_buf_char(&p->out, n);
        wfs_buf_add(&p->out, bytes, (size_t)n);
    }
}

/* Writes a reference to what the memo holds; false where it does not hold `what`, which the caller
 * then writes itself and memoises with remember(). */
static bool recall(struct pickler *p, const char *what)
{
    for (uint32_t i = 0; i < p->n_memo; i++) {
        if (strcmp(p->memo[i], what) != 0)
            continue;
        op(p, OP_BINGET);
        wfs_buf_char(&p->out, (char)i);
        return true;
    }
    return false;
}

static void remember(struct pickler *p, const char *what)
{
    op(p, OP_BINPUT);
    wfs_buf_char(&p->out, (char)p->n_memo);
    p->memo[p->n_memo++] = what;
}

/* "Xstorage": a string that comes again and again. */
static void put_word(struct pickler *p, const char *word)
{
    if (recall(p, word))
        return;
    put_string(p, word + 1, strlen(word + 1));
    remember(p, word);
}

/* A name of a module; both live as long as the pickler. */
static void put_global(struct pickler *p, const char *module, const char *name)
{
    if (recall(p, name))
        return;
    op(p, OP_GLOBAL);
    wfs_buf_printf(&p->out, "%s\n%s\n", module, name);
    remember(p, name);
}

/* ---- tensors ------------------------------------------------------------------------------- */

/* torch's type: packed 4-bit floats count bytes there, two elements each. */
static enum wfs_dtype torch_dtype(const struct wfs_expr *expr)
{
    bool even = expr->ndim > 0 && expr->shape[expr->ndim - 1] % 2 == 0;
    return expr->dtype == WFS_F4_E2M1 && even ? WFS_F4_E2M1_X2 : expr->dtype;
}

struct record {
    enum wfs_dtype dtype;
    uint64_t size_bytes, n_zeros;
};

/* The checked size of the tensor leaves room: size_bytes < 2^63. */
static struct record record_of(const struct wfs_expr *expr)
{
    struct record rec = {.dtype = torch_dtype(expr), .size_bytes = expr->size_bytes};
    uint64_t itemsize = wfs_dtype_bits(rec.dtype) / 8;
    if (rec.size_bytes == 0)
        return rec; /* torch's own record of an empty storage is empty */
    rec.size_bytes = wfs_round_up_u64(expr->size_bytes + WFS_ZIP_CORRECTION_BYTES, itemsize);
    rec.n_zeros = rec.size_bytes - expr->size_bytes - WFS_ZIP_CORRECTION_BYTES;
    return rec;
}

static void put_storage(struct pickler *p, const struct record *rec, uint32_t key)
{
    const struct wfs_dtype_info *info = wfs_dtype_info(rec->dtype);
    char digits[16];
    int n = snprintf(digits, sizeof(digits), "%" PRIu32, key);
    op(p, OP_MARK);
    put_word(p, "Xstorage");
    if (info->torch_storage)
        put_global(p, "torch", info->torch_storage);
    else
        put_global(p, "torch.storage", "UntypedStorage");
    put_string(p, digits, (size_t)n);
    put_word(p, "Xcpu");
    put_int(p, info->torch_storage ? rec->size_bytes / (info->bits / 8) : rec->size_bytes);
    op(p, OP_TUPLE);
    op(p, OP_BINPERSID);
}

static void put_shape(struct pickler *p, const struct wfs_expr *expr, uint64_t last)
{
    op(p, OP_MARK);
    for (uint32_t i = 0; i < expr->ndim; i++)
        put_int(p, i + 1 == expr->ndim ? last : expr->shape[i]);
    op(p, OP_TUPLE);
}

/* Of a contiguous tensor; torch counts an empty axis as 1 here. */
static void put_strides(struct pickler *p, const struct wfs_expr *expr, uint64_t last)
{
    uint64_t strides[WFS_MAX_NDIM], stride = 1;
    for (uint32_t i = expr->ndim; i-- > 0;) {
        strides[i] = stride;
        /* Wraps only beside an empty axis, where no stride is ever followed. */
        stride *= wfs_max_u64(i + 1 == expr->ndim ? last : expr->shape[i], 1);
    }
    op(p, OP_MARK);
    for (uint32_t i = 0; i < expr->ndim; i++)
        put_int(p, strides[i]);
    op(p, OP_TUPLE);
}

static void put_tensor(struct pickler *p, const struct wfs_expr *expr, uint32_t key)
{
    struct record rec = record_of(expr);
    const struct wfs_dtype_info *info = wfs_dtype_info(rec.dtype);
    uint64_t last = expr->ndim > 0 ? expr->shape[expr->ndim - 1] : 0;
    if (rec.dtype != expr->dtype)
        last /= 2;
    put_global(p, "torch._utils",
               info->torch_storage ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    op(p, OP_MARK);
    put_storage(p, &rec, key);
    put_int(p, 0); /* storage_offset */
    put_shape(p, expr, last);
    put_strides(p, expr, last);
    op(p, OP_NEWFALSE); /* requires_grad */
    put_global(p, "collections", "OrderedDict");
    op(p, OP_EMPTY_TUPLE);
    op(p, OP_REDUCE); /* backward_hooks */
    if (!info->torch_storage)
        put_global(p, "torch", info->torch);
    op(p, OP_TUPLE);
    op(p, OP_REDUCE);
}

static void put_dict(struct pickler *p, const struct wfs_manifest *manifest)
{
    struct wfs_buf joined wfs_cleanup(wfs_buf_free) = {0}, name wfs_cleanup(wfs_buf_free) = {0};
    op(p, OP_PROTO);
    wfs_buf_char(&p->out, 2);
    op(p, OP_EMPTY_DICT);
    for (uint32_t i = 0; i < manifest->n; i++) {
        if (i % BATCH == 0)
            op(p, OP_MARK);
        joined.len = name.len = 0;
        wfs_path_join(&joined, manifest->entries[i].path, manifest->sep);
        if (joined.len > 0)
            wfs_name_to_bytes(&name, joined.data);
        put_string(p, name.data, name.len);
        put_tensor(p, manifest->entries[i].expr, i);
        if (i % BATCH == BATCH - 1 || i + 1 == manifest->n)
            op(p, OP_SETITEMS);
    }
    op(p, OP_STOP);
    p->out.failed |= !wfs_buf_ok(&joined) || !wfs_buf_ok(&name);
}

/* ---- the archive --------------------------------------------------------------------------- */

static void add_literal(struct wfs_zip *zip, const char *name, const void *data, size_t len)
{
    wfs_zip_add_literal(zip, name, strlen(name), data, len);
}

static void add_storages(struct wfs_zip *zip, const struct wfs_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->n; i++) {
        const struct wfs_expr *expr = manifest->entries[i].expr;
        struct record rec = record_of(expr);
        char name[sizeof(PREFIX) + 32];
        int len = snprintf(name, sizeof(name), PREFIX "data/%" PRIu32, i);
        if (rec.size_bytes == 0)
            add_literal(zip, name, "", 0);
        else
            wfs_zip_add_tensor(zip, name, (size_t)len, "", 0, expr, rec.n_zeros);
    }
}

int wfs_torch_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                   const struct wfs_vfile **ret, struct wfs_error *err)
{
    struct pickler p = {0};
    struct wfs_zip zip = {.b.arena = arena, .is_dense = manifest->is_export};
    put_dict(&p, manifest);
    if (wfs_buf_ok(&p.out)) {
        add_literal(&zip, PREFIX "data.pkl", p.out.data, p.out.len);
        add_literal(&zip, PREFIX "byteorder", "little", 6);
        add_literal(&zip, PREFIX "version", "3\n", 2);
        add_storages(&zip, manifest);
    } else {
        zip.b.failed = true;
    }
    wfs_buf_free(&p.out);
    return wfs_zip_finish(&zip, ret, err);
}

int wfs_torch_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                      const char **ret)
{
    for (uint32_t i = 0; i < manifest->n; i++) {
        const struct wfs_manifest_entry *entry = &manifest->entries[i];
        enum wfs_dtype dtype = torch_dtype(entry->expr);
        if (dtype == WFS_QI8 || dtype == WFS_QU8 || dtype == WFS_QI32)
            return wfs_refusal(arena, manifest, entry, ret,
                               "a quantised tensor needs the scale that is beside it");
        if (!wfs_dtype_info(dtype)->torch)
            return wfs_refusal(arena, manifest, entry, ret, "torch has no %s",
                               wfs_dtype_info(dtype)->name);
        if (strlen(entry->path) > UINT32_MAX / 3)
            return wfs_refusal(arena, manifest, entry, ret, "the name is too long");
    }
    *ret = wfs_refuses_size(manifest);
    return 0;
}
