/*
 * pickle_call.c - opcodes that name globals and would call them.
 *
 * Invariant: a call is only ever written down. Where the callee is a plain container of the closed
 * table, the container is made from the arguments' nodes; everything else is a CALL node.
 */
#include "source/torch/pickle/pickle_call.h"

#include <stdlib.h>
#include <string.h>

#include "source/torch/pickle/pickle_build.h"
#include "source/torch/pickle/pickle_globals.h"
#include "source/torch/pickle/pickle_scalar.h"

/* ---- globals ------------------------------------------------------------------------------- */

static int note_danger(struct wfs_pickle_machine *m, const char *module, const char *name)
{
    for (uint32_t i = 0; i < m->out.n_dangers; i++) {
        const char *known = m->out.dangers[i].name;
        size_t n = strlen(module);
        if (strncmp(known, module, n) == 0 && known[n] == '.' && strcmp(known + n + 1, name) == 0)
            return 0;
    }
    if (m->out.n_dangers == WFS_PICKLE_MAX_DANGERS)
        return 0;
    char *full = wfs_arena_printf(m->arena, "%s.%s", module, name);
    if (!full)
        return wfs_pickle_nomem(m);
    m->out.dangers[m->out.n_dangers++] =
        (struct wfs_pickle_danger){.name = full, .file_off = m->op_off};
    return 0;
}

static struct wfs_node *global_node(struct wfs_pickle_machine *m, const char *module,
                                    const char *name)
{
    struct wfs_node *node = wfs_pickle_node(m, WFS_NODE_GLOBAL);
    struct wfs_node_global *global = node ? wfs_arena_alloc(m->arena, sizeof(*global)) : NULL;
    if (!global) {
        if (node)
            wfs_pickle_nomem(m);
        return NULL;
    }
    *global = (struct wfs_node_global){.module = module, .name = name};
    node->global = global;
    node->global_kind = (uint8_t)wfs_global_kind(module, name);
    if (wfs_global_is_dangerous(module, name) && note_danger(m, module, name))
        return NULL;
    return node;
}

/* Two lines of text, both valid UTF-8. */
static struct wfs_node *global_of_lines(struct wfs_pickle_machine *m)
{
    char *module, *name;
    size_t n_module, n_name;
    if (wfs_pickle_line(m, &module, &n_module) || wfs_pickle_line(m, &name, &n_name))
        return NULL;
    if (!wfs_utf8_valid(module, n_module) || !wfs_utf8_valid(name, n_name) ||
        strlen(module) != n_module || strlen(name) != n_name) {
        wfs_pickle_fail(m, "a global whose name is no text");
        return NULL;
    }
    return global_node(m, module, name);
}

/* GLOBAL, STACK_GLOBAL. */
int wfs_pickle_op_global(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == 'c')
        return wfs_pickle_push(m, global_of_lines(m));
    struct wfs_node *name = wfs_pickle_pop(m);
    struct wfs_node *module = name ? wfs_pickle_pop(m) : NULL;
    if (!module)
        return -EINVAL;
    const char *n = wfs_node_text(name), *mod = wfs_node_text(module);
    if (!n || !mod || strlen(n) != name->str->len || strlen(mod) != module->str->len)
        return wfs_pickle_fail(m, "a global whose name is no text");
    return wfs_pickle_push(m, global_node(m, mod, n));
}

/* EXT1, EXT2, EXT4: a number of a registry that is not in the file. */
int wfs_pickle_op_extension(struct wfs_pickle_machine *m, uint8_t op)
{
    uint8_t code[4] = {0};
    size_t n = (size_t)1 << (op - 0x82);
    int r = wfs_cursor_take(m->cur, code, n, m->err);
    if (r)
        return r;
    char *name = wfs_arena_printf(m->arena, "extension %u", wfs_load_u32le(code));
    return name ? wfs_pickle_push(m, global_node(m, "copyreg", name)) : wfs_pickle_nomem(m);
}

/* NEXT_BUFFER: bytes that are not in the file. READONLY_BUFFER changes nothing. */
int wfs_pickle_op_buffer(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == 0x98)
        return wfs_pickle_top(m) ? 0 : -EINVAL;
    return wfs_pickle_push(m, global_node(m, "pickle", "out-of-band buffer"));
}

/* ---- calls that are containers ------------------------------------------------------------- */

