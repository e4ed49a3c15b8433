/*
 * objects_roots.c - which of a checkpoint's trees is the state dict that views map.
 *
 *     {"model": {...}, "model_ema": {...}, "optimizer": {...}, "epoch": 3}
 *
 * From the outermost container inwards: a whole module is it, whatever its children are called; a
 * child of one of the usual names is it, in their order; a container that holds tensors itself is
 * it; its only child that holds tensors, an optimizer's apart, is looked into. What has a usual
 * name is looked into only for one child beside which nothing would be left out. Several children
 * are one nested state dict, unless two of them have the same names and shapes: then nobody can
 * tell, and no tree is chosen until -o root= does. Every other tree beside the chosen one is noted,
 * and whether it has the same names and shapes (moving averages). Tensors beside it that are in no
 * tree are named, since no root= but the whole has them.
 *
 * Invariant: a tree's tensors are neighbours in the catalog, [first, end), since the walk is
 * depth-first.
 */
#include "source/torch/objects_roots.h"

#include <stdlib.h>
#include <string.h>

#define NO_TREE     UINT32_MAX
#define NAMES_SHOWN 5 /* of tensors that are left out */

static const char *const usual_names[] = {"state_dict", "model_state_dict", "model",
                                          "module",     "params",           "net"};

static bool has_tensors(const struct wfs_objects_tree *tree)
{
    return tree->end > tree->first;
}

static bool is_child(const struct wfs_objects_walk *w, uint32_t child, uint32_t parent)
{
    return child != parent && w->trees[child].parent == parent && has_tensors(&w->trees[child]);
}

/* What training keeps beside the weights. */
static bool is_of_training(const char *key)
{
    static const char *const others[] = {"optim", "sched", "scaler", "rng", "callback", "loops"};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(others); i++)
        if (strstr(key, others[i]))
            return true;
    return false;
}

static bool is_candidate(const struct wfs_objects_tree *tree)
{
    return !tree->is_optimizer && !is_of_training(tree->key);
}

/* True where two trees have tensors of the same names and shapes in the same order. */
static bool are_alike(const struct wfs_objects_walk *w, const struct wfs_objects_tree *a,
                      const struct wfs_objects_tree *b)
{
    size_t n_a = strlen(a->path), n_b = strlen(b->path);
    if (a->end - a->first != b->end - b->first)
        return false;
    for (uint32_t i = 0; i < a->end - a->first; i++) {
        const struct wfs_tensor *x = &w->t->catalog->tensors[a->first + i];
        const struct wfs_tensor *y = &w->t->catalog->tensors[b->first + i];
        if (strcmp(x->path + n_a, y->path + n_b) != 0 ||
            !wfs_shape_equal(x->expr->ndim, x->expr->shape, y->expr->ndim, y->expr->shape))
            return false;
    }
    return true;
}

static uint32_t usual_child(const struct wfs_objects_walk *w, uint32_t parent)
{
    for (size_t n = 0; n < WFS_ARRAY_SIZE(usual_names); n++)
        for (uint32_t i = 0; i < w->n_trees; i++)
            if (is_child(w, i, parent) && strcmp(w->trees[i].key, usual_names[n]) == 0)
                return i;
    return NO_TREE;
}

/* Finds two children that nothing tells apart; false where there are none. */
static bool find_equals(const struct wfs_objects_walk *w, uint32_t parent, uint32_t *ret_a,
                        uint32_t *ret_b)
{
    for (uint32_t a = 0; a < w->n_trees; a++) {
        if (!is_child(w, a, parent) || !is_candidate(&w->trees[a]))
            continue;
        for (uint32_t b = a + 1; b < w->n_trees; b++)
            if (is_child(w, b, parent) && is_candidate(&w->trees[b]) &&
                are_alike(w, &w->trees[a], &w->trees[b])) {
                *ret_a = a;
                *ret_b = b;
                return true;
            }
    }
    return false;
}

static uint32_t count_children(const struct wfs_objects_walk *w, uint32_t parent, bool candidates,
                               uint32_t *ret_last)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_trees; i++) {
        if (!is_child(w, i, parent) || (candidates && !is_candidate(&w->trees[i])))
            continue;
        *ret_last = i;
        n++;
    }
    return n;
}

/* True where a child is a moving average of `tree` that lies in the same wrapper. */
static bool is_average(const struct wfs_objects_walk *w, uint32_t child, uint32_t tree)
{
    return strstr(w->trees[child].key, "ema") && are_alike(w, &w->trees[child], &w->trees[tree]);
}

/* {"model": {"state_dict": ...}} is a wrapper; {"model": {"model": ..., "lm_head": ...}} is a state
 * dict whose children have the names of wrappers. */
