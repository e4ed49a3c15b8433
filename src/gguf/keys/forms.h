/*
 * forms.h - the values of a table's statements.
 */
#ifndef WEIGHTFS_GGUF_KEYS_FORMS_H
#define WEIGHTFS_GGUF_KEYS_FORMS_H

#include "gguf/inputs.h"
#include "gguf/keys/table.h"
#include "mapping/eval/evaluator.h"

/* A scalar, or a list of them. */
struct wfs_keys_result {
    struct wfs_value value; /* NONE where it is not known, and of a list */
    bool is_list;
    uint32_t n;
    const struct wfs_value *items; /* in the arena */
};
/* Where a value is computed. */
struct wfs_keys_scope {
    struct wfs_arena *arena;
    const struct wfs_catalog *catalog;
    struct wfs_evaluator *evaluator; /* knows `layers` */
};

/* What is not known is -EINVAL and named, or NONE with is_optional. */
int wfs_keys_value(const struct wfs_keys_scope *scope, const struct wfs_keys_value *value,
                   bool is_optional, struct wfs_keys_result *ret, struct wfs_error *err);

/* A value as JSON, which the caller frees: null of no value; NULL when out of memory. */
struct json_t;
struct json_t *wfs_keys_json(const struct wfs_value *value);

#endif
