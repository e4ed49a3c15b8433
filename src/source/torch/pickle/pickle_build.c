/*
 * pickle_build.c - opcodes that make and fill containers, constants and persistent ids, and the
 * helpers for those who read nodes.
 *
 * A container's room is the power of two that holds its items, so its capacity needs no field; the
 * arrays left behind by growth at most double the memory.
 */
#include <stdlib.h>
#include <string.h>

#include "source/torch/pickle/pickle_machine.h"

/* ---- filling ------------------------------------------------------------------------------- */

static size_t room_of(size_t n)
{
    size_t room = 4;
    while (room < n)
        room *= 2;
    return n ? room : 0;
}

/* Room for one more unit of `width` items. */
static int make_room(struct wfs_pickle_machine *m, struct wfs_node *node, size_t width)
{
    size_t room = room_of(node->n);
    if (node->n < room)
        return 0;
    if (node->n >= PICKLE_MAX_NODES)
        return pickle_fail(m, "a container of too many items");
    struct wfs_node **items =
        wfs_arena_array(m->arena, room_of((size_t)node->n + 1) * width, sizeof(struct wfs_node *));
    if (!items)
        return pickle_nomem(m);
    if (node->n)
        memcpy(items, node->items, node->n * width * sizeof(struct wfs_node *));
    node->items = items;
    return 0;
}

int pickle_add(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *item)
{
    int rc = make_room(m, node, 1);
    if (!rc)
        node->items[node->n++] = item;
    return rc;
}

int pickle_add_pair(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *key,
                    struct wfs_node *value)
{
    int rc = make_room(m, node, 2);
    if (rc)
        return rc;
    node->items[2 * (size_t)node->n] = key;
    node->items[2 * (size_t)node->n + 1] = value;
    node->n++;
    return 0;
}

static int add_all(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node **items,
                   size_t n)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++)
        rc = pickle_add(m, node, items[i]);
    return rc;
}

static int add_all_pairs(struct wfs_pickle_machine *m, struct wfs_node *node,
                         struct wfs_node **items, size_t n)
{
    int rc = n % 2 ? pickle_fail(m, "a key without a value") : 0;
    for (size_t i = 0; !rc && i < n; i += 2)
        rc = pickle_add_pair(m, node, items[i], items[i + 1]);
    return rc;
}

/* ---- opcodes ------------------------------------------------------------------------------- */

static int push_shared(struct wfs_pickle_machine *m, struct wfs_node **slot,
                       enum wfs_node_kind kind, int64_t value)
{
    if (!*slot) {
        *slot = pickle_node(m, kind);
        if (*slot && kind == WFS_NODE_BOOL)
            (*slot)->i = value;
    }
    return pickle_push(m, *slot);
}

int pickle_op_constant(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == 'N')
        return push_shared(m, &m->none, WFS_NODE_NONE, 0);
    return push_shared(m, &m->truth[op == 0x88], WFS_NODE_BOOL, op == 0x88);
}

int pickle_op_empty(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == ')')
        return push_shared(m, &m->empty_tuple, WFS_NODE_TUPLE, 0);
    return pickle_push(m, pickle_node(m, op == '}'   ? WFS_NODE_DICT
                                         : op == ']' ? WFS_NODE_LIST
                                                     : WFS_NODE_SET));
}

/* TUPLE1, TUPLE2, TUPLE3. */
int pickle_op_tuple(struct wfs_pickle_machine *m, uint8_t op)
{
    size_t n = (size_t)op - 0x84;
    struct wfs_node *items[3] = {0};
    for (size_t i = n; i-- > 0;) {
        items[i] = pickle_pop(m);
        if (!items[i])
            return -EINVAL;
    }
    struct wfs_node *tuple = pickle_node(m, WFS_NODE_TUPLE);
    int rc = tuple ? add_all(m, tuple, items, n) : 0;
    return rc ? rc : pickle_push(m, tuple);
}

/* TUPLE, LIST, DICT, FROZENSET of everything above the mark. */
int pickle_op_from_mark(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node **items;
    size_t n;
    int rc = pickle_pop_mark(m, &items, &n);
    if (rc)
        return rc;
    struct wfs_node *node = pickle_node(m, op == 't'   ? WFS_NODE_TUPLE
                                           : op == 'l' ? WFS_NODE_LIST
                                           : op == 'd' ? WFS_NODE_DICT
                                                       : WFS_NODE_SET);
    if (!node)
        return pickle_push(m, NULL);
    rc = op == 'd' ? add_all_pairs(m, node, items, n) : add_all(m, node, items, n);
    return rc ? rc : pickle_push(m, node);
}

