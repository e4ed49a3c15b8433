/*
 * plain_config.c - see plain_config.h. The text is cut from the checkpoint's own when it is first asked
 * for; nothing but the members that go, and their commas, differs.
 */
#include "tree/contents/plain_config.h"

#include <stdlib.h>
#include <string.h>

#include "tree/contents/json_cut.h"

#define CONFIG "config.json"

static const char *const cut[] = {"quantization_config", "compression_config", "quantization",
                                  NULL};

static const struct wfs_side_file *find_config(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_side_files; i++)
        if (strcmp(catalog->side_files[i].name, CONFIG) == 0)
            return &catalog->side_files[i];
    return NULL;
}

/* What the planner reads of it is bounded by as much. */
#define CONFIG_MAX_BYTES (64u << 20)

/* The whole text, malloc'd. */
static int read_all(const struct wfs_catalog *catalog, char **ret, size_t *ret_len,
                    struct wfs_error *err)
{
    struct wfs_bytes *bytes;
    char *text = NULL;
    int r = wfs_bytes_open(catalog->config_path, &bytes, err);
    if (r)
        return r;
    r = wfs_catalog_check_link(catalog, catalog->config_path, bytes, err);
    if (!r && bytes->size_bytes > CONFIG_MAX_BYTES)
        r = wfs_error_set(err, EFBIG, "%s: larger than %u bytes", catalog->config_path,
                          CONFIG_MAX_BYTES);
    if (!r && !(text = malloc((size_t)bytes->size_bytes + 1)))
        r = wfs_error_nomem(err, CONFIG);
    if (!r)
        r = wfs_bytes_read(bytes, text, (size_t)bytes->size_bytes, 0, err);
    *ret = text;
    *ret_len = (size_t)bytes->size_bytes;
    wfs_bytes_unref(bytes);
    return r;
}

static int plan_config(const struct wfs_session *session, const struct wfs_tree_file *file,
                       struct wfs_arena *arena, const struct wfs_vfile **ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_freep) char *text = NULL;
    wfs_cleanup(wfs_buf_free) struct wfs_buf plain = {0};
    size_t len;
    (void)file;
    int r = read_all(session->catalog, &text, &len, err);
    if (r)
        return r;
    wfs_json_cut(text, len, cut, &plain);
    if (!wfs_buf_ok(&plain))
        return wfs_error_nomem(err, CONFIG);
    struct wfs_vfile_builder b = {.arena = arena};
    wfs_vfile_add_literal(&b, plain.data, plain.len);
    return wfs_vfile_finish(&b, ret, err);
}

int wfs_tree_add_plain_config(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                              struct wfs_error *err)
{
    const struct wfs_session *session = b->session;
    if (!session->plans[plan]->is_dequantised || !find_config(session->catalog) ||
        !session->catalog->config_path)
        return 0;
    return wfs_tree_add_file(b, dir, CONFIG, plan_config, NULL, plan)
               ? 0
               : wfs_error_nomem(err, "the tree");
}

bool wfs_is_quantiser_file(const char *name)
{
    static const char *const names[] = {"quantize_config.json", "quant_config.json", NULL};
    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}
