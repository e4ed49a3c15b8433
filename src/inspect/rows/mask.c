/*
 * mask.c - weight-decay masks by PCRE2, whose dialect covers what people write for Python's re.
 */
#include "inspect/rows/mask.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* How often a pattern may backtrack: one that would take for ever is an error. */
#define MASK_MATCH_LIMIT  1000000
#define MASK_PATTERNS_MAX 256

struct mask {
    size_t n;
    const char *const *patterns;
    pcre2_code *codes[MASK_PATTERNS_MAX];
    pcre2_match_context *context;
    pcre2_match_data *data;
};

static void mask_free(struct mask *mask)
{
    for (size_t i = 0; i < mask->n; i++)
        pcre2_code_free(mask->codes[i]);
    pcre2_match_data_free(mask->data);
    pcre2_match_context_free(mask->context);
}

static int compile(struct mask *mask, const char *pattern, struct wfs_error *err)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    if (!compiled) {
        char why[256];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
        return wfs_error_set(err, EINVAL, "the regular expression '%s', at character %zu: %s",
                             pattern, (size_t)at, why);
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    mask->codes[mask->n++] = compiled;
    return 0;
}

static int mask_init(struct mask *mask, const char *const *patterns, struct wfs_error *err)
{
    mask->patterns = patterns;
    mask->context = pcre2_match_context_create(NULL);
    mask->data = pcre2_match_data_create(1, NULL);
    if (!mask->context || !mask->data)
        return wfs_error_nomem(err, "regular expressions");
    pcre2_set_match_limit(mask->context, MASK_MATCH_LIMIT);
    for (size_t i = 0; patterns[i]; i++) {
        int r =
            mask->n < MASK_PATTERNS_MAX
                ? compile(mask, patterns[i], err)
                : wfs_error_set(err, EINVAL, "more than %d regular expressions", MASK_PATTERNS_MAX);
        if (r)
            return r;
    }
    return 0;
}

/* The path as get_param_mask_fn joins it: no component is escaped. */
static void add_plain_name(struct wfs_buf *out, const char *path)
{
    wfs_name_to_bytes(out, path);
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == WFS_SEP)
            out->data[i] = '.';
}

/* Whether any pattern is found in the name. */
static int mask_search(const struct mask *mask, const struct wfs_buf *name, bool *ret,
                       struct wfs_error *err)
{
    *ret = false;
    for (size_t i = 0; i < mask->n && !*ret; i++) {
        int m = pcre2_match(mask->codes[i], (PCRE2_SPTR)(name->len ? name->data : ""), name->len, 0,
                            0, mask->data, mask->context);
        if (m < 0 && m != PCRE2_ERROR_NOMATCH)
            return wfs_error_set(err, EINVAL, "the regular expression '%s' gives up on '%s'",
                                 mask->patterns[i], name->len ? name->data : "");
        *ret = m >= 0;
    }
    return 0;
}

static int apply(struct wfs_inspect_rows *rows, const char *const *patterns, bool excludes,
                 struct wfs_error *err)
{
    struct mask mask = {0};
    int r = mask_init(&mask, patterns, err);
    for (uint32_t i = 0; i < rows->n && !r; i++) {
        struct wfs_buf name wfs_cleanup(wfs_buf_free) = {0};
        bool found = false;
        add_plain_name(&name, rows->rows[i].path);
        r = wfs_buf_ok(&name) ? mask_search(&mask, &name, &found, err)
                              : wfs_error_nomem(err, "a name");
        rows->rows[i].weight_decay = (int8_t)(found != excludes);
    }
    mask_free(&mask);
    return r;
}

int wfs_mask_apply(struct wfs_inspect_rows *rows, const char *const *exclude,
                   const char *const *include, struct wfs_error *err)
{
    bool excludes = exclude && exclude[0], includes = include && include[0];
    if (excludes && includes)
        return wfs_error_set(err, EINVAL,
                             "--decay-exclude and --decay-include cannot be given together");
    if (!excludes && !includes)
        return 0;
    return apply(rows, excludes ? exclude : include, excludes, err);
}
