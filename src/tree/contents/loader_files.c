/*
 * loader_files.c - whole files that a framework's own loader opens, each a function of the plan.
 * One that cannot hold every tensor of the view, or would lack one that the source refused, is not
 * listed, and the report says why.
 */
#include "tree/contents/loader_files.h"

#include <string.h>

#include "tree/contents/gguf_files.h"
#include "tree/contents/manifest.h"
#include "tree/contents/unlisted.h"
#include "tree/contents/shard_files.h"

static int plan_writer_file(const struct wfs_session *session, const struct wfs_tree_file *file,
                            struct wfs_arena *arena, const struct wfs_vfile **ret,
                            struct wfs_error *err)
{
    const struct wfs_writer *writer = file->ctx;
    struct wfs_manifest manifest;
    int r = wfs_tree_manifest(session, file->plan, arena, &manifest, err);
    return r ? r : writer->plan(&manifest, arena, ret, err);
}

/* Where the source is one safetensors file, source/ shows it byte for byte. */
static int plan_whole_source(const struct wfs_session *session, const struct wfs_tree_file *file,
                             struct wfs_arena *arena, const struct wfs_vfile **ret,
                             struct wfs_error *err)
{
    (void)file;
    const struct wfs_catalog *catalog = session->catalog;
    struct wfs_bytes *bytes = catalog->files[catalog->whole_safetensors_file].bytes;
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_bytes(&b, bytes, 0, bytes->size_bytes);
    return wfs_vfile_finish(&b, ret, err);
}

static int add_writer_file(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                           const struct wfs_writer *writer, struct wfs_error *err)
{
    struct wfs_session *session = b->session;
    bool whole = session->plans[plan]->is_source && strcmp(writer->name, "safetensors") == 0 &&
                 session->catalog->whole_safetensors_file != WFS_NO_INDEX;
    struct wfs_manifest manifest;
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    if (!arena || (!whole && wfs_tree_manifest(session, plan, arena, &manifest, err)))
        return wfs_error_nomem(err, "the tree");
    bool is_refused;
    if (wfs_tree_is_refused(b, plan, writer, whole ? NULL : &manifest, arena, &is_refused))
        return wfs_error_nomem(err, "the tree");
    if (is_refused)
        return 0;
    if (!wfs_tree_add_file(b, dir, writer->file_name, whole ? plan_whole_source : plan_writer_file,
                           writer, plan))
        return wfs_error_nomem(err, "the tree");
    return 0;
}

/* -o files=all means all that the view can have. */
static int add_gguf_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                          struct wfs_error *err)
{
    const struct wfs_session *session = b->session;
    const char *convention = session->plans[plan]->convention;
    if (convention && strcmp(convention, "gguf") == 0)
        return wfs_tree_add_gguf_files(b, dir, plan, err);
    if (session->options.files && strcmp(session->options.files, "all") == 0)
        return 0;
    return wfs_tree_note_refusal(b, plan, wfs_writer_by_name("gguf")->file_name,
                                 "views of GGUF's names have it: --view gguf")
               ? wfs_error_nomem(err, "the tree")
               : 0;
}

int wfs_tree_add_loader_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                              struct wfs_error *err)
{
    const struct wfs_session *session = b->session;
    int r = wfs_writers_check(session->plans[plan]->files, session->plans[plan]->view, err);
    if (r)
        return r;
    bool shards = wfs_tree_wants_shards(session, session->plans[plan]);
    if (shards &&
        !wfs_tree_wants_file(session, session->plans[plan], wfs_writer_by_name("safetensors"))) {
        if (wfs_tree_note_refusal(b, plan, WFS_SHARDS_INDEX_NAME,
                                  "-o files= leaves safetensors out, so -o shards= has no effect"))
            return wfs_error_nomem(err, "the tree");
        shards = false;
    }
    const struct wfs_writer *w;
    for (uint32_t i = 0; (w = wfs_writer(i)) && !r; i++)
        if (wfs_tree_wants_file(session, session->plans[plan], w) &&
            !(shards && strcmp(w->name, "safetensors") == 0))
            r = strcmp(w->name, "gguf") == 0 ? add_gguf_files(b, dir, plan, err)
                                             : add_writer_file(b, dir, plan, w, err);
    return shards && !r ? wfs_tree_add_shard_files(b, dir, plan, err) : r;
}
