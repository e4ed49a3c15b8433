/*
 * check.c - what would happen if this checkpoint were loaded into that target: Caten's warnings of
 * load-state-dict, before anything is loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "weightfs/inspect.h"

static const char *const kind_names[WFS_N_CHECK_KINDS] = {"unused", "missing", "shape-mismatch",
                                                          "dtype-mismatch", "uninitialised"};

const char *wfs_check_kind_name(enum wfs_check_kind kind)
{
    return kind_names[kind];
}

void wfs_check_free(struct wfs_check *check)
{
    if (check)
        wfs_arena_free(check->arena);
}

void wfs_check_freep(struct wfs_check **check)
{
    wfs_check_free(*check);
}

struct checking {
    struct wfs_arena *arena;
    const struct wfs_inspect_rows *rows;
    const struct wfs_check_key *keys;
    size_t n_keys;
    struct wfs_strmap by_name; /* key name -> key */
    bool *key_used;
    struct wfs_check_entry *entries;
    uint32_t n;
};

/* There is room for two entries a row and one a key. */
static void add(struct checking *c, enum wfs_check_kind kind, const char *name, const char *text)
{
    c->entries[c->n++] = (struct wfs_check_entry){kind, name, text ? text : ""};
}

static char *shapes_text(struct wfs_arena *arena, const struct wfs_expr *expr,
                         const struct wfs_check_key *key)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    wfs_shape_format(&text, expr->ndim, expr->shape);
    wfs_buf_str(&text, " against ");
    wfs_shape_format(&text, key->ndim, key->shape);
    return wfs_buf_ok(&text) ? wfs_arena_strdup(arena, text.data) : NULL;
}

static void compare(struct checking *c, const char *name, const struct wfs_expr *expr,
                    const struct wfs_check_key *key)
{
    if (!wfs_shape_equal(expr->ndim, expr->shape, key->ndim, key->shape))
        add(c, WFS_CHECK_SHAPE, name, shapes_text(c->arena, expr, key));
    if (key->has_dtype && key->dtype != expr->dtype)
        add(c, WFS_CHECK_DTYPE, name,
            wfs_arena_printf(c->arena, "%s against %s", wfs_dtype_info(expr->dtype)->name,
                             wfs_dtype_info(key->dtype)->name));
}

static int compare_names(struct checking *c, struct wfs_error *err)
{
    for (size_t i = 0; i < c->n_keys; i++)
        if (wfs_strmap_set(&c->by_name, c->keys[i].name, i))
            return wfs_error_nomem(err, "a check");
    for (uint32_t i = 0; i < c->rows->n; i++) {
        const struct wfs_inspect_row *row = &c->rows->rows[i];
        const char *name = wfs_path_join_dup(c->arena, row->path, '.');
        uint64_t key;
        if (!name)
            return wfs_error_nomem(err, "a check");
        if (!wfs_strmap_get(&c->by_name, name, &key)) {
            add(c, WFS_CHECK_UNUSED, name, NULL);
            continue;
        }
        c->key_used[key] = true;
        compare(c, name, row->expr, &c->keys[key]);
    }
    for (size_t i = 0; i < c->n_keys; i++)
        if (!c->key_used[i])
            add(c, WFS_CHECK_MISSING, c->keys[i].name, NULL);
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------
 */

static bool contains(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(s, words[i]))
            return true;
    return false;
}

/* Norms start as ones and zeros, biases as zeros, buffers and masks are what they are. */
static bool may_be_constant(const struct wfs_inspect_row *row)
{
    static const char *const words[] = {"norm",   "bias",         "scale",
                                        "ln_",    "bn",           "running_",
                                        "mean",   "var",          "num_batches_tracked",
                                        "mask",   "beta",         "gamma",
                                        "lambda", "position_ids", "inv_freq",
                                        "step",   "count"};
    return contains(row->path, words, WFS_ARRAY_SIZE(words)) || row->expr->n_elems < 2 ||
           !wfs_dtype_is_float(row->expr->dtype);
}

