/*
 * pickle_build.c - opcodes that make and fill containers and persistent ids.
 *
 * A container's room is the power of two that holds its items, so its capacity needs no field; the
 * arrays left behind by growth at most double the memory.
 */
#include "source/torch/pickle/pickle_build.h"

#include <stdlib.h>
#include <string.h>

#include "source/torch/pickle/pickle_scalar.h"

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
        return wfs_pickle_fail(m, "a container of too many items");
    struct wfs_node **items =
        wfs_arena_array(m->arena, room_of((size_t)node->n + 1) * width, sizeof(struct wfs_node *));
    if (!items)
        return wfs_pickle_nomem(m);
    if (node->n)
        memcpy(items, node->items, node->n * width * sizeof(struct wfs_node *));
    node->items = items;
    return 0;
}

int wfs_pickle_add(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *item)
{
    int r = make_room(m, node, 1);
    if (!r)
        node->items[node->n++] = item;
    return r;
}

int wfs_pickle_add_pair(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node *key,
                        struct wfs_node *value)
{
    int r = make_room(m, node, 2);
    if (r)
        return r;
    node->items[2 * (size_t)node->n] = key;
    node->items[2 * (size_t)node->n + 1] = value;
    node->n++;
    return 0;
}

static int add_all(struct wfs_pickle_machine *m, struct wfs_node *node, struct wfs_node **items,
                   size_t n)
{
    int r = 0;
    for (size_t i = 0; !r && i < n; i++)
        r = wfs_pickle_add(m, node, items[i]);
    return r;
}

static int add_all_pairs(struct wfs_pickle_machine *m, struct wfs_node *node,
                         struct wfs_node **items, size_t n)
{
    int r = n % 2 ? wfs_pickle_fail(m, "a key without a value") : 0;
    for (size_t i = 0; !r && i < n; i += 2)
        r = wfs_pickle_add_pair(m, node, items[i], items[i + 1]);
    return r;
}

/* ---- opcodes ------------------------------------------------------------------------------- */

int wfs_pickle_op_empty(struct wfs_pickle_machine *m, uint8_t op)
{
    if (op == ')') {
        if (!m->empty_tuple)
            m->empty_tuple = wfs_pickle_node(m, WFS_NODE_TUPLE);
        return wfs_pickle_push(m, m->empty_tuple);
    }
    return wfs_pickle_push(m, wfs_pickle_node(m, op == '}'   ? WFS_NODE_DICT
                                                 : op == ']' ? WFS_NODE_LIST
                                                             : WFS_NODE_SET));
}

/* TUPLE1, TUPLE2, TUPLE3. */
int wfs_pickle_op_tuple(struct wfs_pickle_machine *m, uint8_t op)
{
    size_t n = (size_t)op - 0x84;
    struct wfs_node *items[3] = {0};
    for (size_t i = n; i-- > 0;) {
        items[i] = wfs_pickle_pop(m);
        if (!items[i])
            return -EINVAL;
    }
    struct wfs_node *tuple = wfs_pickle_node(m, WFS_NODE_TUPLE);
    int r = tuple ? add_all(m, tuple, items, n) : 0;
    return r ? r : wfs_pickle_push(m, tuple);
}

/* TUPLE, LIST, DICT, FROZENSET of everything above the mark. */
int wfs_pickle_op_from_mark(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node **items;
    size_t n;
    int r = wfs_pickle_pop_mark(m, &items, &n);
    if (r)
        return r;
    struct wfs_node *node = wfs_pickle_node(m, op == 't'   ? WFS_NODE_TUPLE
                                               : op == 'l' ? WFS_NODE_LIST
                                               : op == 'd' ? WFS_NODE_DICT
                                                           : WFS_NODE_SET);
    if (!node)
        return wfs_pickle_push(m, NULL);
    r = op == 'd' ? add_all_pairs(m, node, items, n) : add_all(m, node, items, n);
    return r ? r : wfs_pickle_push(m, node);
}

/* The container that APPEND or SETITEM fills: the one on the stack, or that of an object which was
 * not made, for what it would have been given. */
static struct wfs_node *filled(struct wfs_pickle_machine *m, struct wfs_node *top,
                               enum wfs_node_kind kind)
{
    if (!top || top->kind == kind || (top->kind == WFS_NODE_SET && kind == WFS_NODE_LIST))
        return top;
    if (top->kind != WFS_NODE_CALL) {
        wfs_pickle_fail(m, "items for something that holds none");
        return NULL;
    }
    struct wfs_node **slot = kind == WFS_NODE_DICT ? &top->call->entries : &top->call->items;
    if (!*slot)
        *slot = wfs_pickle_node(m, kind);
    return *slot;
}

/* APPEND, APPENDS, ADDITEMS. */
int wfs_pickle_op_append(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *one = NULL, **items = &one;
    size_t n = 1;
    int r = op == 'a' ? 0 : wfs_pickle_pop_mark(m, &items, &n);
    if (r)
        return r;
    if (op == 'a' && !(one = wfs_pickle_pop(m)))
        return -EINVAL;
    struct wfs_node *list = filled(m, wfs_pickle_top(m), WFS_NODE_LIST);
    return list ? add_all(m, list, items, n) : wfs_pickle_push(m, NULL);
}

/* SETITEM, SETITEMS. */
int wfs_pickle_op_set_item(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *pair[2], **items = pair;
    size_t n = 2;
    int r = op == 's' ? 0 : wfs_pickle_pop_mark(m, &items, &n);
    if (r)
        return r;
    if (op == 's' && (!(pair[1] = wfs_pickle_pop(m)) || !(pair[0] = wfs_pickle_pop(m))))
        return -EINVAL;
    struct wfs_node *dict = filled(m, wfs_pickle_top(m), WFS_NODE_DICT);
    return dict ? add_all_pairs(m, dict, items, n) : wfs_pickle_push(m, NULL);
}

int wfs_pickle_op_persid(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node *id;
    if (op == 'P') {
        char *line;
        size_t len;
        int r = wfs_pickle_line(m, &line, &len);
        if (r)
            return r;
        id = wfs_pickle_text_node(m, line, len);
    } else {
        id = wfs_pickle_pop(m);
    }
    struct wfs_node *node = id ? wfs_pickle_node(m, WFS_NODE_PERSID) : NULL;
    int r = node ? wfs_pickle_add(m, node, id) : wfs_pickle_push(m, NULL);
    if (r)
        return r;
    if (wfs_grow(&m->persids, &m->cap_persids, m->out.n_persids + 1, sizeof(*m->persids)))
        return wfs_pickle_nomem(m);
    m->persids[m->out.n_persids++] = node;
    return wfs_pickle_push(m, node);
}
