/*
 * view_files.c - a view's directory is a model directory: loader files, each a function of the
 * plan, and the files of the checkpoint that hold no weights. A virtual file wins over a
 * passed-through one; a loader file that cannot hold every tensor is not listed; both are reported.
 */
#include <stdlib.h>
#include <string.h>

#include "tree/tree_internal.h"

/* ---- manifests ----------------------------------------------------------------------------- */

/* Everything a writer is told; lives in the arena. */
static int make_manifest(const struct wfs_session *session, uint32_t plan_index,
                         struct wfs_arena *arena, struct wfs_manifest *ret, struct wfs_error *err)
{
    const struct wfs_plan *plan = session->plans[plan_index];
    struct wfs_manifest_entry *entries =
        wfs_arena_array(arena, plan->n_targets ? plan->n_targets : 1, sizeof(*entries));
    if (!entries)
        return wfs_error_nomem(err, "a manifest");
    for (uint32_t i = 0; i < plan->n_targets; i++)
        entries[i] = (struct wfs_manifest_entry){.path = plan->targets[i].path,
                                                 .expr = plan->targets[i].expr};
    *ret = (struct wfs_manifest){.n = plan->n_targets,
                                 .entries = entries,
                                 .sep = plan->file_sep,
                                 .format_tag = plan->format_tag,
                                 .n_metadata = session->catalog->n_metadata,
                                 .metadata = session->catalog->metadata};
    return 0;
}

static int plan_writer_file(const struct wfs_session *session, const struct tree_file *file,
                            struct wfs_arena *arena, const struct wfs_vfile **ret,
                            struct wfs_error *err)
{
    const struct wfs_writer *writer = file->ctx;
    struct wfs_manifest manifest;
    int r = make_manifest(session, file->plan, arena, &manifest, err);
    return r ? r : writer->plan(&manifest, arena, ret, err);
}