/* Adds the pairs of a DICT, or of a LIST or TUPLE of pairs. 1: not of that form. */
static int add_pairs_of(struct wfs_pickle_machine *m, struct wfs_node *dict,
                        const struct wfs_node *from)
{
    int r = wfs_pickle_charge_items(m, from->n);
    if (r)
        return r;
    if (from->kind == WFS_NODE_DICT) {
        for (size_t i = 0; !r && i < from->n; i++)
            r = wfs_pickle_add_pair(m, dict, from->items[2 * i], from->items[2 * i + 1]);
        return r;
    }
    if (from->kind != WFS_NODE_LIST && from->kind != WFS_NODE_TUPLE)
        return 1;
    for (uint32_t i = 0; !r && i < from->n; i++) {
        const struct wfs_node *pair = from->items[i];
        struct wfs_node *key = (struct wfs_node *)wfs_node_item(pair, 0);
        struct wfs_node *value = (struct wfs_node *)wfs_node_item(pair, 1);
        if (!key || !value || pair->n != 2)
            return 1;
        r = wfs_pickle_add_pair(m, dict, key, value);
    }
    return r;
}

/* A dict class called with nothing, or with one dict or list of pairs at args[at]. */
static int make_dict(struct wfs_pickle_machine *m, const struct wfs_node *args, uint32_t at,
                     struct wfs_node **ret)
{
    if (args->n > at + 1)
        return 1;
    struct wfs_node *dict = wfs_pickle_node(m, WFS_NODE_DICT);
    if (!dict)
        return wfs_pickle_push(m, NULL);
    const struct wfs_node *from = wfs_node_item(args, at);
    int r = from ? add_pairs_of(m, dict, from) : 0;
    if (r == 0)
        *ret = dict;
    return r;
}

/* Counter(dict) is that dict; given anything else it counts, and stays a call. */
static int make_counter(struct wfs_pickle_machine *m, const struct wfs_node *args,
                        struct wfs_node **ret)
{
    const struct wfs_node *from = wfs_node_item(args, 0);
    return from && from->kind != WFS_NODE_DICT ? 1 : make_dict(m, args, 0, ret);
}

/* list(x), tuple(x), set(x) of a list, tuple or set, or of nothing. */
static int make_sequence(struct wfs_pickle_machine *m, const struct wfs_node *args,
                         enum wfs_node_kind kind, struct wfs_node **ret)
{
    const struct wfs_node *from = wfs_node_item(args, 0);
    if (args->n > 1 || (from && from->kind != WFS_NODE_LIST && from->kind != WFS_NODE_TUPLE &&
                        from->kind != WFS_NODE_SET))
        return 1;
    struct wfs_node *node = wfs_pickle_node(m, kind);
    int r = !node ? wfs_pickle_push(m, NULL) : from ? wfs_pickle_charge_items(m, from->n) : 0;
    for (uint32_t i = 0; !r && from && i < from->n; i++)
        r = wfs_pickle_add(m, node, from->items[i]);
    if (r == 0)
        *ret = node;
    return r;
}

static bool is_latin1(const struct wfs_node *node)
{
    return wfs_node_is_str(node, "latin1") || wfs_node_is_str(node, "latin-1") ||
           wfs_node_is_str(node, "iso-8859-1");
}

/* _codecs.encode(text, "latin1"), bytearray(text, "latin1"): how protocol 2 writes bytes. */
static int make_latin1(struct wfs_pickle_machine *m, const struct wfs_node *args,
                       struct wfs_node **ret)
{
    const struct wfs_node *text = wfs_node_item(args, 0);
    if (!wfs_node_text(text) || args->n != 2 || !is_latin1(args->items[1]))
        return 1;
    const uint8_t *in = (const uint8_t *)text->str->data;
    int r = wfs_pickle_charge_bytes(m, text->str->len);
    char *out = r ? NULL : wfs_arena_alloc(m->arena, (size_t)text->str->len + 1);
    if (!out)
        return r ? r : wfs_pickle_nomem(m);
    size_t n = 0;
    for (uint64_t i = 0; i < text->str->len; n++) {
        bool is_ascii = in[i] < 0x80;
        if (!is_ascii && in[i] != 0xc2 && in[i] != 0xc3) /* beyond U+00FF */
            return 1;
        out[n] = (char)(is_ascii ? in[i] : (in[i] & 3) << 6 | (in[i + 1] & 0x3f));
        i += is_ascii ? 1 : 2; /* valid UTF-8: the second byte is there */
    }
    struct wfs_node *node = wfs_pickle_text_node(m, out, n);
    if (!node)
        return wfs_pickle_push(m, NULL);
    node->kind = WFS_NODE_BYTES;
    *ret = node;
    return 0;
}

