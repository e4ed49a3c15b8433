/*
 * gguf_files.c - see gguf_files.h. Keys and the tensors' order are computed once, when the tree is
 * built, since they tell whether there are such files; each file is planned when it is asked for.
 */
#include "tree/contents/gguf_files.h"

#include <string.h>

#include "tree/contents/manifest.h"
#include "tree/contents/unlisted.h"

struct gguf_file {
    const struct wfs_gguf_view *view;
    const struct wfs_gguf_file_type *type; /* NULL: model.gguf */
};

static int plan_gguf_file(const struct wfs_session *session, const struct wfs_tree_file *file,
                          struct wfs_arena *arena, const struct wfs_vfile **ret,
                          struct wfs_error *err)
{
    const struct gguf_file *ctx = file->ctx;
    struct wfs_gguf_model model;
    struct wfs_manifest manifest;
    int r = wfs_gguf_model_make(ctx->view, ctx->type, arena, &model, err);
    if (!r)
        r = wfs_tree_manifest(session, file->plan, arena, &manifest, err);
    if (r)
        return r;
    manifest.gguf = &model;
    return wfs_writer_by_name("gguf")->plan(&manifest, arena, ret, err);
}

static int add_file(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                    const struct wfs_gguf_view *view, const struct wfs_gguf_file_type *type)
{
    struct wfs_arena *arena = b->session->arena;
    const char *name = type ? type->file_name : wfs_writer_by_name("gguf")->file_name, *refusal;
    if (wfs_gguf_view_refuses(view, type, arena, &refusal))
        return -ENOMEM;
    if (!refusal && wfs_tree_refuse_partial(b, plan, name, &refusal))
        return -ENOMEM;
    if (refusal)
        return wfs_tree_note_refusal(b, plan, name, refusal);
    struct gguf_file *ctx = wfs_arena_alloc(arena, sizeof(*ctx));
    if (!ctx)
        return -ENOMEM;
    *ctx = (struct gguf_file){view, type};
    return wfs_tree_add_file(b, dir, name, plan_gguf_file, ctx, plan) ? 0 : -ENOMEM;
}

static int add_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                     const struct wfs_gguf_view *view)
{
    const char *files = b->session->options.files;
    bool all = files && strcmp(files, "all") == 0;
    const struct wfs_gguf_file_type *type;
    int r = add_file(b, dir, plan, view, NULL);
    for (uint32_t i = 0; !r && (type = wfs_gguf_file_type(i)); i++)
        if (type->is_listed || all)
            r = add_file(b, dir, plan, view, type);
    return r;
}

/* One line for all of them; each by its name says why it is not there. */
static int note_none(struct wfs_tree_builder *b, uint32_t plan, const char *why)
{
    const struct wfs_gguf_file_type *type;
    int r = wfs_tree_note_refusal(b, plan, wfs_writer_by_name("gguf")->file_name, why);
    for (uint32_t i = 0; !r && (type = wfs_gguf_file_type(i)); i++)
        r = wfs_tree_remember_refusal(b, plan, type->file_name, why);
    return r;
}

int wfs_tree_add_gguf_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                            struct wfs_error *err)
{
    const struct wfs_session *session = b->session;
    const struct wfs_gguf_view *view;
    struct wfs_error why = {0};
    int r = wfs_gguf_view_make(session->catalog, session->plans[plan], session->arena, &view, &why);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, "the tree");
    if (!r && wfs_gguf_report_narrowed(view, session->plans[plan], err))
        return wfs_error_nomem(err, "the tree");
    r = r ? note_none(b, plan, why.message) : add_files(b, dir, plan, view);
    return r ? wfs_error_nomem(err, "the tree") : 0;
}
