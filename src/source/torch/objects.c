/*
 * objects.c - the walk over a checkpoint's object: dicts, lists and the attributes of objects
 * become path components, tensors become tensors of the catalog, plain values JSON.
 *
 * Invariant: the walk ends, whatever contains what. A container inside itself is cut off where it
 * closes the circle; one that is shared is walked at each place, and the visits of the whole walk
 * are bounded by the size of the pickle. So are the bytes of names, which a key that the pickle
 * names again and again would multiply.
 *
 * Of a dict with a key twice the last value counts, as in Python. A name "a.b" is two components;
 * where that path is taken it stays one.
 */
#include "source/torch/objects.h"

#include <stdlib.h>
#include <string.h>

#include "source/catalog.h"
#include "source/torch/objects_json.h"
#include "source/torch/objects_roots.h"
#include "source/torch/torch_numpy.h"
#include "source/torch/torch_object.h"

#define OBJECTS_VISITS_A_NODE 16u
#define OBJECTS_FREE_VISITS   65536u
#define JSON_BYTES_AN_ESCAPE  6u /* \u0001 */
/* nn.RNN, LSTM and GRU keep their parameters a second time; state_dict() has them once. The names
 * tell such a module where it is a TorchScript object, whose parameters are plain attributes. */
#define RNN_OWN_LIST  "_flat_weights"
#define RNN_OWN_NAMES "_flat_weights_names"

static int walk(struct wfs_objects_walk *w, const struct wfs_node *node, uint32_t tree,
                bool *ret_has_plain);

/* ---- containers ---------------------------------------------------------------------------- */

static bool json_is_full(const struct wfs_objects_walk *w)
{
    return w->json.len > OBJECTS_MAX_JSON_BYTES;
}

/* A child under a name of the path; its JSON, after `label`, stays only if something in it is
 * plain, or `always`. */
static int walk_child(struct wfs_objects_walk *w, const struct wfs_node *child,
                      const char *component, bool is_split, uint32_t tree, const char *label,
                      bool always, bool *inout_any)
{
    size_t path_len = w->path.len, json_len = w->json.len;
    bool has_plain = false;
    wfs_buf_str(&w->json, *inout_any ? ", " : "");
    if (label) {
        wfs_buf_json(&w->json, label);
        wfs_buf_str(&w->json, ": ");
    }
    if (component)
        wfs_objects_enter(w, component, is_split);
    w->nesting++;
    int r = walk(w, child, tree, &has_plain);
    w->nesting--;
    if (component)
        wfs_objects_leave(w, path_len);
    bool keep = (has_plain || always) && !json_is_full(w);
    w->was_cut |= json_is_full(w);
    if (!keep && w->json.data) {
        w->json.len = json_len;
        w->json.data[json_len] = 0;
    }
    *inout_any |= keep;
    return r;
}

static int bomb(struct wfs_objects_walk *w, const char *what)
{
    return wfs_error_set(w->err, EINVAL, "%s: its objects %s", w->t->name, what);
}

/* Index of the last pair with each key: Python's dict keeps that value. NULL among the keys: no
 * name. */
static int last_pairs(struct wfs_objects_walk *w, struct wfs_arena *arena,
                      const struct wfs_node *dict, struct wfs_strmap *map, const char **keys)
{
    for (uint32_t i = 0; i < dict->n; i++) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf key = {0};
        const struct wfs_node *node = dict->items[2 * (size_t)i];
        wfs_buf_char(&key, (char)('A' + node->kind)); /* 1 and "1" are two keys */
        bool is_key = wfs_objects_key(&key, node);
        w->keys_bytes += key.len;
        if (w->keys_bytes > OBJECTS_PATHS_MAX_BYTES)
            return bomb(w, "have keys of more bytes than weightfs takes");
        if (!is_key)
            continue;
        keys[i] = wfs_buf_ok(&key) ? wfs_arena_strndup(arena, key.data, key.len) : NULL;
        if (!keys[i] || wfs_strmap_set(map, keys[i], i))
            return wfs_error_nomem(w->err, "a dict");
    }
    return 0;
}

/* Charges a visit for a pair that is not walked or not shown, since looking at it takes time,
 * too. */
static int skip_pair(struct wfs_objects_walk *w)
{
    if (w->visits_left == 0)
        return bomb(w, "contain each other too often");
    w->visits_left--;
    return 0;
}