/* bytes(), bytearray(), bytearray(bytes). */
static int make_bytes(struct wfs_pickle_machine *m, struct wfs_node *args, struct wfs_node **ret)
{
    if (args->n == 2)
        return make_latin1(m, args, ret);
    if (args->n == 1 && args->items[0]->kind == WFS_NODE_BYTES) {
        *ret = args->items[0];
        return 0;
    }
    if (args->n != 0)
        return 1;
    struct wfs_node *node = wfs_pickle_text_node(m, "", 0);
    if (!node)
        return wfs_pickle_push(m, NULL);
    node->kind = WFS_NODE_BYTES;
    *ret = node;
    return 0;
}

static struct wfs_node *call_node(struct wfs_pickle_machine *m, struct wfs_node *callee,
                                  struct wfs_node *args, bool is_instance);

/* copy_reg._reconstructor(cls, object, None): an instance of protocols 0 and 1. */
static int make_reconstructed(struct wfs_pickle_machine *m, struct wfs_node *args,
                              struct wfs_node **ret)
{
    struct wfs_node *cls = (struct wfs_node *)wfs_node_item(args, 0);
    const struct wfs_node *state = wfs_node_item(args, 2);
    if (!cls || cls->kind != WFS_NODE_GLOBAL || cls->global_kind == WFS_GLOBAL_RECONSTRUCTOR ||
        !state)
        return 1;
    struct wfs_node *inner = wfs_pickle_node(m, WFS_NODE_TUPLE);
    int r = inner ? 0 : wfs_pickle_push(m, NULL);
    if (!r && state->kind != WFS_NODE_NONE)
        r = wfs_pickle_add(m, inner, (struct wfs_node *)state);
    if (r)
        return r;
    *ret = call_node(m, cls, inner, true);
    return *ret ? 0 : wfs_pickle_push(m, NULL);
}

/* 0 and *ret; 1: a plain CALL; negative: failed. */
static int make_plain(struct wfs_pickle_machine *m, uint8_t global, struct wfs_node *args,
                      struct wfs_node **ret)
{
    int r;
    if (!args || args->kind != WFS_NODE_TUPLE)
        return 1;
    switch (global) {
    case WFS_GLOBAL_ORDERED_DICT:
        return make_dict(m, args, 0, ret);
    case WFS_GLOBAL_COUNTER:
        return make_counter(m, args, ret);
    case WFS_GLOBAL_DEFAULT_DICT:
        return make_dict(m, args, 1, ret);
    case WFS_GLOBAL_NAMESPACE:
        r = args->n ? 1 : make_dict(m, args, 0, ret);
        if (!r)
            (*ret)->is_mapped = true;
        return r;
    case WFS_GLOBAL_LIST:
        return make_sequence(m, args, WFS_NODE_LIST, ret);
    case WFS_GLOBAL_TUPLE:
    case WFS_GLOBAL_SIZE:
        return make_sequence(m, args, WFS_NODE_TUPLE, ret);
    case WFS_GLOBAL_SET:
    case WFS_GLOBAL_FROZEN_SET:
        return make_sequence(m, args, WFS_NODE_SET, ret);
    case WFS_GLOBAL_BYTES:
    case WFS_GLOBAL_BYTE_ARRAY:
        return make_bytes(m, args, ret);
    case WFS_GLOBAL_CODECS_ENCODE:
        return make_latin1(m, args, ret);
    case WFS_GLOBAL_RECONSTRUCTOR:
        return make_reconstructed(m, args, ret);
    default:
        return 1;
    }
}

static struct wfs_node *call_node(struct wfs_pickle_machine *m, struct wfs_node *callee,
                                  struct wfs_node *args, bool is_instance)
{
    struct wfs_node *node = NULL;
    int r = callee->kind == WFS_NODE_GLOBAL ? make_plain(m, callee->global_kind, args, &node) : 1;
    if (r <= 0)
        return r ? NULL : node;
    node = wfs_pickle_node(m, WFS_NODE_CALL);
    struct wfs_node_call *call = node ? wfs_arena_alloc(m->arena, sizeof(*call)) : NULL;
    if (!call) {
        if (node)
            wfs_pickle_nomem(m);
        return NULL;
    }
    *call = (struct wfs_node_call){.callee = callee, .args = args, .is_instance = is_instance};
    node->call = call;
    node->global_kind = callee->kind == WFS_NODE_GLOBAL ? callee->global_kind : WFS_GLOBAL_UNKNOWN;
    return node;
}

