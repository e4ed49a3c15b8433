/*
 * export_target.c - finds what an export writes, and keeps it off the checkpoint itself.
 */
#include "cli/export_target.h"

#include <string.h>
#include <sys/stat.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static uint32_t lookup(const struct wfs_session *session, const struct wfs_plan *plan,
                       const char *name)
{
    uint32_t dir = wfs_tree_lookup(session->tree, 0, plan->view);
    uint32_t node = dir == WFS_NO_INDEX ? dir : wfs_tree_lookup(session->tree, dir, name);
    if (node == WFS_NO_INDEX || wfs_tree_node(session->tree, node)->kind != WFS_NODE_VFILE)
        return WFS_NO_INDEX;
    return node;
}

static int not_there(const struct wfs_session *session, const struct wfs_plan *plan,
                     const char *name, const char *loader_file, struct wfs_error *err)
{
    const char *files = session->options.files;
    uint32_t i = 0;
    while (session->plans[i] != plan)
        i++;
    const char *why = wfs_session_why_unlisted(session, i, loader_file ? loader_file : name);
    if (why)
        return wfs_error_set(err, ENOENT, "%s/%s is not listed: %s", plan->view,
                             loader_file ? loader_file : name, why);
    if (!loader_file)
        return wfs_error_set(
            err, ENOENT, "%s: no file of a view is called so; --as NAME says which is meant", name);
    if (strcmp(loader_file, wfs_writer_by_name("safetensors")->file_name) == 0 &&
        lookup(session, plan, WFS_SHARDS_INDEX_NAME) != WFS_NO_INDEX)
        return wfs_error_set(err, ENOENT, "%s/%s is not there but in shards; --as NAME names one",
                             plan->view, loader_file);
    if (files && strcmp(files, "all") != 0)
        return wfs_error_set(err, ENOENT, "%s/%s is not there: -o files=%s", plan->view,
                             loader_file, files);
    return wfs_error_set(err, ENOENT, "%s/%s is not there: -o files=%s shows it", plan->view,
                         loader_file, wfs_writer_by_extension(loader_file)->name);
}

/* The loader file that the writer's extension and, for GGUF, the type in the name tell; a type that
 * cannot be made is never taken for model.gguf. */
static int loader_file_of(const char *name, const struct wfs_writer *writer, const char **ret,
                          struct wfs_error *err)
{
    const struct wfs_gguf_file_type *type = NULL;
    *ret = writer->file_name;
    if (strcmp(writer->name, "gguf") != 0 || strcmp(name, writer->file_name) == 0)
        return 0;
    if (!wfs_gguf_file_type_in_name(name, &type))
        return wfs_error_set(
            err, EINVAL,
            "%s: no GGUF file of this type is made (it needs an importance matrix, or "
            "is not known); --as model.gguf takes the name for another",
            name);
    if (type)
        *ret = type->file_name;
    return 0;
}

void wfs_export_choose_view(struct wfs_options *options, const char *name)
{
    const struct wfs_writer *writer = wfs_writer_by_extension(base_name(name));
    if (writer && strcmp(writer->name, "gguf") == 0)
        wfs_options_default_view(options, "gguf");
}

int wfs_export_find(const struct wfs_session *session, const struct wfs_plan *plan,
                    const char *file, const char *as, uint32_t *ret_node, struct wfs_error *err)
{
    const char *name = as ? as : base_name(file);
    if (!*base_name(file))
        return wfs_error_set(err, EISDIR, "%s: a directory; name the file in it", file);
    const struct wfs_writer *writer = wfs_writer_by_name(name);
    if (!writer && !as)
        writer = wfs_writer_by_extension(name);
    const char *loader_file = NULL;
    int r = writer ? loader_file_of(name, writer, &loader_file, err) : 0;
    if (r)
        return r;
    uint32_t node = lookup(session, plan, name);
    if (node == WFS_NO_INDEX && loader_file)
        node = lookup(session, plan, loader_file);
    if (node == WFS_NO_INDEX)
        return not_there(session, plan, name, loader_file, err);
    *ret_node = node;
    return 0;
}

/* ---- identity ------------------------------------------------------------------------------ */

static void add_number(struct wfs_buf *out, uint64_t v)
{
    wfs_buf_printf(out, "%llu\n", (unsigned long long)v);
}

static void add_file(struct wfs_buf *out, const struct wfs_source_file *file)
{
    wfs_buf_printf(out, "%s\n", file->name);
    add_number(out, file->bytes->size_bytes);
}

/* The ctime counts too: whoever writes to a file can put its mtime back. */
static void add_state(struct wfs_buf *out, const struct wfs_source_file *file)
{
    const struct wfs_file_info *info = wfs_bytes_file_info(file->bytes);
    if (!info)
        return;
    add_number(out, info->identity.ino);
    add_number(out, (uint64_t)info->identity.mtime_ns);
    add_number(out, (uint64_t)info->identity.ctime_ns);
}

static void add_target(struct wfs_buf *out, const struct wfs_target *target)
{
    wfs_buf_printf(out, "%s\n%s\n", target->path, target->operations);
    for (uint32_t i = 0; i < target->n_sources; i++)
        add_number(out, target->sources[i]);
}

struct wfs_hash wfs_export_source_id(const struct wfs_session *session, const struct wfs_plan *plan)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_printf(&text, "%s\n%s\n", session->catalog->format, plan->chain ? plan->chain : "");
    for (uint32_t i = 0; i < session->catalog->n_files; i++)
        add_file(&text, &session->catalog->files[i]);
    for (uint32_t i = 0; i < plan->n_targets; i++)
        add_target(&text, &plan->targets[i]);
    return wfs_hash_bytes(text.data, text.len);
}

struct wfs_hash wfs_export_state_id(const struct wfs_session *session)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    for (uint32_t i = 0; i < session->catalog->n_files; i++)
        add_state(&text, &session->catalog->files[i]);
    return wfs_hash_bytes(text.data, text.len);
}

int wfs_export_check_apart(const struct wfs_session *session, const char *file,
                           struct wfs_error *err)
{
    struct stat st;
    if (stat(file, &st) == 0 && wfs_catalog_has_file(session->catalog, &st))
        return wfs_error_set(err, EINVAL, "%s: it is the checkpoint itself", file);
    return 0;
}

int wfs_export_check_target(const struct wfs_session *session, const char *file,
                            struct wfs_error *err)
{
    char *partial wfs_cleanup(wfs_freep) = NULL;
    int r = wfs_export_check_apart(session, file, err);
    if (r)
        return r;
    if (asprintf(&partial, "%s.partial", file) < 0) {
        partial = NULL;
        return wfs_error_nomem(err, file);
    }
    return wfs_export_check_apart(session, partial, err);
}
