/*
 * generation.c - a hash over the session, folded item by item, so that it needs no memory. Owner and
 * mode are no part of it: they are asked for again with every handle, and the bytes are the same.
 */
#include "mount/server/generation.h"

#include <string.h>

static void fold(struct wfs_hash *hash, const void *data, size_t len)
{
    struct wfs_hash pair[2] = {*hash, wfs_hash_bytes(data, len)};
    *hash = wfs_hash_bytes(pair, sizeof(pair));
}

static void fold_text(struct wfs_hash *hash, const char *text)
{
    fold(hash, text ? text : "\n", text ? strlen(text) : 1);
}

static void fold_number(struct wfs_hash *hash, uint64_t n)
{
    fold(hash, &n, sizeof(n));
}

static void fold_sources(struct wfs_hash *hash, const struct wfs_catalog *catalog)
{
    fold(hash, &catalog->id, sizeof(catalog->id));
    for (uint32_t i = 0; i < catalog->n_side_files; i++) {
        const struct wfs_side_file *side = &catalog->side_files[i];
        fold_text(hash, side->name);
        fold(hash, &side->identity, sizeof(side->identity));
    }
}

static void fold_plan(struct wfs_hash *hash, const struct wfs_plan *plan)
{
    fold_text(hash, plan->view);
    fold_text(hash, plan->chain);
    fold_text(hash, plan->format_tag);
    fold(hash, (const char[]){plan->sep, plan->file_sep}, 2);
    for (uint32_t i = 0; i < plan->n_targets; i++) {
        struct wfs_hash bytes = wfs_expr_hash(plan->targets[i].expr);
        fold_text(hash, plan->targets[i].path);
        fold(hash, &bytes, sizeof(bytes));
    }
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        fold_text(hash, plan->entries[i].subject);
        fold_text(hash, plan->entries[i].text);
    }
}

static void fold_names(struct wfs_hash *hash, const struct wfs_tree *tree)
{
    fold_number(hash, wfs_tree_n_nodes(tree));
    for (uint32_t i = 0; i < wfs_tree_n_nodes(tree); i++) {
        const struct wfs_node *node = wfs_tree_node(tree, i);
        fold_text(hash, node->name);
        fold(hash, (const uint32_t[]){node->parent, (uint32_t)node->kind}, 2 * sizeof(uint32_t));
    }
}

uint32_t wfs_generation(const struct wfs_session *session)
{
    struct wfs_hash hash = wfs_hash_bytes(WFS_VERSION, strlen(WFS_VERSION));
    fold_sources(&hash, session->catalog);
    for (uint32_t i = 0; i < session->n_plans; i++)
        fold_plan(&hash, session->plans[i]);
    fold_text(&hash, session->options.files);
    fold_number(&hash, session->options.shard_bytes);
    fold_number(&hash, session->options.format);
    fold_names(&hash, session->tree);
    uint32_t generation;
    memcpy(&generation, hash.bytes, sizeof(generation));
    return generation ? generation : 1;
}
