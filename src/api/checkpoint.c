/*
 * checkpoint.c - opens and closes a checkpoint for a program that uses the library.
 *
 * A checkpoint is a session (the catalog, one view's plan and the tree) with a cache in memory. All
 * that a description points at is made here, so that describing takes no lock and cannot fail.
 */
#include "api/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "api/options.h"

_Static_assert(WFS_ERROR_MESSAGE_MAX <= WFS_FAILURE_MESSAGE_MAX, "every message fits");

const char *wfs_library_version(void)
{
    return WFS_VERSION;
}

int wfs_api_fail(int r, const struct wfs_error *err, struct wfs_failure *failure)
{
    if (r && failure) {
        failure->code = -r;
        memcpy(failure->message, err->message, sizeof(err->message));
    }
    return r;
}

int wfs_api_describe(void *ret, const void *description, struct wfs_error *err)
{
    size_t known = *(const size_t *)description, wanted = *(const size_t *)ret;
    if (wanted < sizeof(size_t))
        return wfs_error_set(err, EINVAL, "struct_size is not set");
    memset(ret, 0, wanted);
    memcpy(ret, description, wfs_min_u64(known, wanted));
    *(size_t *)ret = wanted;
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static int describe_tensor(struct wfs_checkpoint *checkpoint, const struct wfs_plan *plan,
                           const struct wfs_target *target, struct wfs_api_tensor *ret)
{
    const struct wfs_tensor *tensors = checkpoint->session->catalog->tensors;
    const char **sources =
        wfs_arena_array(checkpoint->arena, target->n_sources + 1u, sizeof(*sources));
    const char *name = wfs_path_join_dup(checkpoint->arena, target->path, plan->sep);
    if (!sources || !name)
        return -ENOMEM;
    for (uint32_t i = 0; i < target->n_sources; i++)
        sources[i] = tensors[target->sources[i]].name;
    *ret = (struct wfs_api_tensor){.expr = target->expr,
                                   .hash = wfs_expr_hash(target->expr),
                                   .name = name,
                                   .operations = target->operations,
                                   .n_sources = target->n_sources,
                                   .sources = sources};
    return 0;
}

/* Names that differ in components ("a.b" of one, and of two) may be joined to the same text. */
static int add_name(struct wfs_strmap *by_name, const char *name, uint32_t index)
{
    uint64_t other;
    bool is_taken = wfs_strmap_get(by_name, name, &other);
    return wfs_strmap_set(by_name, name, is_taken ? WFS_API_AMBIGUOUS : index);
}

static int describe_tensors(struct wfs_checkpoint *checkpoint, struct wfs_error *err)
{
    const struct wfs_session *session = checkpoint->session;
    const struct wfs_plan *plan = session->plans[session->n_plans - 1]; /* the view, or source/ */
    checkpoint->n_tensors = plan->n_targets;
    checkpoint->tensors =
        wfs_arena_array(checkpoint->arena, plan->n_targets + 1u, sizeof(*checkpoint->tensors));
    int r = checkpoint->tensors ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < plan->n_targets && !r; i++) {
        r = describe_tensor(checkpoint, plan, &plan->targets[i], &checkpoint->tensors[i]);
        if (!r)
            r = add_name(&checkpoint->by_name, checkpoint->tensors[i].name, i);
    }
    return r ? wfs_error_nomem(err, "the names of the tensors") : 0;
}

/* ---- opening and closing ------------------------------------------------------------------- */

static int start(struct wfs_checkpoint *checkpoint, const struct wfs_api_options *options,
                 struct wfs_error *err)
{
    struct wfs_cache_options cache = options->cache;
    checkpoint->arena = wfs_arena_new();
    if (!checkpoint->arena)
        return wfs_error_nomem(err, "a checkpoint");
    int r = wfs_session_open(&options->session, &checkpoint->session, err);
    if (!r)
        r = wfs_session_prove_casts(checkpoint->session, &options->cache, err);
    if (r)
        return r;
    wfs_session_cache_options(checkpoint->session, &cache);
    r = wfs_cache_new(&cache, &checkpoint->session->cache, err);
    if (!r)
        r = describe_tensors(checkpoint, err);
    if (r)
        return r;
    wfs_session_warnings(checkpoint->session, &checkpoint->warnings);
    return wfs_buf_ok(&checkpoint->warnings) ? 0 : wfs_error_nomem(err, "the warnings");
}

int wfs_checkpoint_open(const char *path, const char *const *options,
                        struct wfs_checkpoint **ret_checkpoint, struct wfs_failure *failure)
{
    struct wfs_error err = {0};
    struct wfs_api_options parsed;
    struct wfs_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (!checkpoint)
        return wfs_api_fail(wfs_error_nomem(&err, "a checkpoint"), &err, failure);
    int r = wfs_api_options_parse(path, options, &parsed, &err);
    if (!r)
        r = start(checkpoint, &parsed, &err);
    wfs_api_options_free(&parsed);
    if (r) {
        wfs_checkpoint_close(checkpoint);
        return wfs_api_fail(r, &err, failure);
    }
    *ret_checkpoint = checkpoint;
    return 0;
}

void wfs_checkpoint_close(struct wfs_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    wfs_session_free(checkpoint->session);
    wfs_strmap_free(&checkpoint->by_name);
    wfs_buf_free(&checkpoint->warnings);
    wfs_arena_free(checkpoint->arena);
    free(checkpoint);
}

const char *wfs_checkpoint_warnings(const struct wfs_checkpoint *checkpoint)
{
    return checkpoint->warnings.len ? checkpoint->warnings.data : "";
}
