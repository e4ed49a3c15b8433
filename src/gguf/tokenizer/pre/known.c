/*
 * known.c - see known.h.
 */
#include "gguf/tokenizer/pre/known.h"

#include <string.h>

#include "gguf/tokenizer/pre/known_text.h"

json_t *wfs_pre_known(void)
{
    return json_loadb(wfs_pre_known_text, wfs_pre_known_len, 0, NULL);
}

const char *wfs_pre_name(const json_t *known, const char *hash)
{
    return json_string_value(json_object_get(json_object_get(known, "hashes"), hash));
}

/* ---- one spelling -------------------------------------------------------------------------- */

static bool is_type(const json_t *step, const char *type)
{
    const char *is = json_string_value(json_object_get(step, "type"));
    return is && strcmp(is, type) == 0;
}

/* Appends the steps of a pre-tokenizer to a list, sequences inside sequences unrolled; each is a copy
 * without trim_offsets, which moves no cut. Nesting is bounded: it was read with WFS_JSON_MAX_DEPTH. */
static int unroll(const json_t *pre_tokenizer, json_t *list)
{
    if (is_type(pre_tokenizer, "Sequence")) {
        const json_t *inner = json_object_get(pre_tokenizer, "pretokenizers");
        int r = 0;
        for (size_t i = 0; !r && i < json_array_size(inner); i++)
            r = unroll(json_array_get(inner, i), list);
        return r;
    }
    json_t *copy = json_copy((json_t *)pre_tokenizer);
    if (!copy || json_array_append_new(list, copy))
        return -ENOMEM;
    json_object_del(copy, "trim_offsets");
    if (is_type(copy, "ByteLevel") && !json_object_get(copy, "use_regex"))
        return json_object_set_new(copy, "use_regex", json_true()) ? -ENOMEM : 0;
    return 0;
}

/* A text that one expression matches throughout is cut alike by "matches are kept, the rest is removed"
 * and by "matches stand alone". The expressions that end in "|\s+" and stand first are such. */
static int keep_matches(json_t *list)
{
    json_t *step = json_array_get(list, 0);
    const char *regex =
        json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(step, "behavior"));
    size_t len = regex ? strlen(regex) : 0;
    if (json_array_size(list) != 2 || !is_type(step, "Split") || !behavior ||
        strcmp(behavior, "Removed") != 0 || !json_is_true(json_object_get(step, "invert")) ||
        len < 4 || strcmp(regex + len - 4, "|\\s+") != 0)
        return 0;
    return json_object_set_new(step, "behavior", json_string("Isolated")) ||
                   json_object_set_new(step, "invert", json_false())
               ? -ENOMEM
               : 0;
}

/* NULL when out of memory. */
static json_t *one_spelling(const json_t *pre_tokenizer)
{
    json_t *list = json_array();
    if (list && (unroll(pre_tokenizer, list) || keep_matches(list))) {
        json_decref(list);
        return NULL;
    }
    return list;
}

const json_t *wfs_pre_cuts(const json_t *known, const json_t *pre_tokenizer, int *r)
{
    const json_t *rows = json_object_get(known, "cuts"), *found = NULL;
    json_t *asked = one_spelling(pre_tokenizer);
    *r = asked ? 0 : -ENOMEM;
    for (size_t i = 0; !*r && !found && i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        json_t *own = one_spelling(json_object_get(row, "pre_tokenizer"));
        if (!own)
            *r = -ENOMEM;
        else if (json_equal(own, asked))
            found = row;
        json_decref(own);
    }
    json_decref(asked);
    return *r ? NULL : found;
}
