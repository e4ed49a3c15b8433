/*
 * layout.c - the hash of a virtual file's layout, by which processes on several machines know that
 * they write parts of the same file. It covers where the elements lie inside their sources, and not
 * which device and inode a source is: those differ between machines that see the same file.
 */
#include "file/export/layout.h"

#include <string.h>

static void add_u64(struct wfs_buf *out, uint64_t v)
{
    uint8_t bytes[8];
    wfs_store_u64le(bytes, v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

/* True where the id of these bytes says nothing of a file's device and inode. */
static bool is_portable(const struct wfs_bytes *bytes)
{
    const char *kind = bytes->ops->kind;
    return strcmp(kind, "memory") == 0 || strcmp(kind, "fill") == 0 || strcmp(kind, "arange") == 0;
}

static void add_source(struct wfs_buf *out, const struct wfs_bytes *bytes)
{
    add_u64(out, bytes->size_bytes);
    wfs_buf_str(out, bytes->ops->kind);
    if (is_portable(bytes))
        wfs_buf_add(out, bytes->id.bytes, sizeof(bytes->id.bytes));
}

/* Where the elements lie inside their sources; not which device and inode a source is, since those
 * differ between machines that see the same file. The source's identity is beside the plan's. */
static void add_expr(struct wfs_buf *out, const struct wfs_expr *expr)
{
    add_u64(out, expr->dtype);
    add_u64(out, expr->ndim);
    wfs_buf_add(out, expr->shape, expr->ndim * sizeof(*expr->shape));
    add_u64(out, expr->n_pieces);
    for (uint32_t i = 0; i < expr->n_pieces; i++) {
        const struct wfs_piece *piece = &expr->pieces[i];
        uint32_t n_factors = piece->first_factor[expr->ndim];
        add_source(out, piece->bytes);
        add_u64(out, piece->base_bits);
        add_u64(out, piece->dtype);
        for (uint32_t op = 0; op < piece->n_ops; op++) {
            add_u64(out, piece->ops[op].kind);
            add_u64(out, piece->ops[op].dtype);
            wfs_buf_add(out, &piece->ops[op].value, sizeof(piece->ops[op].value));
        }
        wfs_buf_add(out, piece->start, expr->ndim * sizeof(*piece->start));
        wfs_buf_add(out, piece->count, expr->ndim * sizeof(*piece->count));
        for (uint32_t f = 0; f < n_factors; f++) {
            add_u64(out, piece->factors[f].count);
            add_u64(out, (uint64_t)piece->factors[f].stride_bits);
        }
    }
}

static void add_part(struct wfs_buf *out, const struct wfs_part *part)
{
    add_u64(out, part->kind);
    add_u64(out, part->size_bytes);
    if (part->kind == WFS_PART_LITERAL) {
        struct wfs_hash hash = wfs_hash_bytes(part->u.literal, (size_t)part->size_bytes);
        wfs_buf_add(out, hash.bytes, sizeof(hash.bytes));
    } else if (part->kind == WFS_PART_EXPR) {
        add_u64(out, part->u.expr.off);
        add_expr(out, part->u.expr.expr);
    } else if (part->kind == WFS_PART_BYTES) {
        add_u64(out, part->u.bytes.off);
        add_source(out, part->u.bytes.bytes);
    }
}

/* The hash of the layout is a chain of hashes, part by part, so that it needs bounded memory. */
struct wfs_hash wfs_export_plan_hash(const struct wfs_vfile *file)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_hash hash = wfs_hash_bytes(WFS_VERSION, strlen(WFS_VERSION));
    for (uint32_t i = 0; i < file->n_parts; i++) {
        text.len = 0;
        wfs_buf_add(&text, hash.bytes, sizeof(hash.bytes));
        add_part(&text, &file->parts[i]);
        hash = wfs_hash_bytes(text.data, text.len);
    }
    return hash;
}