/* What APPEND or SETITEM fills: the container itself, or what an unmade object would have got. */
static struct wfs_node *filled(struct wfs_pickle_machine *m, struct wfs_node *top,
                               enum wfs_node_kind kind)
{
    if (!top || top->kind == kind || (top->kind == WFS_NODE_SET && kind == WFS_NODE_LIST))
        return top;
    if (top->kind != WFS_NODE_CALL) {
        pickle_fail(m, "items for something that holds none");
        return NULL;
    }
    struct wfs_node **slot = kind == WFS_NODE_DICT ? &top->call->entries : &top->call->items;
    if (!*slot)
        *slot = pickle_node(m, kind);
    return *slot;
}

/* APPEND, APPENDS, ADDITEMS. */
int pickle_op_append(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *one = NULL, **items = &one;
    size_t n = 1;
    int rc = op == 'a' ? 0 : pickle_pop_mark(m, &items, &n);
    if (rc)
        return rc;
    if (op == 'a' && !(one = pickle_pop(m)))
        return -EINVAL;
    struct wfs_node *list = filled(m, pickle_top(m), WFS_NODE_LIST);
    return list ? add_all(m, list, items, n) : pickle_push(m, NULL);
}

/* SETITEM, SETITEMS. */
int pickle_op_set_item(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *pair[2], **items = pair;
    size_t n = 2;
    int rc = op == 's' ? 0 : pickle_pop_mark(m, &items, &n);
    if (rc)
        return rc;
    if (op == 's' && (!(pair[1] = pickle_pop(m)) || !(pair[0] = pickle_pop(m))))
        return -EINVAL;
    struct wfs_node *dict = filled(m, pickle_top(m), WFS_NODE_DICT);
    return dict ? add_all_pairs(m, dict, items, n) : pickle_push(m, NULL);
}

int pickle_op_persid(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *id;
    if (op == 'P') {
        char *line;
        size_t len;
        int rc = pickle_line(m, &line, &len);
        if (rc)
            return rc;
        id = pickle_text_node(m, line, len);
    } else {
        id = pickle_pop(m);
    }
    struct wfs_node *node = id ? pickle_node(m, WFS_NODE_PERSID) : NULL;
    int rc = node ? pickle_add(m, node, id) : pickle_push(m, NULL);
    if (rc)
        return rc;
    if (wfs_grow(&m->persids, &m->cap_persids, m->out.n_persids + 1, sizeof(*m->persids)))
        return pickle_nomem(m);
    m->persids[m->out.n_persids++] = node;
    return pickle_push(m, node);
}

/* ---- reading nodes ------------------------------------------------------------------------- */

const char *wfs_node_text(const struct wfs_node *node)
{
    return node && node->kind == WFS_NODE_STR ? node->str->data : NULL;
}

bool wfs_node_is_str(const struct wfs_node *node, const char *s)
{
    const char *text = wfs_node_text(node);
    return text && node->str->len == strlen(s) && memcmp(text, s, node->str->len) == 0;
}

bool wfs_node_i64(const struct wfs_node *node, int64_t *ret)
{
    if (!node || (node->kind != WFS_NODE_INT && node->kind != WFS_NODE_BOOL))
        return false;
    *ret = node->i;
    return true;
}

bool wfs_node_u64(const struct wfs_node *node, uint64_t *ret)
{
    int64_t value;
    if (!wfs_node_i64(node, &value) || value < 0)
        return false;
    *ret = (uint64_t)value;
    return true;
}

const struct wfs_node *wfs_node_item(const struct wfs_node *node, uint32_t i)
{
    bool is_list = node && (node->kind == WFS_NODE_TUPLE || node->kind == WFS_NODE_LIST);
    return is_list && i < node->n ? node->items[i] : NULL;
}

const struct wfs_node *wfs_node_get(const struct wfs_node *node, const char *key)
{
    if (!node || node->kind != WFS_NODE_DICT)
        return NULL;
    for (size_t i = node->n; i-- > 0;)
        if (wfs_node_is_str(node->items[2 * i], key))
            return node->items[2 * i + 1];
    return NULL;
}

bool wfs_node_is_global(const struct wfs_node *node, const char *module, const char *name)
{
    return node && node->kind == WFS_NODE_GLOBAL && strcmp(node->global->module, module) == 0 &&
           strcmp(node->global->name, name) == 0;
}
