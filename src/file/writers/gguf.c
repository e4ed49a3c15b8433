/*
 * gguf.c - a GGUF file, version 3, little endian, as gguf-py's GGUFWriter writes it.
 *
 *   "GGUF" | u32 3 | u64 number of tensors | u64 number of pairs | the pairs
 *   of each tensor: u64 length, name | u32 axes | u64 sizes, the last axis first | u32 type | u64 offset
 *   zeros up to the alignment | the tensors, each padded to the alignment with zeros, the last too
 *
 * Which pairs, tensors and types is src/gguf's to say. Offsets count from the first tensor.
 */
#include "file/writers/gguf.h"

#include <string.h>

#include "file/writers/refusal.h"

static void add_u32(struct wfs_buf *out, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    wfs_buf_add(out, bytes, sizeof(bytes));
}

static void add_u64(struct wfs_buf *out, uint64_t v)
{
    uint8_t bytes[8];
    wfs_store_u64le(bytes, v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

static void add_info(struct wfs_buf *out, const struct wfs_gguf_tensor *tensor, uint64_t off)
{
    add_u64(out, strlen(tensor->name));
    wfs_buf_str(out, tensor->name);
    add_u32(out, tensor->expr->ndim);
    for (uint32_t i = tensor->expr->ndim; i-- > 0;)
        add_u64(out, tensor->expr->shape[i]);
    add_u32(out, tensor->type);
    add_u64(out, off);
}

static void add_start(struct wfs_vfile_builder *b, const struct wfs_gguf_model *model)
{
    uint8_t start[24] = {'G', 'G', 'U', 'F', 3};
    wfs_store_u64le(start + 8, model->n_tensors);
    wfs_store_u64le(start + 16, model->n_pairs);
    wfs_vfile_add_literal(b, start, sizeof(start));
    for (uint32_t i = 0; i < model->n_segments; i++) {
        const struct wfs_gguf_segment *s = &model->segments[i];
        if (s->bytes)
            wfs_vfile_add_bytes(b, s->bytes, s->off, s->len);
        else
            wfs_vfile_add_literal(b, s->literal, (size_t)s->len);
    }
}

static void add_padding(struct wfs_vfile_builder *b, uint32_t alignment)
{
    uint64_t rest = b->size_bytes % alignment;
    if (rest)
        wfs_vfile_add_zeros(b, alignment - rest);
}

int wfs_gguf_plan(const struct wfs_manifest *manifest, struct wfs_arena *arena,
                  const struct wfs_vfile **ret, struct wfs_error *err)
{
    const struct wfs_gguf_model *model = manifest->gguf;
    struct wfs_buf infos wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_vfile_builder b = {.arena = arena};
    uint64_t off = 0;
    if (!model)
        return wfs_error_set(err, EINVAL, "a view without GGUF's names has no GGUF file");
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        add_info(&infos, &model->tensors[i], off);
        off += wfs_round_up_u64(model->tensors[i].expr->size_bytes, model->alignment);
    }
    if (!wfs_buf_ok(&infos))
        return wfs_error_nomem(err, "the header of a GGUF file");
    add_start(&b, model);
    if (infos.len)
        wfs_vfile_add_literal(&b, infos.data, infos.len);
    add_padding(&b, model->alignment);
    for (uint32_t i = 0; i < model->n_tensors; i++) {
        wfs_vfile_add_expr(&b, model->tensors[i].expr);
        add_padding(&b, model->alignment);
    }
    return wfs_vfile_finish(&b, ret, err);
}

int wfs_gguf_refuses(const struct wfs_manifest *manifest, struct wfs_arena *arena, const char **ret)
{
    (void)arena;
    *ret = manifest->gguf ? wfs_refuses_size(manifest) : "the view has no names of GGUF";
    return 0;
}