/* Walks the value of a key that is no name: nothing of it is shown, but its tensors are counted for
 * the note. */
static int walk_muted(struct wfs_objects_walk *w, const struct wfs_node *value, uint32_t tree)
{
    bool was_muted = w->is_muted, any = false;
    size_t json_len = w->json.len;
    int r = skip_pair(w);
    if (r)
        return r;
    w->is_muted = true;
    r = walk_child(w, value, "?", false, tree, NULL, false, &any);
    w->is_muted = was_muted;
    if (w->json.data) {
        w->json.len = json_len;
        w->json.data[json_len] = 0;
    }
    return r;
}

/* Notes that a dict has n_keys keys that are no names, of which `key` is the first. */
static int note_nameless(struct wfs_objects_walk *w, const struct wfs_node *key, uint32_t n_keys,
                         uint64_t n_tensors)
{
    const char *path;
    wfs_cleanup(wfs_buf_free) struct wfs_buf kind = {0};
    wfs_objects_key_kind(&kind, key);
    int r = w->path.len ? wfs_objects_path(w, &path) : 0;
    if (r)
        return r;
    const char *name =
        w->path.len ? wfs_path_join_dup(w->t->scratch, path, w->t->catalog->sep) : w->t->name;
    if (!name || !wfs_buf_ok(&kind))
        return wfs_error_nomem(w->err, "a note");
    wfs_catalog_note(w->t->catalog, n_tensors ? WFS_NOTE_REFUSED : WFS_NOTE_WARNING, name,
                     "a dict with %u keys that are no name (the first: %.200s): %llu tensors below "
                     "them are not shown",
                     n_keys, kind.data, (unsigned long long)n_tensors);
    return 0;
}

static bool is_module_state(const struct wfs_node *dict)
{
    return wfs_node_get(dict, "_parameters") && wfs_node_get(dict, "_modules");
}

/* nn.Module keeps its tensors in dicts that are no part of their names. */
static bool is_transparent(const char *key)
{
    return strcmp(key, "_parameters") == 0 || strcmp(key, "_buffers") == 0 ||
           strcmp(key, "_modules") == 0;
}

static int walk_pairs(struct wfs_objects_walk *w, const struct wfs_node *dict, uint32_t tree,
                      bool *ret_has_plain)
{
    wfs_cleanup(wfs_arena_freep) struct wfs_arena *arena = wfs_arena_new();
    wfs_cleanup(wfs_strmap_free) struct wfs_strmap last = {0};
    bool any = false, is_module = is_module_state(dict);
    bool has_copies = is_module || wfs_node_get(dict, RNN_OWN_NAMES);
    const struct wfs_node *nameless = NULL;
    uint32_t n_nameless = 0;
    uint64_t n_hidden = 0;
    const char **keys = arena ? wfs_arena_array(arena, dict->n, sizeof(*keys)) : NULL;
    int r = keys ? last_pairs(w, arena, dict, &last, keys) : wfs_error_nomem(w->err, "a dict");
    wfs_buf_char(&w->json, '{');
    for (uint32_t i = 0; !r && i < dict->n; i++) {
        uint64_t winner;
        const struct wfs_node *key = dict->items[2 * (size_t)i];
        const struct wfs_node *value = dict->items[2 * (size_t)i + 1];
        if (!keys[i]) {
            nameless = n_nameless++ ? nameless : key;
            uint64_t n_muted = w->n_muted;
            r = walk_muted(w, value, tree);
            n_hidden += w->n_muted - n_muted;
            continue;
        }
        if (wfs_strmap_get(&last, keys[i], &winner) && winner != i) {
            r = skip_pair(w);
            continue;
        }
        const char *text = keys[i] + 1;
        bool hides = is_module && is_transparent(text), skipped = w->skips_aliases;
        w->skips_aliases |= has_copies && strcmp(text, RNN_OWN_LIST) == 0;
        r = walk_child(w, value, hides ? NULL : text, key->kind == WFS_NODE_STR, tree, text, false,
                       &any);
        w->skips_aliases = skipped;
    }
    wfs_buf_char(&w->json, '}');
    *ret_has_plain = any || dict->n == 0;
    if (!r && nameless && !w->is_muted)
        r = note_nameless(w, nameless, n_nameless, n_hidden);
    return r;
}