static int look_at_values(struct checking *c, const struct wfs_inspect_run *run,
                          struct wfs_error *err)
{
    uint32_t n = c->rows->n;
    struct wfs_stats *stats wfs_cleanup(wfs_freep) = calloc(n + 1, sizeof(*stats));
    bool *known wfs_cleanup(wfs_freep) = calloc(n + 1, sizeof(*known));
    if (!stats || !known)
        return wfs_error_nomem(err, "a check");
    int r = wfs_inspect_stats(c->rows, run, false, stats, known, err);
    for (uint32_t i = 0; i < n && !r; i++) {
        if (!known[i] || may_be_constant(&c->rows->rows[i]) || stats[i].n_nan ||
            stats[i].min != stats[i].max)
            continue;
        add(c, WFS_CHECK_UNINITIALISED, wfs_path_join_dup(c->arena, c->rows->rows[i].path, '.'),
            wfs_arena_printf(c->arena, "every element is %g", stats[i].min));
    }
    return r;
}

static int by_kind(const void *a, const void *b)
{
    const struct wfs_check_entry *x = a, *y = b;
    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : wfs_natural_cmp(x->name, y->name);
}

static int make_check(struct checking *c, const struct wfs_inspect_run *run, struct wfs_error *err)
{
    c->key_used = wfs_arena_array(c->arena, c->n_keys + 1, sizeof(*c->key_used));
    c->entries =
        wfs_arena_array(c->arena, 3 * (size_t)c->rows->n + c->n_keys + 1, sizeof(*c->entries));
    if (!c->key_used || !c->entries)
        return wfs_error_nomem(err, "a check");
    int r = compare_names(c, err);
    if (!r && run)
        r = look_at_values(c, run, err);
    for (uint32_t i = 0; i < c->n && !r; i++)
        if (!c->entries[i].name)
            r = wfs_error_nomem(err, "a check");
    if (!r)
        qsort(c->entries, c->n, sizeof(*c->entries), by_kind);
    return r;
}

int wfs_check_rows(const struct wfs_inspect_rows *rows, const struct wfs_check_key *keys,
                   size_t n_keys, const struct wfs_inspect_run *run, struct wfs_check **ret,
                   struct wfs_error *err)
{
    struct wfs_arena *arena wfs_cleanup(wfs_arena_freep) = wfs_arena_new();
    struct wfs_check *check = arena ? wfs_arena_alloc(arena, sizeof(*check)) : NULL;
    if (!check)
        return wfs_error_nomem(err, "a check");
    struct checking c = {.arena = arena, .rows = rows, .keys = keys, .n_keys = n_keys};
    int r = make_check(&c, run, err);
    wfs_strmap_free(&c.by_name);
    if (r)
        return r;
    check->n = c.n;
    check->entries = c.entries;
    for (uint32_t i = 0; i < c.n; i++)
        check->n_by_kind[c.entries[i].kind]++;
    check->arena = wfs_steal(&arena);
    *ret = check;
    return 0;
}

/* ---- output
 * ---------------------------------------------------------------------------------------- */

void wfs_check_text(const struct wfs_check *check, struct wfs_buf *out)
{
    for (uint32_t i = 0; i < check->n; i++) {
        const struct wfs_check_entry *e = &check->entries[i];
        wfs_buf_printf(out, "%-15s ", wfs_check_kind_name(e->kind));
        wfs_buf_visible(out, e->name);
        wfs_buf_str(out, *e->text ? ": " : "");
        wfs_buf_visible(out, e->text);
        wfs_buf_char(out, '\n');
    }
    if (check->n == 0)
        wfs_buf_str(out, "every key is there, with its shape and dtype\n");
}

void wfs_check_json(const struct wfs_check *check, struct wfs_buf *out)
{
    wfs_buf_char(out, '{');
    uint32_t i = 0;
    for (int k = 0; k < WFS_N_CHECK_KINDS; k++) {
        wfs_buf_printf(out, "%s\"%s\": [", k ? ",\n " : "",
                       wfs_check_kind_name((enum wfs_check_kind)k));
        for (const char *comma = ""; i < check->n && (int)check->entries[i].kind == k; i++) {
            wfs_buf_printf(out, "%s{\"name\": ", comma);
            wfs_buf_json(out, check->entries[i].name);
            wfs_buf_str(out, ", \"text\": ");
            wfs_buf_json(out, check->entries[i].text);
            wfs_buf_char(out, '}');
            comma = ", ";
        }
        wfs_buf_char(out, ']');
    }
    wfs_buf_str(out, "}\n");
}
