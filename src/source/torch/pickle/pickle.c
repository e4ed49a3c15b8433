/*
 * pickle.c - the pickle machine: stack, marks, memo and the loop over opcodes.
 *
 *     opcode byte, argument of fixed length | length + bytes | line(s) of text      repeated
 *     "." ends; what is on top of the stack is the object
 *
 * Invariant: every opcode of protocols 0-5 has exactly one row in the table below, and no row does
 * anything but read its argument and build nodes. Whatever a file repeats cheaply is bounded by the
 * bytes read so far (memo indices, copies, kept strings) or by a constant (nodes, stack, marks).
 *
 * Refused: unknown opcodes, protocols above 5, a stack or memo that lacks what is asked for, ends
 * without STOP, and everything beyond the bounds of pickle_machine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "source/torch/pickle/pickle_machine.h"

int pickle_fail(struct wfs_pickle_machine *m, const char *what)
{
    return wfs_error_set(m->err, EINVAL, "%s: pickle at byte %llu: %s", m->cur->bytes->name,
                         (unsigned long long)m->op_off, what);
}

int pickle_nomem(struct wfs_pickle_machine *m)
{
    return wfs_error_nomem(m->err, "a pickle");
}

/* ---- nodes and the stack ------------------------------------------------------------------- */

struct wfs_node *pickle_node(struct wfs_pickle_machine *m, enum wfs_node_kind kind)
{
    if (m->out.n_nodes >= PICKLE_MAX_NODES) {
        pickle_fail(m, "more objects than a checkpoint has");
        return NULL;
    }
    if (m->slab_left == 0) {
        m->slab = wfs_arena_array(m->arena, PICKLE_NODES_A_SLAB, sizeof(*m->slab));
        if (!m->slab) {
            pickle_nomem(m);
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

int pickle_push(struct wfs_pickle_machine *m, struct wfs_node *node)
{
    if (!node)
        return m->err && m->err->code ? -m->err->code : -EINVAL;
    if (m->n_stack >= PICKLE_MAX_STACK)
        return pickle_fail(m, "stack too deep");
    if (wfs_grow(&m->stack, &m->cap_stack, m->n_stack + 1, sizeof(*m->stack)))
        return pickle_nomem(m);
    m->stack[m->n_stack++] = node;
    return 0;
}

static size_t fence(const struct wfs_pickle_machine *m)
{
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

struct wfs_node *pickle_top(struct wfs_pickle_machine *m)
{
    if (m->n_stack <= fence(m)) {
        pickle_fail(m, "the stack is empty");
        return NULL;
    }
    return m->stack[m->n_stack - 1];
}

struct wfs_node *pickle_pop(struct wfs_pickle_machine *m)
{
    struct wfs_node *node = pickle_top(m);
    if (node)
        m->n_stack--;
    return node;
}

int pickle_pop_mark(struct wfs_pickle_machine *m, struct wfs_node ***ret_items, size_t *ret_n)
{
    if (m->n_marks == 0)
        return pickle_fail(m, "no mark on the stack");
    size_t height = m->marks[--m->n_marks];
    *ret_items = m->stack ? m->stack + height : NULL;
    *ret_n = m->n_stack - height;
    m->n_stack = height;
    return 0;
}

static uint64_t bytes_read(const struct wfs_pickle_machine *m)
{
    return m->cur->pos - m->begin_off;
}

int pickle_charge_items(struct wfs_pickle_machine *m, uint64_t n)
{
    m->copied_items += n;
    return m->copied_items > bytes_read(m) ? pickle_fail(m, "calls that multiply a container") : 0;
}

int pickle_charge_bytes(struct wfs_pickle_machine *m, uint64_t n)
{
    m->kept_bytes += n;
    if (m->kept_bytes > 2 * bytes_read(m))
        return pickle_fail(m, "calls that multiply a string");
    return m->kept_bytes > PICKLE_MAX_KEPT_TOTAL ? pickle_fail(m, "too much text") : 0;
}

/* ---- opcodes of the machine itself --------------------------------------------------------- */

static int op_proto(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    uint8_t protocol;
    int rc = wfs_cursor_u8(m->cur, &protocol, m->err);
    if (!rc && protocol > PICKLE_MAX_PROTOCOL)
        rc = pickle_fail(m, "a protocol newer than 5");
    return rc;
}

/* A frame only promises that its bytes follow. */
static int op_frame(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    uint64_t len;
    int rc = wfs_cursor_u64le(m->cur, &len, m->err);
    if (!rc && len > wfs_cursor_left(m->cur))
        rc = pickle_fail(m, "a frame that is cut off");
    return rc;
}

static int op_stop(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    struct wfs_node *root = m->n_marks || m->n_stack == 0 ? NULL : pickle_pop(m);
    if (!root)
        return pickle_fail(m, "the end without an object");
    m->out.root = root;
    m->stopped = true;
    return 0;
}

static int op_mark(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    if (m->n_marks >= PICKLE_MAX_MARKS)
        return pickle_fail(m, "too many open marks");
    if (wfs_grow(&m->marks, &m->cap_marks, m->n_marks + 1, sizeof(*m->marks)))
        return pickle_nomem(m);
    m->marks[m->n_marks++] = (uint32_t)m->n_stack;
    return 0;
}

static int op_pop(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node **items;
    size_t n;
    if (op == '1' || (m->n_marks && m->n_stack == fence(m)))
        return pickle_pop_mark(m, &items, &n);
    return pickle_pop(m) ? 0 : -EINVAL;
}

static int op_dup(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    struct wfs_node *top = pickle_top(m);
    return top ? pickle_push(m, top) : -EINVAL;
}

/* The index of a GET or PUT: text, one byte or four. */
static int memo_index(struct wfs_pickle_machine *m, uint8_t op, uint64_t *ret)
{
    uint8_t small;
    uint32_t large;
    char *line, *end;
    size_t len;
    int rc;
    if (op == 'h' || op == 'q') {
        rc = wfs_cursor_u8(m->cur, &small, m->err);
        *ret = rc ? 0 : small;
    } else if (op == 'j' || op == 'r') {
        rc = wfs_cursor_u32le(m->cur, &large, m->err);
        *ret = rc ? 0 : large;
    } else {
        rc = pickle_line(m, &line, &len);
        *ret = rc ? 0 : strtoull(line, &end, 10);
        if (!rc && (len == 0 || *end || line[0] < '0' || line[0] > '9'))
            rc = pickle_fail(m, "a memo index that is no number");
    }
    return rc;
}

static int op_get(struct wfs_pickle_machine *m, uint8_t op)
{
    uint64_t i = 0;
    int rc = memo_index(m, op, &i);
    if (rc)
        return rc;
    if (i >= m->cap_memo || !m->memo[i])
        return pickle_fail(m, "a memo entry that was never put");
    return pickle_push(m, m->memo[i]);
}

/* Writers count up from 0, so an index beyond the bytes read is a memo bomb. */
static int op_put(struct wfs_pickle_machine *m, uint8_t op)
{
    uint64_t i = m->n_memo;
    int rc = op == 0x94 ? 0 : memo_index(m, op, &i);
    struct wfs_node *top = rc ? NULL : pickle_top(m);
    if (!top)
        return rc ? rc : -EINVAL;
    if (i > bytes_read(m))
        return pickle_fail(m, "a memo index out of all proportion");
    size_t old = m->cap_memo;
    if (wfs_grow(&m->memo, &m->cap_memo, (size_t)i + 1, sizeof(*m->memo)))
        return pickle_nomem(m);
    if (m->cap_memo > old)
        memset(m->memo + old, 0, (m->cap_memo - old) * sizeof(*m->memo));
    m->n_memo += m->memo[i] == NULL;
    m->memo[i] = top;
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

static pickle_op *const pickle_ops[256] = {
    ['('] = op_mark,
    ['.'] = op_stop,
    ['0'] = op_pop,
    ['1'] = op_pop,
    ['2'] = op_dup,
    ['F'] = pickle_op_text_number,
    ['G'] = pickle_op_number,
    ['I'] = pickle_op_text_number,
    ['J'] = pickle_op_number,
    ['K'] = pickle_op_number,
    ['L'] = pickle_op_text_number,
    ['M'] = pickle_op_number,
    ['N'] = pickle_op_constant,
    ['P'] = pickle_op_persid,
    ['Q'] = pickle_op_persid,
    ['R'] = pickle_op_call,
    ['S'] = pickle_op_text_string,
    ['T'] = pickle_op_string,
    ['U'] = pickle_op_string,
    ['V'] = pickle_op_text_string,
    ['X'] = pickle_op_string,
    ['B'] = pickle_op_string,
    ['C'] = pickle_op_string,
    ['a'] = pickle_op_append,
    ['b'] = pickle_op_build,
    ['c'] = pickle_op_global,
    ['d'] = pickle_op_from_mark,
    ['e'] = pickle_op_append,
    ['g'] = op_get,
    ['h'] = op_get,
    ['i'] = pickle_op_call,
    ['j'] = op_get,
    ['l'] = pickle_op_from_mark,
    ['o'] = pickle_op_call,
    ['p'] = op_put,
    ['q'] = op_put,
    ['r'] = op_put,
    ['s'] = pickle_op_set_item,
    ['t'] = pickle_op_from_mark,
    ['u'] = pickle_op_set_item,
    ['}'] = pickle_op_empty,
    [']'] = pickle_op_empty,
    [')'] = pickle_op_empty,
    [0x80] = op_proto,
    [0x81] = pickle_op_call, /* NEWOBJ */
    [0x82] = pickle_op_extension,
    [0x83] = pickle_op_extension,
    [0x84] = pickle_op_extension,
    [0x85] = pickle_op_tuple,
    [0x86] = pickle_op_tuple,
    [0x87] = pickle_op_tuple,
    [0x88] = pickle_op_constant,  /* NEWTRUE */
    [0x89] = pickle_op_constant,  /* NEWFALSE */
    [0x8a] = pickle_op_number,    /* LONG1 */
    [0x8b] = pickle_op_number,    /* LONG4 */
    [0x8c] = pickle_op_string,    /* SHORT_BINUNICODE */
    [0x8d] = pickle_op_string,    /* BINUNICODE8 */
    [0x8e] = pickle_op_string,    /* BINBYTES8 */
    [0x8f] = pickle_op_empty,     /* EMPTY_SET */
    [0x90] = pickle_op_append,    /* ADDITEMS */
    [0x91] = pickle_op_from_mark, /* FROZENSET */
    [0x92] = pickle_op_call,      /* NEWOBJ_EX */
    [0x93] = pickle_op_global,    /* STACK_GLOBAL */
    [0x94] = op_put,              /* MEMOIZE */
    [0x95] = op_frame,
    [0x96] = pickle_op_string, /* BYTEARRAY8 */
    [0x97] = pickle_op_buffer, /* NEXT_BUFFER */
    [0x98] = pickle_op_buffer, /* READONLY_BUFFER */
};

static int run(struct wfs_pickle_machine *m)
{
    while (!m->stopped) {
        uint8_t op;
        m->op_off = m->cur->pos;
        if (wfs_cursor_left(m->cur) == 0)
            return pickle_fail(m, "cut off before its end");
        int rc = wfs_cursor_u8(m->cur, &op, m->err);
        if (rc)
            return rc;
        if (!pickle_ops[op])
            return wfs_error_set(m->err, EINVAL, "%s: pickle at byte %llu: no opcode 0x%02x",
                                 m->cur->bytes->name, (unsigned long long)m->op_off, op);
        rc = pickle_ops[op](m, op);
        if (rc)
            return rc;
    }
    return 0;
}

int wfs_pickle_parse(struct wfs_arena *arena, struct wfs_cursor *cur, struct wfs_pickle *ret,
                     struct wfs_error *err)
{
    struct wfs_error local = {0};
    struct wfs_pickle_machine m = {
        .arena = arena, .cur = cur, .err = &local, .begin_off = cur->pos, .op_off = cur->pos};
    m.out.dangers = wfs_arena_array(arena, WFS_PICKLE_MAX_DANGERS, sizeof(*m.out.dangers));
    int rc = m.out.dangers ? run(&m) : pickle_nomem(&m);
    if (!rc && m.out.n_persids) {
        m.out.persids =
            wfs_arena_memdup(arena, m.persids, m.out.n_persids * sizeof(*m.out.persids));
        rc = m.out.persids ? 0 : pickle_nomem(&m);
    }
    free(m.stack);
    free(m.marks);
    free(m.memo);
    free(m.persids);
    if (rc)
        return wfs_error_set(err, -rc, "%s", local.message);
    m.out.begin_off = m.begin_off;
    m.out.end_off = cur->pos;
    *ret = m.out;
    return 0;
}