static int walk_items(struct wfs_objects_walk *w, const struct wfs_node *list, uint32_t tree,
                      bool *ret_has_plain)
{
    bool any = false, has_plain = list->n == 0;
    int r = 0;
    wfs_buf_char(&w->json, '[');
    for (uint32_t i = 0; !r && i < list->n; i++) {
        char component[16];
        snprintf(component, sizeof(component), "%u", i);
        uint32_t n_before = w->t->catalog->n_tensors;
        r = walk_child(w, list->items[i], component, false, tree, NULL, true, &any);
        has_plain |= w->t->catalog->n_tensors == n_before;
    }
    wfs_buf_char(&w->json, ']');
    *ret_has_plain = has_plain;
    return r;
}

/* Walks an object that is not made: its class is shown, and whatever the pickle would have given
 * it. */
static int walk_opaque(struct wfs_objects_walk *w, const struct wfs_node *node, uint32_t tree,
                       bool *ret_has_plain)
{
    const struct wfs_node_call *call = node->call;
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    bool any = true;
    int r = 0;
    wfs_objects_global_name(&name, node);
    w->json.failed |= name.failed;
    wfs_buf_str(&w->json, "{\"$object\": ");
    wfs_buf_json(&w->json, name.len ? name.data : "?");
    const struct wfs_node *state = call->state;
    const struct wfs_node *slots = wfs_node_item(state, 1);
    if (state && state->kind == WFS_NODE_TUPLE && state->n == 2 && slots->kind == WFS_NODE_DICT)
        state = wfs_node_item(state, 0);
    else
        slots = NULL;
    if (call->args && call->args->n)
        r = walk_child(w, call->args, "args", false, tree, "args", false, &any);
    if (!r && state && state->kind != WFS_NODE_NONE)
        r = walk_child(w, state, NULL, false, tree, "state", false, &any);
    if (!r && slots)
        r = walk_child(w, slots, NULL, false, tree, "slots", false, &any);
    if (!r && call->items)
        r = walk_child(w, call->items, NULL, false, tree, "items", false, &any);
    if (!r && call->entries)
        r = walk_child(w, call->entries, NULL, false, tree, "entries", false, &any);
    wfs_buf_char(&w->json, '}');
    *ret_has_plain = true;
    return r;
}

static bool is_scripted(const struct wfs_node *node)
{
    const struct wfs_node *callee = node->kind == WFS_NODE_CALL ? node->call->callee : NULL;
    return callee && callee->kind == WFS_NODE_GLOBAL &&
           (strcmp(callee->global->module, "__torch__") == 0 ||
            strncmp(callee->global->module, "__torch__.", 10) == 0);
}

/* Remembers a container that may be a state dict. *ret is its tree, or that of the container around
 * it. */
static int open_tree(struct wfs_objects_walk *w, const struct wfs_node *node, uint32_t parent,
                     uint32_t *ret)
{
    *ret = parent;
    if (w->is_muted || w->n_trees >= OBJECTS_MAX_TREES || w->depth > OBJECTS_MAX_TREE_DEPTH)
        return 0;
    struct wfs_torch *t = w->t;
    const char *path = "";
    int r = w->path.len ? wfs_objects_path(w, &path) : 0;
    if (r)
        return r;
    /* The state of an object has the object's path, and shares its tree. */
    if (w->n_trees && strcmp(w->trees[parent].path, path) == 0) {
        w->trees[parent].is_module |= is_module_state(node);
        return 0;
    }
    const char *parent_path = w->n_trees ? w->trees[parent].path : "";
    size_t n_parent = strlen(parent_path);
    w->trees[w->n_trees] = (struct wfs_objects_tree){
        .path = path,
        .key = path + n_parent + (n_parent && path[n_parent]),
        .parent = parent,
        .first = t->catalog->n_tensors,
        .is_optimizer = wfs_node_get(node, "param_groups") && wfs_node_get(node, "state"),
        .is_module = is_module_state(node) || is_scripted(node)};
    *ret = w->n_trees++;
    return 0;
}

