/*
 * pickle.c - runs a pickle: the loop over opcodes, and the opcodes of the machine itself (marks,
 * memo, protocol, end).
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
#include "source/torch/pickle/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "source/torch/pickle/pickle_build.h"
#include "source/torch/pickle/pickle_call.h"
#include "source/torch/pickle/pickle_scalar.h"

/* ---- opcodes of the machine itself --------------------------------------------------------- */

static int op_proto(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    uint8_t protocol;
    int r = wfs_cursor_u8(m->cur, &protocol, m->err);
    if (!r && protocol > PICKLE_MAX_PROTOCOL)
        r = wfs_pickle_fail(m, "a protocol newer than 5");
    return r;
}

/* FRAME promises how many bytes follow: they must be there, and nothing else depends on it. */
static int op_frame(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    uint64_t len;
    int r = wfs_cursor_u64le(m->cur, &len, m->err);
    if (!r && len > wfs_cursor_left(m->cur))
        r = wfs_pickle_fail(m, "a frame that is cut off");
    return r;
}

static int op_stop(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    struct wfs_node *root = m->n_marks || m->n_stack == 0 ? NULL : wfs_pickle_pop(m);
    if (!root)
        return wfs_pickle_fail(m, "the end without an object");
    m->out.root = root;
    m->stopped = true;
    return 0;
}

static int op_mark(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    if (m->n_marks >= PICKLE_MAX_MARKS)
        return wfs_pickle_fail(m, "too many open marks");
    if (wfs_grow(&m->marks, &m->cap_marks, m->n_marks + 1, sizeof(*m->marks)))
        return wfs_pickle_nomem(m);
    m->marks[m->n_marks++] = (uint32_t)m->n_stack;
    return 0;
}

static int op_pop(struct wfs_pickle_machine *m, uint8_t op)
{
    struct wfs_node **items;
    size_t n;
    if (op == '1' || (m->n_marks && m->n_stack == wfs_pickle_fence(m)))
        return wfs_pickle_pop_mark(m, &items, &n);
    return wfs_pickle_pop(m) ? 0 : -EINVAL;
}

static int op_dup(struct wfs_pickle_machine *m, uint8_t op)
{
    (void)op;
    struct wfs_node *top = wfs_pickle_top(m);
    return top ? wfs_pickle_push(m, top) : -EINVAL;
}

/* Takes the index of a GET or PUT, which is text, one byte or four bytes. */
static int memo_index(struct wfs_pickle_machine *m, uint8_t op, uint64_t *ret)
{
    uint8_t small;
    uint32_t large;
    char *line, *end;
    size_t len;
    int r;
    if (op == 'h' || op == 'q') {
        r = wfs_cursor_u8(m->cur, &small, m->err);
        *ret = r ? 0 : small;
    } else if (op == 'j' || op == 'r') {
        r = wfs_cursor_u32le(m->cur, &large, m->err);
        *ret = r ? 0 : large;
    } else {
        r = wfs_pickle_line(m, &line, &len);
        *ret = r ? 0 : strtoull(line, &end, 10);
        if (!r && (len == 0 || *end || line[0] < '0' || line[0] > '9'))
            r = wfs_pickle_fail(m, "a memo index that is no number");
    }
    return r;
}

static int op_get(struct wfs_pickle_machine *m, uint8_t op)
{
    uint64_t i = 0;
    int r = memo_index(m, op, &i);
    if (r)
        return r;
    if (i >= m->cap_memo || !m->memo[i])
        return wfs_pickle_fail(m, "a memo entry that was never put");
    return wfs_pickle_push(m, m->memo[i]);
}

/* Writers count memo entries up from 0, so an index beyond the bytes read so far is there only to
 * make the memo large. */
