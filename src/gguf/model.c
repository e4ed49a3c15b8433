/*
 * model.c - one GGUF file of a view: its tensors in the type that each gets, and its pairs.
 *
 * general.file_type says which type the file is. A converter has it among the keys of the architecture;
 * llama-quantize takes it and general.quantization_version away and puts them last.
 */
#include <inttypes.h>
#include <string.h>

#include "gguf/tensors/converter_types.h"
#include "gguf/tensors/quantize_types.h"
#include "gguf/view.h"
#include "source/gguf/ggml_types.h"

#define FILE_TYPE "general.file_type"
#define VERSION   "general.quantization_version"

/* ---- pairs ----------------------------------------------------------------------------------- */

static void add_range(struct wfs_gguf_model *m, const struct wfs_gguf_view *view, uint64_t begin,
                      uint64_t end)
{
    if (begin < end)
        m->segments[m->n_segments++] =
            (struct wfs_gguf_segment){.bytes = view->pairs, .off = begin, .len = end - begin};
}

static int add_literal(struct wfs_gguf_model *m, struct wfs_arena *arena,
                       const struct wfs_gguf_kv *kv, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    uint8_t *copy =
        wfs_gguf_kv_encode(kv, &text) ? NULL : wfs_arena_memdup(arena, text.data, text.len);
    if (!copy)
        return wfs_error_nomem(err, "the keys of a GGUF file");
    m->segments[m->n_segments++] = (struct wfs_gguf_segment){.literal = copy, .len = text.len};
    return 0;
}

static size_t place_of(const struct wfs_gguf_view *view, const char *key)
{
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(view->kv, key);
    return pair ? (size_t)(pair - view->kv->pairs) : view->kv->n;
}

/* The pairs as they are, but for the file's type; an architecture without that key gets none. */
static int converter_pairs(struct wfs_gguf_model *m, const struct wfs_gguf_view *view,
                           uint32_t file_type, struct wfs_arena *arena, struct wfs_error *err)
{
    size_t n = view->kv->n, at = place_of(view, FILE_TYPE);
    struct wfs_gguf_kv *changed = wfs_gguf_kv_new(arena);
    if (!changed)
        return wfs_error_nomem(err, "the keys of a GGUF file");
    m->n_pairs = n;
    add_range(m, view, 0, view->pair_off[at]);
    if (at == n)
        return 0;
    wfs_gguf_put_u32(changed, FILE_TYPE, file_type);
    int r = add_literal(m, arena, changed, err);
    add_range(m, view, view->pair_off[at + 1], view->pair_off[n]);
    return r;
}

static int quantize_pairs(struct wfs_gguf_model *m, const struct wfs_gguf_view *view,
                          uint32_t file_type, struct wfs_arena *arena, struct wfs_error *err)
{
    size_t n = view->kv->n, a = place_of(view, FILE_TYPE), b = place_of(view, VERSION);
    size_t first = a < b ? a : b, second = a < b ? b : a;
    struct wfs_gguf_kv *last = wfs_gguf_kv_new(arena);
    if (!last)
        return wfs_error_nomem(err, "the keys of a GGUF file");
    m->n_pairs = n - (a < n) - (b < n) + 2;
    add_range(m, view, 0, view->pair_off[first]);
    if (first < n)
        add_range(m, view, view->pair_off[first + 1], view->pair_off[second]);
    if (second < n)
        add_range(m, view, view->pair_off[second + 1], view->pair_off[n]);
    wfs_gguf_put_u32(last, VERSION, 2);
    wfs_gguf_put_u32(last, FILE_TYPE, file_type);
    return add_literal(m, arena, last, err);
}