static int walk_container(struct wfs_objects_walk *w, const struct wfs_node *node, uint32_t parent,
                          bool *ret_has_plain)
{
    struct wfs_node *open = (struct wfs_node *)node; /* the mark is the walk's own */
    uint32_t tree, n_trees = w->n_trees;
    if (node->is_open) {
        wfs_buf_str(&w->json, "{\"$itself\": true}");
        *ret_has_plain = true;
        return 0;
    }
    int r = open_tree(w, node, parent, &tree);
    if (r)
        return r;
    bool is_opened = w->n_trees > n_trees;
    open->is_open = true;
    if (node->kind == WFS_NODE_DICT)
        r = walk_pairs(w, node, tree, ret_has_plain);
    else if (node->kind == WFS_NODE_CALL)
        r = walk_opaque(w, node, tree, ret_has_plain);
    else
        r = walk_items(w, node, tree, ret_has_plain);
    open->is_open = false;
    if (is_opened)
        w->trees[tree].end = w->t->catalog->n_tensors;
    return r;
}

/* ---- any node ------------------------------------------------------------------------------ */

static size_t key_start(const struct wfs_objects_walk *w, uint32_t tree)
{
    return w->n_trees ? strlen(w->trees[tree].path) : 0;
}

static int walk_tensor(struct wfs_objects_walk *w, const struct wfs_torch_tensor *tensor,
                       const struct wfs_node *parts, uint32_t tree)
{
    bool ignored;
    uint32_t n_before = w->t->catalog->n_tensors, index;
    int r = wfs_objects_add(w, tensor, key_start(w, tree), &index);
    if (r)
        return r;
    if (index == WFS_NO_INDEX) {
        wfs_buf_str(&w->json, "null");
        return 0;
    }
    wfs_buf_str(&w->json, "{\"$tensor\": ");
    wfs_buf_json(&w->json, w->t->catalog->tensors[index].name);
    if (tensor->quantised) {
        wfs_buf_str(&w->json, ", \"quantised\": ");
        wfs_buf_json(&w->json, tensor->quantised->text);
    }
    wfs_buf_char(&w->json, '}');
    if (w->n_trees && w->t->catalog->n_tensors > n_before)
        w->trees[tree].n_direct++;
    size_t json_len = w->json.len;
    r = parts ? walk_pairs(w, parts, tree, &ignored) : 0;
    if (parts && w->json.data) {
        w->json.len = json_len;
        w->json.data[json_len] = 0;
    }
    return r;
}

static bool is_container(const struct wfs_node *node)
{
    double f;
    int64_t i;
    bool is_int;
    switch (node->kind) {
    case WFS_NODE_DICT:
    case WFS_NODE_LIST:
    case WFS_NODE_TUPLE:
    case WFS_NODE_SET:
        return true;
    case WFS_NODE_CALL:
        return !wfs_torch_numpy_scalar(node, &f, &i, &is_int);
    default:
        return false;
    }
}

/* Writes a plain value. A text for which there is no room left is replaced by its length at once: a
 * list may hold one long text many times, and writing it only to cut it takes long. */
static void add_value(struct wfs_objects_walk *w, const struct wfs_node *node)
{
    uint64_t room = OBJECTS_MAX_JSON_BYTES - wfs_min_u64(w->json.len, OBJECTS_MAX_JSON_BYTES);
    if (node->kind == WFS_NODE_STR &&
        node->str->len > (w->was_cut ? room / JSON_BYTES_AN_ESCAPE : room))
        wfs_buf_printf(&w->json, "{\"$string\": %llu}", (unsigned long long)node->str->len);
    else
        wfs_objects_json_value(&w->json, node);
}

/* Walks what is in a tensor that has no bytes of its own, at its place, and notes that it is
 * `what`. */
static int walk_wrapped(struct wfs_objects_walk *w, const struct wfs_node *inner, uint32_t tree,
                        const struct wfs_error *what, bool *ret_has_plain)
{
    struct wfs_node *open = (struct wfs_node *)inner; /* the mark is the walk's own */
    struct wfs_error why = {0};
    uint32_t n_before = w->t->catalog->n_tensors;
    bool any = false;
    int r = 0;
    if (inner && inner->is_open) {
        wfs_buf_str(&w->json, "{\"$itself\": true}");
        return 0;
    }
    if (inner && inner->kind == WFS_NODE_DICT) {
        open->is_open = true;
        r = walk_pairs(w, inner, tree, ret_has_plain);
        open->is_open = false;
    } else if (inner) {
        r = walk_child(w, inner, "state", false, tree, NULL, true, &any);
    } else {
        wfs_buf_str(&w->json, "null");
    }
    if (r)
        return r;
    wfs_error_set(&why, EINVAL, "%s: %s", what->message,
                  w->t->catalog->n_tensors > n_before ? "what the file has of it is shown below it"
                                                      : "the file has no bytes of it");
    return wfs_objects_refuse(w, &why);
}

