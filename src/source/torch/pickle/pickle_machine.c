/*
 * pickle_machine.c - what every opcode works with: the stack and its marks, new nodes, and the
 * accounts that bound what a few bytes of a file can make large.
 */
#include "source/torch/pickle/pickle_machine.h"

int wfs_pickle_fail(struct wfs_pickle_machine *m, const char *what)
{
    return wfs_error_set(m->err, EINVAL, "%s: pickle at byte %llu: %s", m->cur->bytes->name,
                         (unsigned long long)m->op_off, what);
}

int wfs_pickle_nomem(struct wfs_pickle_machine *m)
{
    return wfs_error_nomem(m->err, "a pickle");
}

/* ---- nodes and the stack ------------------------------------------------------------------- */

struct wfs_node *wfs_pickle_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind)
{
    if (m->out.n_nodes >= PICKLE_MAX_NODES) {
        wfs_pickle_fail(m, "more objects than a checkpoint has");
        return NULL;
    }
    if (m->slab_left == 0) {
        m->slab = wfs_arena_array(m->arena, PICKLE_NODES_A_SLAB, sizeof(*m->slab));
        if (!m->slab) {
            wfs_pickle_nomem(m);
            return NULL;
        }
        m->slab_left = PICKLE_NODES_A_SLAB;
    }
    struct wfs_node *node = m->slab++;
    m->slab_left--;
    m->out.n_nodes++;
    node->kind = (uint8_t)kind;
    node->file_off = m->op_off;
    return node;
}

int wfs_pickle_push(struct wfs_pickle_machine *m, struct wfs_node *node)
{
    if (!node)
        return m->err && m->err->code ? -m->err->code : -EINVAL;
    if (m->n_stack >= PICKLE_MAX_STACK)
        return wfs_pickle_fail(m, "stack too deep");
    if (wfs_grow(&m->stack, &m->cap_stack, m->n_stack + 1, sizeof(*m->stack)))
        return wfs_pickle_nomem(m);
    m->stack[m->n_stack++] = node;
    return 0;
}

size_t wfs_pickle_fence(const struct wfs_pickle_machine *m)
{
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

struct wfs_node *wfs_pickle_top(struct wfs_pickle_machine *m)
{
    if (m->n_stack <= wfs_pickle_fence(m)) {
        wfs_pickle_fail(m, "the stack is empty");
        return NULL;
    }
    return m->stack[m->n_stack - 1];
}

struct wfs_node *wfs_pickle_pop(struct wfs_pickle_machine *m)
{
    struct wfs_node *node = wfs_pickle_top(m);
    if (node)
        m->n_stack--;
    return node;
}

int wfs_pickle_pop_mark(struct wfs_pickle_machine *m, struct wfs_node ***ret_items, size_t *ret_n)
{
    if (m->n_marks == 0)
        return wfs_pickle_fail(m, "no mark on the stack");
    size_t height = m->marks[--m->n_marks];
    *ret_items = m->stack ? m->stack + height : NULL;
    *ret_n = m->n_stack - height;
    m->n_stack = height;
    return 0;
}

uint64_t wfs_pickle_bytes_read(const struct wfs_pickle_machine *m)
{
    return m->cur->pos - m->begin_off;
}

int wfs_pickle_charge_items(struct wfs_pickle_machine *m, uint64_t n)
{
    m->copied_items += n;
    return m->copied_items > wfs_pickle_bytes_read(m)
               ? wfs_pickle_fail(m, "calls that multiply a container")
               : 0;
}

int wfs_pickle_charge_bytes(struct wfs_pickle_machine *m, uint64_t n)
{
    m->kept_bytes += n;
    if (m->kept_bytes > 2 * wfs_pickle_bytes_read(m))
        return wfs_pickle_fail(m, "calls that multiply a string");
    return m->kept_bytes > PICKLE_MAX_KEPT_TOTAL ? wfs_pickle_fail(m, "too much text") : 0;
}