static int add_pairs(struct wfs_gguf_model *m, const struct wfs_gguf_view *view,
                     const struct wfs_gguf_file_type *type, struct wfs_arena *arena,
                     struct wfs_error *err)
{
    if (!type) {
        m->n_pairs = view->kv->n;
        add_range(m, view, 0, view->pair_off[view->kv->n]);
        return 0;
    }
    uint32_t file_type = type->ftype;
    if (!type->is_converters || view->is_source_gguf)
        return quantize_pairs(m, view, file_type, arena, err);
    /* Experts that came as MXFP4 are the larger part of the file. */
    if (view->has_mxfp4 && !wfs_dtype_is_block(type->dtype))
        file_type = WFS_GGUF_FTYPE_MXFP4_MOE;
    return converter_pairs(m, view, file_type, arena, err);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static int64_t number_of(const struct wfs_gguf_view *view, const char *architecture,
                         const char *name)
{
    char key[192];
    int64_t value = 0;
    snprintf(key, sizeof(key), "%.100s.%s", architecture, name);
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(view->kv, key);
    if (pair && pair->count)
        wfs_gguf_int_at(pair, 0, &value);
    return value;
}

static int quantize(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                    struct wfs_gguf_item *items, struct wfs_error *err)
{
    const struct wfs_gguf_pair *pair = wfs_gguf_kv_find(view->kv, "general.architecture");
    struct wfs_gguf_str text = {0};
    size_t pos = 0;
    char architecture[64] = "";
    if (!pair || !wfs_gguf_next_text(pair, &pos, &text) || text.len >= sizeof(architecture))
        return wfs_error_set(err, EINVAL, "general.architecture is not known");
    memcpy(architecture, text.ptr, text.len);
    struct wfs_gguf_quantize_model model = {
        .architecture = architecture,
        .n_layers = number_of(view, architecture, "block_count"),
        .n_heads = number_of(view, architecture, "attention.head_count"),
        .n_kv_heads = number_of(view, architecture, "attention.head_count_kv"),
        .n_experts = number_of(view, architecture, "expert_count"),
    };
    model.n_kv_heads = model.n_kv_heads ? model.n_kv_heads : model.n_heads;
    for (uint32_t i = 0; !view->is_source_gguf && i < view->n_tensors; i++)
        wfs_gguf_converter_type(&items[i], view->plain);
    wfs_gguf_sort_by_layer(items, view->n_tensors);
    wfs_gguf_quantize_types(items, view->n_tensors, type, &model);
    return 0;
}

static int add_tensors(struct wfs_gguf_model *m, const struct wfs_gguf_view *view,
                       struct wfs_gguf_item *items, struct wfs_arena *arena, struct wfs_error *err)
{
    struct wfs_gguf_tensor *tensors =
        wfs_arena_array(arena, (size_t)view->n_tensors + 1, sizeof(*tensors));
    if (!tensors)
        return wfs_error_nomem(err, "the tensors of a GGUF file");
    for (uint32_t i = 0; i < view->n_tensors; i++) {
        int r = wfs_gguf_item_encode(arena, &items[i], err);
        if (r)
            return r;
        tensors[i] = (struct wfs_gguf_tensor){items[i].name, items[i].expr, 0};
        if (!wfs_ggml_number(items[i].dtype, &tensors[i].type))
            return wfs_error_set(err, ENOTSUP, "%s: ggml has no %s", items[i].name,
                                 wfs_dtype_info(items[i].dtype)->name);
    }
    m->tensors = tensors;
    m->n_tensors = view->n_tensors;
    return 0;
}

/* A copy of the view's tensors in the order and the types of the file. */
static int choose_types(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                        struct wfs_arena *arena, struct wfs_gguf_item **ret, struct wfs_error *err)
{
    struct wfs_gguf_item *items =
        wfs_arena_memdup(arena, view->items, ((size_t)view->n_tensors + 1) * sizeof(*items));
    if (!items)
        return wfs_error_nomem(err, "the tensors of a GGUF file");
    *ret = items;
    if (!type)
        return 0;
    if (!type->is_converters || view->is_source_gguf)
        return quantize(view, type, items, err);
    for (uint32_t i = 0; i < view->n_tensors; i++)
        wfs_gguf_converter_type(&items[i], type->dtype);
    return 0;
}

int wfs_gguf_model_make(const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type,
                        struct wfs_arena *arena, struct wfs_gguf_model *ret, struct wfs_error *err)
{
    struct wfs_gguf_model m = {.alignment = view->alignment};
    struct wfs_gguf_item *items;
    type = type ? type : view->auto_type;
    int r = choose_types(view, type, arena, &items, err);
    if (!r)
        r = add_tensors(&m, view, items, arena, err);
    if (!r)
        r = add_pairs(&m, view, type, arena, err);
    if (!r)
        *ret = m;
    return r;
}

/* ---- casts to a type of smaller range ---------------------------------------------------------- */

static int describe(const struct wfs_gguf_item *item, const struct wfs_plan *plan,
                    struct wfs_report_entry *ret, struct wfs_error *err)
{
    const struct wfs_target *target = &plan->targets[item->target];
    struct wfs_narrowing *narrowing = wfs_arena_alloc(plan->arena, sizeof(*narrowing));
    const char *subject = wfs_arena_strdup(plan->arena, item->name);
    const char *text = wfs_arena_printf(
        plan->arena,
        "%s -> %s in model.gguf: values beyond %g would become infinite, and nothing proves that "
        "there "
        "are none; `weightfs norms` puts the proof into the index, -o narrow accepts it, -o "
        "outtype=BF16 or F32 has room for them",
        wfs_dtype_info(item->expr->dtype)->name, wfs_dtype_info(item->dtype)->name,
        wfs_dtype_max(item->dtype));
    if (!narrowing || !subject || !text)
        return wfs_error_nomem(err, "a report");
    *narrowing =
        (struct wfs_narrowing){item->expr, item->dtype, target->n_sources, target->sources};
    *ret = (struct wfs_report_entry){WFS_NARROWED, subject, text, narrowing};
    return 0;
}

static bool narrows(const struct wfs_gguf_item *item)
{
    return !wfs_dtype_is_block(item->expr->dtype) && !wfs_dtype_is_block(item->dtype) &&
           wfs_convert_narrows(item->expr->dtype, item->dtype);
}

int wfs_gguf_report_narrowed(const struct wfs_gguf_view *view, struct wfs_plan *plan,
                             struct wfs_error *err)
{
    struct wfs_gguf_item *items;
    int r = plan->narrow ? 0 : choose_types(view, view->auto_type, plan->arena, &items, err);
    size_t n = plan->n_entries;
    for (uint32_t i = 0; !r && !plan->narrow && i < view->n_tensors; i++)
        n += narrows(&items[i]);
    if (r || n == plan->n_entries)
        return r;
    struct wfs_report_entry *entries = wfs_arena_array(plan->arena, n, sizeof(*entries));
    if (!entries)
        return wfs_error_nomem(err, "a report");
    memcpy(entries, plan->entries, plan->n_entries * sizeof(*entries));
    n = plan->n_entries;
    for (uint32_t i = 0; !r && i < view->n_tensors; i++)
        if (narrows(&items[i]))
            r = describe(&items[i], plan, &entries[n++], err);
    if (r)
        return r;
    plan->n_by_status[WFS_NARROWED] += (uint32_t)n - plan->n_entries;
    plan->entries = entries;
    plan->n_entries = (uint32_t)n;
    return 0;
}