static bool is_wrapper(const struct wfs_objects_walk *w, uint32_t parent, uint32_t child)
{
    if (w->trees[parent].n_direct)
        return false;
    for (uint32_t i = 0; i < w->n_trees; i++)
        if (i != child && is_child(w, i, parent) && is_candidate(&w->trees[i]) &&
            !is_average(w, i, child))
            return false;
    return true;
}

/* The tree to map, or NO_TREE with the two trees that nothing tells apart. */
static uint32_t choose(const struct wfs_objects_walk *w, uint32_t *ret_a, uint32_t *ret_b)
{
    bool is_named = false;
    for (uint32_t tree = 0;;) {
        if (w->trees[tree].is_module)
            return tree;
        uint32_t next = usual_child(w, tree), only = NO_TREE;
        if (is_named && next != NO_TREE && !is_wrapper(w, tree, next))
            return tree;
        if (next == NO_TREE) {
            /* A child with a usual name of a state dict is taken, however deeply it lies. */
            if (is_named || w->trees[tree].n_direct)
                return tree;
            uint32_t n = count_children(w, tree, true, &only);
            if (n == 0)
                n = count_children(w, tree, false, &only);
            if (n > 1 && find_equals(w, tree, ret_a, ret_b))
                return NO_TREE;
            if (n != 1)
                return tree;
            next = only;
        } else {
            is_named = true;
        }
        tree = next;
    }
}

/* ---- the catalog's roots ------------------------------------------------------------------- */

static int add_root(struct wfs_catalog *catalog, const char *path, bool is_chosen, uint32_t *ret,
                    struct wfs_error *err)
{
    size_t n = catalog->n_roots;
    struct wfs_root *roots = wfs_arena_array(catalog->arena, n + 1, sizeof(*roots));
    if (!roots)
        return wfs_error_nomem(err, "the roots");
    if (n)
        memcpy(roots, catalog->roots, n * sizeof(*roots));
    roots[n] = (struct wfs_root){.path = path, .is_whole = !*path, .is_chosen = is_chosen};
    catalog->roots = roots;
    catalog->n_roots++;
    *ret = (uint32_t)n;
    return 0;
}

static int note_other(const struct wfs_objects_walk *w, uint32_t chosen, uint32_t other,
                      struct wfs_error *err)
{
    const struct wfs_objects_tree *tree = &w->trees[other];
    struct wfs_catalog *catalog = w->t->catalog;
    const char *name = wfs_path_join_dup(w->t->scratch, tree->path, '.');
    const char *than = wfs_path_join_dup(w->t->scratch, w->trees[chosen].path, '.');
    if (!name || !than)
        return wfs_error_nomem(err, "a note");
    if (are_alike(w, tree, &w->trees[chosen]))
        wfs_catalog_note(catalog, WFS_NOTE_INFO, name,
                         "a tree of the same names and shapes as %s, which is mapped; root=%s maps "
                         "this one",
                         than, name);
    else
        wfs_catalog_note(catalog, WFS_NOTE_INFO, name, "%u tensors beside %s, which is mapped",
                         tree->end - tree->first, *than ? than : "the rest");
    return 0;
}

/* Whether a tensor may be a parameter: steps, random states and lists of losses are not. */
static bool may_be_parameter(const struct wfs_tensor *tensor)
{
    static const char *const records[] = {"loss", "metric", "history"};
    const struct wfs_expr *expr = tensor->expr;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(records); i++)
        if (strstr(tensor->name, records[i]))
            return false;
    return (wfs_dtype_is_float(expr->dtype) || expr->ndim > 1) && expr->n_elems > 1 &&
           !is_of_training(tensor->name);
}

/* Tensors of containers around the chosen tree: root= can name none of these but with the whole. */
static int note_left_out(const struct wfs_objects_walk *w, uint32_t chosen, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf names = {0};
    const char *than = wfs_path_join_dup(w->t->scratch, w->trees[chosen].path, '.');
    struct wfs_catalog *catalog = w->t->catalog;
    uint32_t n = 0, n_parameters = 0;
    for (uint32_t i = w->trees[0].first; i < w->trees[0].end; i++) {
        const struct wfs_tensor *tensor = &catalog->tensors[i];
        if (tensor->root)
            continue;
        n_parameters += may_be_parameter(tensor);
        if (n++ < NAMES_SHOWN)
            wfs_buf_printf(&names, "%s%s", n > 1 ? ", " : "", tensor->name);
    }
    if (n > NAMES_SHOWN)
        wfs_buf_printf(&names, " and %u more", n - NAMES_SHOWN);
    if (!than || !wfs_buf_ok(&names))
        return wfs_error_nomem(err, "a note");
    if (n)
        wfs_catalog_note(catalog, n_parameters ? WFS_NOTE_LEFT_OUT : WFS_NOTE_INFO, w->t->name,
                         "%u tensors lie beside %s, which is mapped, and are left out: %s; root=. "
                         "maps the whole, root=%s says that it is meant",
                         n, than, names.data, than);
    return 0;
}