static int walk(struct wfs_objects_walk *w, const struct wfs_node *node, uint32_t tree,
                bool *ret_has_plain)
{
    enum wfs_torch_what what;
    struct wfs_torch_tensor tensor = {0};
    const struct wfs_node *rest = NULL;
    struct wfs_error why = {0};
    if (w->depth > OBJECTS_MAX_DEPTH || w->nesting > OBJECTS_MAX_NESTING)
        return bomb(w, "lie in one another more than 200 deep");
    if (w->visits_left-- == 0)
        return bomb(w, "contain each other too often");
    int r = wfs_torch_object(w->t, node, &what, &tensor, &rest, &why);
    if (wfs_torch_is_refusal(r)) {
        wfs_buf_str(&w->json, "null");
        return wfs_objects_refuse(w, &why);
    }
    if (r)
        return wfs_error_set(w->err, -r, "%s", why.message);
    if (what == WFS_TORCH_TENSOR) {
        *ret_has_plain = tensor.quantised != NULL; /* its scale is a plain value */
        return walk_tensor(w, &tensor, rest, tree);
    }
    if (what == WFS_TORCH_WRAPPER)
        return walk_wrapped(w, rest, tree, &why, ret_has_plain);
    if (is_container(rest))
        return walk_container(w, rest, tree, ret_has_plain);
    add_value(w, rest);
    *ret_has_plain = true;
    return 0;
}

/* A file that holds nothing but what was refused, or no tensor at all, is no checkpoint to show. */
static int check_found(struct wfs_objects_walk *w, uint32_t n_before)
{
    if (w->t->catalog->n_tensors > n_before)
        return 0;
    if (w->n_refused)
        return wfs_error_set(w->err, EINVAL, "%s: none of its tensors can be shown; the first: %s",
                             w->t->name, w->first_refusal ? w->first_refusal : "?");
    return 0;
}

/* Merges the file's plain values into the catalog's. */
static int keep_json(struct wfs_objects_walk *w, struct wfs_error *err)
{
    if (w->json.failed)
        return wfs_error_nomem(err, "the plain values");
    if (w->json.len == 0)
        return 0;
    return wfs_catalog_add_objects(w->t->catalog, w->t->name, w->json.data, err);
}

int wfs_torch_catalog(struct wfs_torch *t, struct wfs_error *err)
{
    struct wfs_objects_walk w = {.t = t, .err = err};
    uint64_t size = t->file < t->catalog->n_files ? t->catalog->files[t->file].bytes->size_bytes
                                                  : t->pickle.end_off - t->pickle.begin_off;
    w.visits_left = (uint64_t)t->pickle.n_nodes * OBJECTS_VISITS_A_NODE + OBJECTS_FREE_VISITS +
                    (t->pickle.end_off - t->pickle.begin_off); /* small integers share nodes */
    w.tensors_left = size / OBJECTS_BYTES_A_TENSOR + OBJECTS_FREE_TENSORS;
    uint32_t n_before = t->catalog->n_tensors;
    bool has_plain = false;
    int r = wfs_torch_note_dangers(t, &t->pickle, err);
    if (r)
        return r;
    t->catalog->convention = "torch";
    w.trees = calloc(OBJECTS_MAX_TREES, sizeof(*w.trees));
    r = w.trees ? walk(&w, t->pickle.root, 0, &has_plain) : wfs_error_nomem(err, "the trees");
    if (!has_plain)
        wfs_buf_free(&w.json);
    if (!r)
        r = check_found(&w, n_before);
    if (!r)
        r = keep_json(&w, err);
    if (!r)
        r = wfs_objects_settle_roots(&w, err);
    wfs_buf_free(&w.path);
    wfs_buf_free(&w.json);
    free(w.trees);
    return r;
}
