/*
 * view.c - what the GGUF files of one view share, made once: its tensors in their order under the names
 * that they have in the file, and the pairs, encoded.
 */
#include "gguf/view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/kv/source_keys.h"
#include "gguf/metadata.h"
#include "source/gguf/ggml_types.h"

#define MAX_AXES          4  /* GGML_MAX_DIMS */
#define NAME_SIZE         64 /* GGML_MAX_NAME, with its NUL */
#define DEFAULT_ALIGNMENT 32

/* ---- may there be a file? -------------------------------------------------------------------- */

static int check_entries(const struct wfs_plan *plan, struct wfs_error *err)
{
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        const struct wfs_report_entry *e = &plan->entries[i];
        if (e->status == WFS_MISSING || e->status == WFS_SHAPE_MISMATCH ||
            e->status == WFS_COLLISION || e->status == WFS_AMBIGUOUS)
            return wfs_error_set(err, EINVAL, "%s: %s: %s", e->subject, wfs_status_name(e->status),
                                 e->text);
    }
    return 0;
}

static int check_item(const struct wfs_gguf_view *view, const struct wfs_gguf_item *item,
                      const struct wfs_target *target, struct wfs_error *err)
{
    enum wfs_dtype dtype = item->expr->dtype;
    uint32_t number;
    bool has_type =
        wfs_dtype_is_float(dtype) ||
        (wfs_ggml_number(dtype, &number) && (view->is_source_gguf || wfs_dtype_is_block(dtype)));
    if (target->status == WFS_UNEXPECTED)
        return wfs_error_set(err, ENOTSUP, "%s: the architecture's table of names does not have it",
                             item->name);
    if (strlen(item->name) >= NAME_SIZE)
        return wfs_error_set(err, ENOTSUP, "%s: ggml's names have at most %d bytes", item->name,
                             NAME_SIZE - 1);
    if (item->expr->ndim > MAX_AXES)
        return wfs_error_set(err, ENOTSUP, "%s: ggml's tensors have at most %d axes", item->name,
                             MAX_AXES);
    if (item->expr->n_elems == 0)
        return wfs_error_set(err, ENOTSUP, "%s: it has no elements", item->name);
    if (!has_type)
        return wfs_error_set(err, ENOTSUP, "%s: its elements are %s%s", item->name,
                             wfs_dtype_info(dtype)->name,
                             target->status == WFS_PACKED ? ", packed weights" : "");
    return 0;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* The targets of a GGUF source, in the order of its files. */
struct placed {
    uint32_t target, source;
};

static int compare_placed(const void *pa, const void *pb)
{
    const struct placed *a = pa, *b = pb;
    return a->source < b->source ? -1 : a->source > b->source;
}

static int source_order(const struct wfs_plan *plan, struct wfs_arena *arena, const uint32_t **ret,
                        struct wfs_error *err)
{
    struct placed *placed wfs_cleanup(wfs_freep) = calloc(plan->n_targets + 1, sizeof(*placed));
    uint32_t *order = wfs_arena_array(arena, (size_t)plan->n_targets + 1, sizeof(*order));
    if (!placed || !order)
        return wfs_error_nomem(err, "the order of tensors");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[i];
        placed[i] = (struct placed){i, t->n_sources ? t->sources[0] : UINT32_MAX};
    }
    qsort(placed, plan->n_targets, sizeof(*placed), compare_placed);
    for (uint32_t i = 0; i < plan->n_targets; i++)
        order[i] = placed[i].target;
    *ret = order;
    return 0;
}

static int add_items(struct wfs_gguf_view *view, const struct wfs_plan *plan,
                     struct wfs_arena *arena, const uint32_t *order, struct wfs_error *err)
{
    struct wfs_gguf_item *items =
        wfs_arena_array(arena, (size_t)plan->n_targets + 1, sizeof(*items));
    if (!items)
        return wfs_error_nomem(err, "the tensors of a GGUF file");
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[order[i]];
        const char *name = wfs_path_join_dup(arena, t->path, '.');
        if (!name)
            return wfs_error_nomem(err, "the names of a GGUF file");
        items[i] = (struct wfs_gguf_item){name, t->expr, t->expr->dtype, order[i]};
        int r = check_item(view, &items[i], t, err);
        if (r)
            return r;
        view->has_mxfp4 |= t->expr->dtype == WFS_MXFP4;
        if (wfs_dtype_is_block(t->expr->dtype) && !view->blocks)
            view->blocks = &items[i];
    }
    view->items = items;
    view->n_tensors = plan->n_targets;
    return 0;
}

/* The dtype that the source has the first matrix in. */
static enum wfs_dtype first_matrix(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                                   const uint32_t *order)
{
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        const struct wfs_target *t = &plan->targets[order[i]];
        if (t->n_sources && !wfs_dtype_is_block(t->expr->dtype) &&
            catalog->tensors[t->sources[0]].expr->ndim >= 2)
            return catalog->tensors[t->sources[0]].expr->dtype;
    }
    return WFS_F32;
}

