/*
 * shard_files.c - model.safetensors in shards with an index (-o shards=SIZE), as transformers saves
 * large models of PyTorch's names.
 */
#include "tree/contents/shard_files.h"

#include <string.h>

#include "tree/contents/manifest.h"
#include "tree/contents/unlisted.h"

bool wfs_tree_wants_shards(const struct wfs_session *session, const struct wfs_plan *plan)
{
    return session->options.shard_bytes && plan->format_tag && strcmp(plan->format_tag, "pt") == 0;
}

/* One file of a sharded set: a shard, or the index of all. */
struct shard_file {
    const struct wfs_shard *shards;
    uint32_t n, at; /* how many shards there are, and which of them this is: at == n is the index */
};

static int plan_shard_file(const struct wfs_session *session, const struct wfs_tree_file *file,
                           struct wfs_arena *arena, const struct wfs_vfile **ret,
                           struct wfs_error *err)
{
    const struct shard_file *ctx = file->ctx;
    (void)session;
    if (ctx->at == ctx->n)
        return wfs_shards_index(ctx->shards, ctx->n, arena, ret, err);
    return wfs_writer_by_name("safetensors")->plan(&ctx->shards[ctx->at].manifest, arena, ret, err);
}

int wfs_tree_add_shard_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                             struct wfs_error *err)
{
    struct wfs_session *session = b->session;
    struct wfs_manifest manifest;
    const struct wfs_shard *shards;
    uint32_t n = 0;
    if (wfs_tree_manifest(session, plan, session->arena, &manifest, err))
        return wfs_error_nomem(err, "the tree");
    const struct wfs_writer *writer = wfs_writer_by_name("safetensors");
    bool is_refused;
    if (wfs_tree_is_refused(b, plan, writer, &manifest, session->arena, &is_refused))
        return wfs_error_nomem(err, "the tree");
    if (is_refused)
        return 0;
    int r =
        wfs_shards_split(&manifest, session->options.shard_bytes, session->arena, &shards, &n, err);
    uint32_t n_files = n > 1 ? n + 1 : 1; /* a single file needs no index */
    for (uint32_t i = 0; !r && i < n_files; i++) {
        struct shard_file *ctx = wfs_arena_alloc(session->arena, sizeof(*ctx));
        const char *name = i < n ? shards[i].file_name : WFS_SHARDS_INDEX_NAME;
        if (ctx)
            *ctx = (struct shard_file){.shards = shards, .n = n, .at = i};
        if (!ctx || !wfs_tree_add_file(b, dir, name, plan_shard_file, ctx, plan))
            r = wfs_error_nomem(err, "the tree");
    }
    return r;
}