static int op_put(struct wfs_pickle_machine *m, uint8_t op)
{
    uint64_t i = m->n_memo;
    int r = op == 0x94 ? 0 : memo_index(m, op, &i);
    struct wfs_node *top = r ? NULL : wfs_pickle_top(m);
    if (!top)
        return r ? r : -EINVAL;
    if (i > wfs_pickle_bytes_read(m))
        return wfs_pickle_fail(m, "a memo index out of all proportion");
    size_t old = m->cap_memo;
    if (wfs_grow(&m->memo, &m->cap_memo, (size_t)i + 1, sizeof(*m->memo)))
        return wfs_pickle_nomem(m);
    if (m->cap_memo > old)
        memset(m->memo + old, 0, (m->cap_memo - old) * sizeof(*m->memo));
    m->n_memo += m->memo[i] == NULL;
    m->memo[i] = top;
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

static wfs_pickle_op *const pickle_ops[256] = {
    ['('] = op_mark,
    ['.'] = op_stop,
    ['0'] = op_pop,
    ['1'] = op_pop,
    ['2'] = op_dup,
    ['F'] = wfs_pickle_op_text_number,
    ['G'] = wfs_pickle_op_number,
    ['I'] = wfs_pickle_op_text_number,
    ['J'] = wfs_pickle_op_number,
    ['K'] = wfs_pickle_op_number,
    ['L'] = wfs_pickle_op_text_number,
    ['M'] = wfs_pickle_op_number,
    ['N'] = wfs_pickle_op_constant,
    ['P'] = wfs_pickle_op_persid,
    ['Q'] = wfs_pickle_op_persid,
    ['R'] = wfs_pickle_op_call,
    ['S'] = wfs_pickle_op_text_string,
    ['T'] = wfs_pickle_op_string,
    ['U'] = wfs_pickle_op_string,
    ['V'] = wfs_pickle_op_text_string,
    ['X'] = wfs_pickle_op_string,
    ['B'] = wfs_pickle_op_string,
    ['C'] = wfs_pickle_op_string,
    ['a'] = wfs_pickle_op_append,
    ['b'] = wfs_pickle_op_build,
    ['c'] = wfs_pickle_op_global,
    ['d'] = wfs_pickle_op_from_mark,
    ['e'] = wfs_pickle_op_append,
    ['g'] = op_get,
    ['h'] = op_get,
    ['i'] = wfs_pickle_op_call,
    ['j'] = op_get,
    ['l'] = wfs_pickle_op_from_mark,
    ['o'] = wfs_pickle_op_call,
    ['p'] = op_put,
    ['q'] = op_put,
    ['r'] = op_put,
    ['s'] = wfs_pickle_op_set_item,
    ['t'] = wfs_pickle_op_from_mark,
    ['u'] = wfs_pickle_op_set_item,
    ['}'] = wfs_pickle_op_empty,
    [']'] = wfs_pickle_op_empty,
    [')'] = wfs_pickle_op_empty,
    [0x80] = op_proto,
    [0x81] = wfs_pickle_op_call, /* NEWOBJ */
    [0x82] = wfs_pickle_op_extension,
    [0x83] = wfs_pickle_op_extension,
    [0x84] = wfs_pickle_op_extension,
    [0x85] = wfs_pickle_op_tuple,
    [0x86] = wfs_pickle_op_tuple,
    [0x87] = wfs_pickle_op_tuple,
    [0x88] = wfs_pickle_op_constant,  /* NEWTRUE */
    [0x89] = wfs_pickle_op_constant,  /* NEWFALSE */
    [0x8a] = wfs_pickle_op_number,    /* LONG1 */
    [0x8b] = wfs_pickle_op_number,    /* LONG4 */
    [0x8c] = wfs_pickle_op_string,    /* SHORT_BINUNICODE */
    [0x8d] = wfs_pickle_op_string,    /* BINUNICODE8 */
    [0x8e] = wfs_pickle_op_string,    /* BINBYTES8 */
    [0x8f] = wfs_pickle_op_empty,     /* EMPTY_SET */
    [0x90] = wfs_pickle_op_append,    /* ADDITEMS */
    [0x91] = wfs_pickle_op_from_mark, /* FROZENSET */
    [0x92] = wfs_pickle_op_call,      /* NEWOBJ_EX */
    [0x93] = wfs_pickle_op_global,    /* STACK_GLOBAL */
    [0x94] = op_put,                  /* MEMOIZE */
    [0x95] = op_frame,
    [0x96] = wfs_pickle_op_string, /* BYTEARRAY8 */
    [0x97] = wfs_pickle_op_buffer, /* NEXT_BUFFER */
    [0x98] = wfs_pickle_op_buffer, /* READONLY_BUFFER */
};

static int run(struct wfs_pickle_machine *m)
{
    while (!m->stopped) {
        uint8_t op;
        m->op_off = m->cur->pos;
        if (wfs_cursor_left(m->cur) == 0)
            return wfs_pickle_fail(m, "cut off before its end");
        int r = wfs_cursor_u8(m->cur, &op, m->err);
        if (r)
            return r;
        if (!pickle_ops[op])
            return wfs_error_set(m->err, EINVAL, "%s: pickle at byte %llu: no opcode 0x%02x",
                                 m->cur->bytes->name, (unsigned long long)m->op_off, op);
        r = pickle_ops[op](m, op);
        if (r)
            return r;
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
    int r = m.out.dangers ? run(&m) : wfs_pickle_nomem(&m);
    if (!r && m.out.n_persids) {
        m.out.persids =
            wfs_arena_memdup(arena, m.persids, m.out.n_persids * sizeof(*m.out.persids));
        r = m.out.persids ? 0 : wfs_pickle_nomem(&m);
    }
    free(m.stack);
    free(m.marks);
    free(m.memo);
    free(m.persids);
    if (r)
        return wfs_error_set(err, -r, "%s", local.message);
    m.out.begin_off = m.begin_off;
    m.out.end_off = cur->pos;
    *ret = m.out;
    return 0;
}