static bool lies_above(const struct wfs_objects_walk *w, uint32_t above, uint32_t tree)
{
    while (tree != above && tree != w->trees[tree].parent)
        tree = w->trees[tree].parent;
    return tree == above;
}

/* The chosen tree and the trees beside it and beside what it lies in. */
static int add_roots(struct wfs_objects_walk *w, uint32_t chosen, struct wfs_error *err)
{
    struct wfs_catalog *catalog = w->t->catalog;
    int r = 0;
    for (uint32_t i = 1; !r && i < w->n_trees; i++) {
        const struct wfs_objects_tree *tree = &w->trees[i];
        uint32_t root;
        bool is_beside = lies_above(w, tree->parent, chosen) && tree->parent != chosen &&
                         !lies_above(w, i, chosen);
        if (!has_tensors(tree) || (i != chosen && !is_beside))
            continue;
        r = add_root(catalog, tree->path, i == chosen, &root, err);
        for (uint32_t k = tree->first; !r && k < tree->end; k++)
            catalog->tensors[k].root = root;
        if (!r && i != chosen && !wfs_path_is_statistics_of(tree->path, w->trees[chosen].path))
            r = note_other(w, chosen, i, err);
    }
    return r ? r : note_left_out(w, chosen, err);
}

/* Where two candidates are equal both become roots and none is chosen. */
static int refuse_choice(struct wfs_objects_walk *w, uint32_t a, uint32_t b, struct wfs_error *err)
{
    struct wfs_catalog *catalog = w->t->catalog;
    const char *name_a = wfs_path_join_dup(w->t->scratch, w->trees[a].path, '.');
    const char *name_b = wfs_path_join_dup(w->t->scratch, w->trees[b].path, '.');
    if (!name_a || !name_b)
        return wfs_error_nomem(err, "the roots");
    wfs_catalog_note(catalog, WFS_NOTE_WARNING, w->t->name,
                     "%s and %s have the same names and shapes: no view can tell which to map; "
                     "choose with -o root=%s or root=%s, or root=. for the whole",
                     name_a, name_b, name_a, name_b);
    if (w->t->options && w->t->options->strict)
        return wfs_error_set(err, EINVAL,
                             "%s: %s and %s have the same names and shapes: choose with -o root=",
                             w->t->name, name_a, name_b);
    uint32_t parent = w->trees[a].parent, root;
    int r = 0;
    for (uint32_t i = 1; !r && i < w->n_trees; i++) {
        if (!is_child(w, i, parent))
            continue;
        r = add_root(catalog, w->trees[i].path, false, &root, err);
        for (uint32_t k = w->trees[i].first; !r && k < w->trees[i].end; k++)
            catalog->tensors[k].root = root;
    }
    return r;
}

/* The user's own roots; what is below them is looked up when all files are there. A key with a dot,
 * or a number and its text, may make one path of two trees. */
static int check_own(const struct wfs_objects_walk *w, const char *const *names,
                     struct wfs_error *err)
{
    for (; *names; names++) {
        const char *path = wfs_path_from_name(w->t->scratch, *names, '.');
        uint32_t n = 0;
        if (!path)
            return wfs_error_nomem(err, "the roots");
        for (uint32_t i = 1; i < w->n_trees; i++)
            n += has_tensors(&w->trees[i]) && strcmp(w->trees[i].path, path) == 0;
        if (n > 1)
            return wfs_error_set(err, EINVAL,
                                 "%s: root=%s names %u trees of different keys: nothing tells "
                                 "which is meant; root=. maps the whole",
                                 w->t->name, *names, n);
    }
    return 0;
}

int wfs_objects_settle_roots(struct wfs_objects_walk *w, struct wfs_error *err)
{
    struct wfs_catalog *catalog = w->t->catalog;
    uint32_t a = 0, b = 0, root;
    if (w->t->options && w->t->options->roots && w->t->options->roots[0])
        return check_own(w, w->t->options->roots, err);
    /* Those of a set are settled when all files are there. */
    if (w->n_trees == 0 || catalog->n_roots || catalog->is_set)
        return 0;
    uint32_t chosen = choose(w, &a, &b);
    if (chosen == 0)
        return 0; /* the whole */
    int r = add_root(catalog, "", false, &root, err);
    if (!r)
        r = chosen == NO_TREE ? refuse_choice(w, a, b, err) : add_roots(w, chosen, err);
    return r;
}
