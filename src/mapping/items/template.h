/*
 * template.h - the keys and shapes that a target expects, from a checkpoint or a JSON {key: shape}.
 * Public to the stages above.
 *
 * A template whose every key begins with a collection (params, batch_stats, ...) has collections;
 * keys are then looked up without them. Its names and the source's may differ by one first
 * component (a base model against a model with a head): wfs_template_align finds it.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_TEMPLATE_H
#define WEIGHTFS_MAPPING_ITEMS_TEMPLATE_H

#include "mapping/items/item.h"

struct wfs_template_key {
    const char *path; /* whole, as the target has it */
    const char *bare; /* into path: without the collection */
    uint32_t ndim;
    const uint64_t *shape;
    bool has_dtype;
    enum wfs_dtype dtype;
    const struct wfs_expr *expr; /* NULL: a JSON template has no values */
};
struct wfs_template {
    const char *file;
    uint32_t n_keys;
    struct wfs_template_key *keys;
    struct wfs_strmap index; /* bare -> key */
    struct wfs_strmap below; /* bare without `add`, of those that begin with it -> key */
    bool has_collections;
    bool is_sep_doubtful; /* JSON: keys hold both '.' and '/', and do not tell which joins them */
    const char *add;      /* prefix that targets need, or NULL */
    const char *remove;   /* prefix that targets lose, or NULL */
};

/* A checkpoint, or JSON. All keys of a JSON template tell whether '.' or '/' joins their components;
 * `sep`, the view's, where they do not. */
int wfs_template_load(struct wfs_arena *arena, const char *path, char sep,
                      struct wfs_template **ret, struct wfs_error *err);
/* From JSON text, for the fuzzer and the file reader. */
int wfs_template_parse_json(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                            char sep, struct wfs_template **ret, struct wfs_error *err);
/* The key for a target, prefix and collection mended; WFS_NO_INDEX where there is none (or no
 * template). */
uint32_t wfs_template_find(const struct wfs_template *template, const char *path);
static inline bool wfs_template_has(const struct wfs_template *template, const char *path)
{
    return wfs_template_find(template, path) != WFS_NO_INDEX;
}
/* Decides add and remove from the names that are there. */
int wfs_template_align(struct wfs_template *template, const struct wfs_table *items,
                       struct wfs_arena *arena, struct wfs_error *err);

#endif
