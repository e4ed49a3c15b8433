/*
 * index_tables.c - the views' tables as the index keeps them for sqlite3 users: one row a tensor,
 * with the columns of info/tensors.tsv.
 *
 * The index asks for rows one by one, on a thread of its own, while the session serves. Nothing
 * needs a lock, since a session does not change once it is open.
 */
#include "tree/tree.h"

static const char *join_sources(const struct wfs_catalog *catalog, const struct wfs_target *target,
                                struct wfs_arena *scratch)
{
    struct wfs_buf wfs_cleanup(wfs_buf_free) text = {0};
    for (uint32_t i = 0; i < target->n_sources; i++) {
        if (i > 0)
            wfs_buf_str(&text, ", ");
        wfs_buf_str(&text, catalog->tensors[target->sources[i]].name);
    }
    return wfs_buf_ok(&text) ? wfs_arena_strndup(scratch, text.data ? text.data : "", text.len)
                             : NULL;
}

struct table_ctx {
    const struct wfs_session *session;
    const struct wfs_plan *plan;
};

static int describe_target(const void *ctx, size_t i, struct wfs_arena *scratch,
                           struct wfs_index_row *ret)
{
    const struct table_ctx *table = ctx;
    const struct wfs_target *target = &table->plan->targets[i];
    const struct wfs_expr *expr = target->expr;
    struct wfs_buf wfs_cleanup(wfs_buf_free) shape = {0};
    wfs_shape_format(&shape, expr->ndim, expr->shape);
    *ret = (struct wfs_index_row){
        .name = wfs_path_join_dup(scratch, target->path, table->plan->sep),
        .dtype = wfs_dtype_info(expr->dtype)->name,
        .shape = wfs_buf_ok(&shape) ? wfs_arena_strdup(scratch, shape.data) : NULL,
        .operations = target->operations,
        .sources = join_sources(table->session->catalog, target, scratch),
        .n_elems = expr->n_elems,
        .size_bytes = expr->size_bytes,
        .hash = wfs_expr_hash(expr),
    };
    return ret->name && ret->shape && ret->sources ? 0 : -ENOMEM;
}

void wfs_session_put_tables(struct wfs_session *session)
{
    for (uint32_t i = 0; session->cache && i < session->n_plans; i++) {
        struct table_ctx *ctx = wfs_arena_alloc(session->arena, sizeof(*ctx));
        if (!ctx)
            return;
        *ctx = (struct table_ctx){session, session->plans[i]};
        wfs_cache_put_table(session->cache,
                            &(struct wfs_index_table){.view = ctx->plan->view,
                                                      .n_rows = ctx->plan->n_targets,
                                                      .row = describe_target,
                                                      .ctx = ctx});
    }
}
