/*
 * check.c - what would happen if this checkpoint were loaded into that target: Caten's warnings of
 * load-state-dict, before anything is loaded.
 */
#include "inspect/inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/check/constant.h"
#include "inspect/rows/names.h"

static const char *const kind_names[WFS_N_CHECK_KINDS] = {"unused", "missing", "shape-mismatch",
                                                          "dtype-mismatch", "uninitialised"};

static const char *kind_name(enum wfs_check_kind kind)
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
    struct wfs_names_side rows_side, keys_side;
    bool *key_used;
    struct wfs_check_entry *entries;
    uint32_t n;
};

/* A row: unused, or of another shape and dtype; and with one value everywhere. */
#define ENTRIES_A_ROW 3

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

/* The dtypes are equal: is what makes numbers of the integers? */
static bool is_same_quantisation(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void compare(struct checking *c, const char *name, const struct wfs_inspect_row *row,
                    const struct wfs_check_key *key)
{
    const struct wfs_expr *expr = row->expr;
    const char *quantised = row->quantised ? row->quantised->text : NULL;
    if (!wfs_shape_equal(expr->ndim, expr->shape, key->ndim, key->shape))
        add(c, WFS_CHECK_SHAPE, name, shapes_text(c->arena, expr, key));
    if (key->has_dtype && key->dtype != expr->dtype)
        add(c, WFS_CHECK_DTYPE, name,
            wfs_arena_printf(c->arena, "%s against %s", wfs_dtype_info(expr->dtype)->name,
                             wfs_dtype_info(key->dtype)->name));
    else if (key->has_dtype && !is_same_quantisation(quantised, key->quantised))
        add(c, WFS_CHECK_DTYPE, name,
            wfs_arena_printf(c->arena, "%s against %s", quantised ? quantised : "not quantised",
                             key->quantised ? key->quantised : "not quantised"));
}

static int pair_names(struct checking *c, struct wfs_error *err)
{
    const char **rows = wfs_arena_array(c->arena, c->rows_side.n + 1, sizeof(*rows));
    const char **keys = wfs_arena_array(c->arena, c->keys_side.n + 1, sizeof(*keys));
    if (!rows || !keys)
        return wfs_error_nomem(err, "a check");
    for (size_t i = 0; i < c->rows_side.n; i++)
        rows[i] = c->rows->rows[i].dotted;
    for (size_t i = 0; i < c->keys_side.n; i++)
        keys[i] = c->keys[i].name;
    c->rows_side.names = rows;
    c->keys_side.names = keys;
    return wfs_names_pair(c->arena, &c->rows_side, &c->keys_side, err);
}

static void compare_names(struct checking *c)
{
    for (size_t i = 0; i < c->rows_side.n; i++) {
        const struct wfs_inspect_row *row = &c->rows->rows[i];
        uint64_t key;
        if (!wfs_strmap_get(&c->keys_side.index, c->rows_side.keys[i], &key)) {
            add(c, WFS_CHECK_UNUSED, row->dotted, NULL);
            continue;
        }
        c->key_used[key] = true;
        compare(c, row->dotted, row, &c->keys[key]);
    }
    for (size_t i = 0; i < c->keys_side.n; i++)
        if (!c->key_used[i])
            add(c, WFS_CHECK_MISSING, c->keys[i].name, NULL);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Where one value everywhere says nothing: norms start as ones, biases as zeros, integers are
 * buffers and counters. A vector of ones is a norm, whatever its name. A view may have no names for
 * them (Keras counts a layer's variables): its sources' count too. */
static bool may_be_constant(const struct wfs_inspect_row *row, double value)
{
    return row->expr->n_elems < 2 || !wfs_dtype_is_float(row->expr->dtype) ||
           (row->expr->ndim <= 1 && value == 1.0) || wfs_constant_is_usual(row->path) ||
           (row->source && wfs_constant_is_usual(row->source));
}

/* What every element is; NULL where they differ. */
static const char *constant_text(struct wfs_arena *arena, const struct wfs_stats *s)
{
    if (s->n_nan == s->n)
        return "every element is NaN";
    if (s->n_nan || s->min != s->max)
        return NULL;
    return wfs_arena_printf(arena, "every element is %g", s->min);
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
        const char *text = known[i] && stats[i].n ? constant_text(c->arena, &stats[i]) : NULL;
        if (text && (stats[i].n_nan || !may_be_constant(&c->rows->rows[i], stats[i].min)))
            add(c, WFS_CHECK_UNINITIALISED, c->rows->rows[i].dotted, text);
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
    size_t n = ENTRIES_A_ROW * c->rows_side.n + c->keys_side.n;
    c->key_used = wfs_arena_array(c->arena, c->keys_side.n + 1, sizeof(*c->key_used));
    c->entries = wfs_arena_array(c->arena, n + 1, sizeof(*c->entries));
    if (!c->key_used || !c->entries)
        return wfs_error_nomem(err, "a check");
    int r = pair_names(c, err);
    if (!r)
        compare_names(c);
    if (!r && run)
        r = look_at_values(c, run, err);
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
    struct checking c = {.arena = arena,
                         .rows = rows,
                         .keys = keys,
                         .rows_side = {.n = rows->n},
                         .keys_side = {.n = n_keys}};
    int r = make_check(&c, run, err);
    wfs_names_free(&c.rows_side);
    wfs_names_free(&c.keys_side);
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

/* ---- output -------------------------------------------------------------------------------- */

void wfs_check_text(const struct wfs_check *check, struct wfs_buf *out)
{
    for (uint32_t i = 0; i < check->n; i++) {
        const struct wfs_check_entry *e = &check->entries[i];
        wfs_buf_printf(out, "%-15s ", kind_name(e->kind));
        wfs_buf_visible(out, e->name);
        wfs_buf_str(out, *e->text ? ": " : "");
        wfs_buf_visible(out, e->text);
        wfs_buf_char(out, '\n');
    }
    const char *comma = "";
    for (int k = 0; k < WFS_N_CHECK_KINDS; k++) {
        if (!check->n_by_kind[k])
            continue;
        wfs_buf_printf(out, "%s%" PRIu32 " %s", comma, check->n_by_kind[k],
                       kind_name((enum wfs_check_kind)k));
        comma = ", ";
    }
    wfs_buf_str(out, check->n ? "\n" : "every key is there, with its shape and dtype\n");
}

void wfs_check_json(const struct wfs_check *check, struct wfs_buf *out)
{
    wfs_buf_char(out, '{');
    uint32_t i = 0;
    for (int k = 0; k < WFS_N_CHECK_KINDS; k++) {
        wfs_buf_printf(out, "%s\"%s\": [", k ? ",\n " : "", kind_name((enum wfs_check_kind)k));
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
