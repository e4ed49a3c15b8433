/*
 * gguf_texts.c - see gguf_texts.h. A file is a row; its text is made when its size or its bytes are
 * first asked for, from the source's keys, which are read again then.
 */
#include "tree/contents/gguf_texts.h"

#include <string.h>

#include "gguf/kv/source_keys.h"
#include "gguf/tokenizer/back/back.h"
#include "tree/contents/unlisted.h"

struct gguf_text {
    const char *name;
    int (*make)(const struct wfs_gguf_kv *kv, struct wfs_buf *out, struct wfs_error *err);
};
static const struct gguf_text texts[] = {{"tokenizer.json", wfs_tokenizer_back_json},
                                         {"tokenizer_config.json", wfs_tokenizer_back_config}};

static int plan_text(const struct wfs_session *session, const struct wfs_tree_file *file,
                     struct wfs_arena *arena, const struct wfs_vfile **ret, struct wfs_error *err)
{
    const struct gguf_text *text = file->ctx;
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *keys = wfs_arena_new();
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    struct wfs_gguf_kv *kv = keys ? wfs_gguf_kv_new(keys) : NULL;
    if (!kv)
        return wfs_error_nomem(err, text->name);
    int r = wfs_gguf_source_keys(session->catalog, kv, err);
    if (!r)
        r = text->make(kv, &out, err);
    if (r)
        return r;
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, out.data, out.len);
    return wfs_vfile_finish(&b, ret, err);
}

static const char *metadata(const struct wfs_catalog *catalog, const char *key)
{
    for (uint32_t i = 0; i < catalog->n_metadata; i++)
        if (strcmp(catalog->metadata[i][0], key) == 0)
            return catalog->metadata[i][1];
    return "";
}

static bool is_beside(const struct wfs_catalog *catalog, const char *name)
{
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        if (strcmp(catalog->side_files[i].name, name) == 0)
            return true;
    return false;
}

/* Views with the names of a Hugging Face directory. */
static bool has_hub_names(const struct wfs_plan *plan)
{
    return !plan->is_source && (strcmp(plan->view, "torch") == 0 || strcmp(plan->view, "mlx") == 0);
}

static int add_text(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                    const struct gguf_text *text, const char *refusal)
{
    if (is_beside(b->session->catalog, text->name))
        return 0;
    if (refusal)
        return wfs_tree_note_refusal(b, plan, text->name, refusal);
    return wfs_tree_add_file(b, dir, text->name, plan_text, text, plan) ? 0 : -ENOMEM;
}

int wfs_tree_add_gguf_texts(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                            struct wfs_error *err)
{
    const struct wfs_catalog *catalog = b->session->catalog;
    const char *model = metadata(catalog, "tokenizer.ggml.model");
    if (!wfs_gguf_is_source(catalog) || !has_hub_names(b->session->plans[plan]) || !*model)
        return 0;
    struct wfs_error why = {0};
    int r = wfs_tokenizer_back_check(model, metadata(catalog, "tokenizer.ggml.pre"), &why);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, "the tree");
    const char *refusal = r ? wfs_arena_strdup(b->session->arena, why.message) : NULL;
    if (r && !refusal)
        return wfs_error_nomem(err, "the tree");
    r = 0;
    for (size_t i = 0; !r && i < WFS_ARRAY_SIZE(texts); i++)
        r = add_text(b, dir, plan, &texts[i], refusal);
    return r ? wfs_error_nomem(err, "the tree") : 0;
}