/* ---- the opcodes --------------------------------------------------------------------------- */

/* INST (class in text) and OBJ (class first above the mark) take their arguments from the mark. */
static int call_from_mark(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *cls = op == 'i' ? global_of_lines(m) : NULL, **items;
    size_t n, first = op == 'o';
    if (op == 'i' && !cls)
        return wfs_pickle_push(m, NULL);
    int r = wfs_pickle_pop_mark(m, &items, &n);
    if (r)
        return r;
    if (op == 'o' && n == 0)
        return wfs_pickle_fail(m, "an instance without a class");
    cls = op == 'o' ? items[0] : cls;
    struct wfs_node *args = wfs_pickle_node(m, WFS_NODE_TUPLE);
    for (size_t i = first; args && !r && i < n; i++)
        r = wfs_pickle_add(m, args, items[i]);
    if (r || !args)
        return r ? r : wfs_pickle_push(m, NULL);
    return wfs_pickle_push(m, call_node(m, cls, args, true));
}

/* True of classes whose __new__ ignores its arguments: __init__ fills them, and pickles do not call
 * it. */
static bool ignores_arguments(const struct wfs_node *callee)
{
    switch (callee->kind == WFS_NODE_GLOBAL ? callee->global_kind : WFS_GLOBAL_UNKNOWN) {
    case WFS_GLOBAL_ORDERED_DICT:
    case WFS_GLOBAL_COUNTER:
    case WFS_GLOBAL_DEFAULT_DICT:
    case WFS_GLOBAL_LIST:
    case WFS_GLOBAL_SET:
    case WFS_GLOBAL_BYTE_ARRAY:
        return true;
    default:
        return false;
    }
}

/* REDUCE, NEWOBJ, NEWOBJ_EX, INST, OBJ. */
int wfs_pickle_op_call(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == 'i' || op == 'o')
        return call_from_mark(m, op);
    struct wfs_node *kwargs = op == 0x92 ? wfs_pickle_pop(m) : NULL;
    struct wfs_node *args = op == 0x92 && !kwargs ? NULL : wfs_pickle_pop(m);
    struct wfs_node *callee = args ? wfs_pickle_pop(m) : NULL;
    if (!callee)
        return -EINVAL;
    if (args->kind != WFS_NODE_TUPLE || (kwargs && kwargs->kind != WFS_NODE_DICT))
        return wfs_pickle_fail(m, "a call whose arguments are no tuple");
    if (op != 'R' && args->n && ignores_arguments(callee) &&
        !(args = wfs_pickle_node(m, WFS_NODE_TUPLE)))
        return wfs_pickle_push(m, NULL);
    struct wfs_node *node = call_node(m, callee, args, op != 'R');
    if (node && node->kind == WFS_NODE_CALL && kwargs && kwargs->n)
        node->call->entries = kwargs;
    return wfs_pickle_push(m, node);
}

/* Adds a dict of attributes to those that the object has, as Python updates __dict__. */
static int add_state(struct wfs_pickle_machine *m, struct wfs_node *object, struct wfs_node *state)
{
    const struct wfs_node *old = object->call->state;
    if (!old || old->kind != WFS_NODE_DICT || state->kind != WFS_NODE_DICT) {
        object->call->state = state;
        return 0;
    }
    struct wfs_node *both = wfs_pickle_node(m, WFS_NODE_DICT);
    int r = both ? add_pairs_of(m, both, old) : wfs_pickle_push(m, NULL);
    if (!r)
        r = add_pairs_of(m, both, state);
    if (!r)
        object->call->state = both;
    return r;
}

/* BUILD: the state of the object below. Attributes of containers are passed over. */
int wfs_pickle_op_build(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    struct wfs_node *state = wfs_pickle_pop(m);
    struct wfs_node *top = state ? wfs_pickle_top(m) : NULL;
    if (!top)
        return -EINVAL;
    if (top->kind == WFS_NODE_CALL && top != state)
        return add_state(m, top, state);
    if (top->kind == WFS_NODE_DICT && top->is_mapped && top != state) {
        int r = add_pairs_of(m, top, state);
        return r < 0 ? r : 0;
    }
    return 0;
}