static int choose_type(struct wfs_gguf_view *view, const struct wfs_plan *plan,
                       enum wfs_dtype matrices, struct wfs_error *err)
{
    bool is_half = matrices == WFS_BF16 || matrices == WFS_F16;
    const char *outtype = plan->outtype;
    view->plain = is_half ? matrices : WFS_F32;
    if (outtype && strcmp(outtype, "auto") != 0) {
        view->auto_type = wfs_gguf_file_type_by_name(outtype, strlen(outtype));
        return view->auto_type ? 0
                               : wfs_error_set(err, EINVAL,
                                               "outtype=%s: there is no such type of "
                                               "GGUF files, or it needs an importance "
                                               "matrix",
                                               outtype);
    }
    if (!view->is_source_gguf)
        view->auto_type =
            wfs_gguf_file_type_of(matrices == WFS_BF16 ? WFS_GGUF_FTYPE_BF16 : WFS_GGUF_FTYPE_F16);
    return 0;
}

static int add_tensors(struct wfs_gguf_view *view, const struct wfs_catalog *catalog,
                       const struct wfs_plan *plan, struct wfs_arena *arena, struct wfs_error *err)
{
    const uint32_t *order;
    int r = check_entries(plan, err);
    if (!r && view->is_source_gguf)
        r = source_order(plan, arena, &order, err);
    else if (!r)
        r = wfs_plan_conversion_order(plan, catalog, arena, &order, err);
    if (!r)
        r = add_items(view, plan, arena, order, err);
    return r ? r : choose_type(view, plan, first_matrix(catalog, plan, order), err);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static int find_alignment(struct wfs_gguf_view *view, struct wfs_error *err)
{
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(view->kv, "general.alignment");
    int64_t alignment = DEFAULT_ALIGNMENT;
    if (pair && (pair->type != WFS_GGUF_U32 || !wfs_gguf_int_at(pair, 0, &alignment) ||
                 alignment < 8 || alignment > 1 << 20 || (alignment & (alignment - 1))))
        return wfs_error_set(err, EINVAL,
                             "general.alignment is no power of two between 8 and 1048576");
    view->alignment = (uint32_t)alignment;
    return 0;
}

static void free_bytes(void *bytes)
{
    wfs_bytes_unref(bytes);
}

static int make_pairs(const struct wfs_gguf_view *view, const struct wfs_catalog *catalog,
                      const struct wfs_plan *plan, struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    struct wfs_gguf_target *targets =
        wfs_arena_array(kv->arena, (size_t)view->n_tensors + 1, sizeof(*targets));
    if (!targets)
        return wfs_error_nomem(err, "the keys of a GGUF file");
    for (uint32_t i = 0; i < view->n_tensors; i++)
        targets[i] = (struct wfs_gguf_target){view->items[i].name, view->items[i].expr->ndim,
                                              view->items[i].expr->shape};
    const struct wfs_gguf_inputs inputs = {
        .arena = kv->arena,
        .catalog = catalog,
        .set = plan->set,
        .n_targets = view->n_tensors,
        .targets = targets,
    };
    return wfs_gguf_metadata(&inputs, kv, err);
}

static int encode_pairs(struct wfs_gguf_view *view, struct wfs_arena *arena, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    uint64_t *off = wfs_arena_array(arena, view->kv->n + 1, sizeof(*off));
    if (!off || wfs_gguf_kv_encode(view->kv, &text))
        return wfs_error_nomem(err, "the keys of a GGUF file");
    uint64_t at = 0;
    for (size_t i = 0; i < view->kv->n; i++) {
        off[i] = at;
        at += wfs_gguf_pair_bytes(&view->kv->pairs[i]);
    }
    off[view->kv->n] = at;
    view->pair_off = off;
    int r =
        wfs_bytes_from_memory("the keys of a GGUF file", text.data, text.len, &view->pairs, err);
    if (!r && wfs_arena_on_free(arena, free_bytes, view->pairs))
        r = wfs_error_nomem(err, "the keys of a GGUF file");
    return r;
}

int wfs_gguf_view_make(const struct wfs_catalog *catalog, const struct wfs_plan *plan,
                       struct wfs_arena *arena, const struct wfs_gguf_view **ret,
                       struct wfs_error *err)
{
    struct wfs_gguf_view *view = wfs_arena_alloc(arena, sizeof(*view));
    struct wfs_gguf_kv *kv = wfs_gguf_kv_new(arena);
    if (!view || !kv)
        return wfs_error_nomem(err, "a GGUF file");
    view->kv = kv;
    view->is_source_gguf = wfs_gguf_is_source(catalog);
    int r = add_tensors(view, catalog, plan, arena, err);
    if (!r)
        r = make_pairs(view, catalog, plan, kv, err);
    if (!r)
        r = find_alignment(view, err);
    if (!r)
        r = encode_pairs(view, arena, err);
    if (!r)
        *ret = view;
    return r;
}

int wfs_gguf_view_refuses(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                          struct wfs_arena *arena, const char **ret)
{
    *ret = NULL;
    type = type ? type : view->auto_type;
    if (!type || !view->blocks || (type->is_converters && !view->is_source_gguf))
        return 0;
    *ret = wfs_arena_printf(
        arena, "%s: its %s blocks are kept, and not quantised again; model.gguf has them",
        view->blocks->name, wfs_dtype_info(view->blocks->expr->dtype)->name);
    return *ret ? 0 : -ENOMEM;
}
