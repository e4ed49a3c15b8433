/*
 * files.c - see files.h.
 */
#include "gguf/tokenizer/read/files.h"

#include <string.h>

/* No model has a larger vocabulary; tables of this size still fit in memory. */
#define VOCAB_MAX (UINT32_C(1) << 24)

bool wfs_tokenizer_is_arch(const struct wfs_tokenizer_files *files, const char *const *archs)
{
    for (; *archs; archs++)
        if (strcmp(files->in->arch, *archs) == 0)
            return true;
    return false;
}

int wfs_tokenizer_number(const struct wfs_tokenizer_files *files, const char *key,
                         uint32_t fallback, uint32_t *ret, struct wfs_error *err)
{
    const json_t *v = json_object_get(files->in->hparams, key);
    if ((!v || json_is_null(v)) && fallback == WFS_NO_INDEX)
        return wfs_error_set(err, EINVAL, "config.json: no '%s': the tokenizer's keys need it",
                             key);
    if (v && !json_is_null(v) &&
        (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX))
        return wfs_error_set(err, EINVAL, "config.json: '%s' is no whole number of 0 to 2^31 - 1",
                             key);
    *ret = v && !json_is_null(v) ? (uint32_t)json_integer_value(v) : fallback;
    return 0;
}

const char *wfs_tokenizer_setting(const struct wfs_tokenizer_files *files, const char *name)
{
    const char *found = NULL;
    size_t len = strlen(name);
    for (const char *const *set = files->in->set; set && *set; set++)
        if (strncmp(*set, name, len) == 0 && (*set)[len] == '=')
            found = *set + len + 1;
    return found;
}

/* Mamba's embedding is padded to a multiple, as its first code did it. */
static int read_vocab_size(struct wfs_tokenizer_files *files, struct wfs_error *err)
{
    uint32_t size, multiple = 1;
    int r = wfs_tokenizer_number(files, "vocab_size", WFS_NO_INDEX, &size, err);
    if (!r && WFS_IS_ARCH(files, "mamba", "granitehybrid"))
        r = wfs_tokenizer_number(files, "pad_vocab_size_multiple", 8, &multiple, err);
    else if (!r && WFS_IS_ARCH(files, "mamba2"))
        r = wfs_tokenizer_number(files, "pad_vocab_size_multiple", 16, &multiple, err);
    if (r)
        return r;
    if (size == 0 || size > VOCAB_MAX || multiple == 0 || multiple > VOCAB_MAX)
        return wfs_error_set(err, EINVAL,
                             "config.json: vocab_size %u (in multiples of %u): not 1 to %u", size,
                             multiple, VOCAB_MAX);
    files->vocab_size = (uint32_t)wfs_round_up_u64(size, multiple);
    return 0;
}

int wfs_tokenizer_files_read(struct wfs_arena *arena, const struct wfs_gguf_tokenizer_inputs *in,
                             struct wfs_tokenizer_files *ret, struct wfs_error *err)
{
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    *ret = (struct wfs_tokenizer_files){.arena = arena, .in = in};
    int r = read_vocab_size(ret, err);
    if (!r)
        r = wfs_side_json(arena, in->catalog, WFS_TOKENIZER_CONFIG, &ret->config, err);
    if (!r)
        r = wfs_side_open(in->catalog, WFS_TOKENIZER_JSON, &bytes, err);
    ret->has_json = bytes != NULL;
    if (!r && bytes)
        r = wfs_tokenizer_json_read(arena, bytes, WFS_TOKENIZER_JSON, &ret->json, err);
    return r;
}

void wfs_tokenizer_files_free(struct wfs_tokenizer_files *files)
{
    wfs_tokenizer_json_free(&files->json);
}