/* The one safetensors file that the source is, byte for byte. */
static int plan_whole_source(const struct wfs_session *session, const struct tree_file *file,
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

/* ---- which loader files -------------------------------------------------------------------- */

/* True where a comma-separated list names the writer (by its name or its file's). */
static bool list_names(const char *list, const struct wfs_writer *writer)
{
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        if ((len == strlen(writer->name) && memcmp(p, writer->name, len) == 0) ||
            (len == strlen(writer->file_name) && memcmp(p, writer->file_name, len) == 0))
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

static bool is_wanted(const struct wfs_session *session, const struct wfs_plan *plan,
                      const struct wfs_writer *writer)
{
    const char *files = session->options.files;
    if (files && strcmp(files, "none") == 0)
        return false;
    if (files)
        return strcmp(files, "all") == 0 || list_names(files, writer);
    for (const char *const *name = plan->files; name && *name; name++)
        if (strcmp(*name, writer->name) == 0)
            return true;
    return false;
}

/* Says in the report why a file is not there. */
static void note_refusal(struct tree_builder *b, uint32_t plan, const char *file_name,
                         const char *refusal)
{
    wfs_buf_printf(&b->renamed, "%s/%s\tis not listed: ", b->session->plans[plan]->view, file_name);
    wfs_buf_visible(&b->renamed, refusal);
    wfs_buf_char(&b->renamed, '\n');
}

static int add_writer_file(struct tree_builder *b, uint32_t dir, uint32_t plan,
                           const struct wfs_writer *writer, struct wfs_error *err)
{
    struct wfs_session *session = b->session;
    bool whole = session->plans[plan]->is_source && strcmp(writer->name, "safetensors") == 0 &&
                 session->catalog->whole_safetensors_file != WFS_NO_INDEX;
    struct wfs_manifest manifest;
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    if (!arena || (!whole && make_manifest(session, plan, arena, &manifest, err)))
        return wfs_error_nomem(err, "the tree");
    const char *refusal = !whole && writer->refuses ? writer->refuses(&manifest, arena) : NULL;
    if (refusal) {
        note_refusal(b, plan, writer->file_name, refusal);
        return 0;
    }
    if (!tree_add_file(b, dir, writer->file_name, whole ? plan_whole_source : plan_writer_file,
                       writer, plan))
        return wfs_error_nomem(err, "the tree");
    return 0;
}

/* ---- sharded sets (-o shards=SIZE, views of PyTorch's names) ------------------------------- */

/* One file of a set: a shard, or its index. */
struct shard_file {
    const struct wfs_shard *shards;
    uint32_t n, at; /* at == n: the index */
};

static int plan_shard_file(const struct wfs_session *session, const struct tree_file *file,
                           struct wfs_arena *arena, const struct wfs_vfile **ret,
                           struct wfs_error *err)
{
    const struct shard_file *ctx = file->ctx;
    (void)session;
    if (ctx->at == ctx->n)
        return wfs_shards_index(ctx->shards, ctx->n, arena, ret, err);
    return wfs_writer_by_name("safetensors")->plan(&ctx->shards[ctx->at].manifest, arena, ret, err);
}

static int add_shard_files(struct tree_builder *b, uint32_t dir, uint32_t plan,
                           struct wfs_error *err)
{
    struct wfs_session *session = b->session;
    struct wfs_manifest manifest;
    const struct wfs_shard *shards;
    uint32_t n = 0;
    if (make_manifest(session, plan, session->arena, &manifest, err))
        return wfs_error_nomem(err, "the tree");
    const struct wfs_writer *writer = wfs_writer_by_name("safetensors");
    const char *refusal = writer->refuses(&manifest, session->arena);
    if (refusal) {
        note_refusal(b, plan, writer->file_name, refusal);
        return 0;
    }
    int r =
        wfs_shards_split(&manifest, session->options.shard_bytes, session->arena, &shards, &n, err);
    uint32_t n_files = n > 1 ? n + 1 : 1; /* one file alone wants no index */
    for (uint32_t i = 0; !r && i < n_files; i++) {
        struct shard_file *ctx = wfs_arena_alloc(session->arena, sizeof(*ctx));
        const char *name = i < n ? shards[i].file_name : WFS_SHARDS_INDEX_NAME;
        if (ctx)
            *ctx = (struct shard_file){.shards = shards, .n = n, .at = i};
        if (!ctx || !tree_add_file(b, dir, name, plan_shard_file, ctx, plan))
            r = wfs_error_nomem(err, "the tree");
    }
    return r;
}

static bool wants_shards(const struct wfs_session *session, const struct wfs_plan *plan)
{
    return session->options.shard_bytes && plan->format_tag && strcmp(plan->format_tag, "pt") == 0;
}

/* ---- passed-through files ------------------------------------------------------------------ */

struct side_names {
    struct tree_builder *b;
    uint32_t dir, plan;       /* the view's */
    struct wfs_strmap by_rel; /* path below the view's directory -> node */
};

/* What the view shows of its own: tensors/ and the loader files. */
static int know_own_names(struct side_names *names)
{
    const struct build_node *nodes = names->b->nodes;
    int r = 0;
    for (uint32_t i = nodes[names->dir].first; i != WFS_NO_INDEX && !r; i = nodes[i].next)
        r = wfs_strmap_set(&names->by_rel, nodes[i].name, i);
    return r;
}

static uint32_t rel_node(const struct side_names *names, const char *rel)
{
    uint64_t node;
    return wfs_strmap_get(&names->by_rel, rel, &node) ? (uint32_t)node : WFS_NO_INDEX;
}

/* The directory of a side file, made where it is missing; WFS_NO_INDEX in *ret where a virtual file
 * or tensors/ has that name. */
static int side_dir(struct side_names *names, const char *name, uint32_t n_own, uint32_t *ret)
{
    struct wfs_arena *arena = names->b->session->arena;
    uint32_t dir = names->dir;
    const char *start = name;
    for (const char *slash; (slash = strchr(start, '/')); start = slash + 1) {
        char *rel = wfs_arena_strndup(arena, name, (size_t)(slash - name));
        if (!rel)
            return -ENOMEM;
        uint32_t found = rel_node(names, rel);
        if (found != WFS_NO_INDEX &&
            (found < n_own || names->b->nodes[found].kind != WFS_NODE_DIR)) {
            *ret = WFS_NO_INDEX;
            return 0;
        }
        dir = found != WFS_NO_INDEX ? found : tree_add_dir(names->b, dir, rel + (start - name));
        if (dir == WFS_NO_INDEX ||
            (found == WFS_NO_INDEX && wfs_strmap_set(&names->by_rel, rel, dir)))
            return -ENOMEM;
    }
    *ret = dir;
    return 0;
}

static int add_side_file(struct side_names *names, const struct wfs_side_file *side, uint32_t n_own)
{
    struct tree_builder *b = names->b;
    const char *slash = strrchr(side->name, '/');
    uint32_t dir;
    int r = side_dir(names, side->name, n_own, &dir);
    if (r)
        return r;
    if (dir == WFS_NO_INDEX || rel_node(names, side->name) != WFS_NO_INDEX) {
        wfs_buf_printf(&b->renamed, "%s/", b->session->plans[names->plan]->view);
        wfs_buf_visible(&b->renamed, side->name);
        wfs_buf_str(&b->renamed, "\tof the source is hidden by a virtual file of that name\n");
        return 0;
    }
    uint32_t node = (uint32_t)b->n;
    struct tree_file *file =
        tree_add_file(b, dir, slash ? slash + 1 : side->name, NULL, NULL, names->plan);
    if (!file)
        return -ENOMEM;
    file->side = side;
    return wfs_strmap_set(&names->by_rel, side->name, node);
}

static int add_side_files(struct tree_builder *b, uint32_t dir, uint32_t plan,
                          struct wfs_error *err)
{
    const struct wfs_catalog *catalog = b->session->catalog;
    struct side_names names = {.b = b, .dir = dir, .plan = plan};
    uint32_t n_own = (uint32_t)b->n; /* what is added from here on are side files */
    int r = know_own_names(&names);
    for (uint32_t i = 0; i < catalog->n_side_files && !r; i++)
        r = add_side_file(&names, &catalog->side_files[i], n_own);
    wfs_strmap_free(&names.by_rel);
    return r ? wfs_error_nomem(err, "the tree") : 0;
}

int tree_add_view_files(struct tree_builder *b, uint32_t dir, uint32_t plan, struct wfs_error *err)
{
    const struct wfs_session *session = b->session;
    int r = wfs_writers_check(session->plans[plan]->files, session->plans[plan]->view, err);
    if (r)
        return r;
    bool shards = wants_shards(session, session->plans[plan]);
    if (shards && !is_wanted(session, session->plans[plan], wfs_writer_by_name("safetensors"))) {
        note_refusal(b, plan, WFS_SHARDS_INDEX_NAME,
                     "-o files= leaves safetensors out, so -o shards= has no effect");
        shards = false;
    }
    const struct wfs_writer *w;
    for (uint32_t i = 0; (w = wfs_writer(i)) && !r; i++)
        if (is_wanted(session, session->plans[plan], w) &&
            !(shards && strcmp(w->name, "safetensors") == 0))
            r = add_writer_file(b, dir, plan, w, err);
    if (shards && !r)
        r = add_shard_files(b, dir, plan, err);
    return r ? r : add_side_files(b, dir, plan, err);
}
