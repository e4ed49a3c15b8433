/*
 * parse_ops.c - operations: "transpose", "reshape(H, D, -1)", "concat(k, 0, equal)". One table says
 * what each takes; the parser is generic.
 */
#include "rules/parse_ops.h"

#include <string.h>

#include "rules/operations/layout.h"
#include "rules/operations/table.h"

#define MAX_OPS 64

static int expected_usage(struct wfs_parser *p, const struct wfs_operation *def)
{
    char what[96];
    snprintf(what, sizeof(what), "%s", def->usage);
    return wfs_parse_expected(p, what);
}

static int parse_dtype(struct wfs_parser *p, struct wfs_op *op)
{
    const char *word;
    struct wfs_parser at = *p;
    int r = wfs_parse_ident(p, "an element type, as float32", &word);
    if (r)
        return r;
    op->dtype_like = op->operation->class == WFS_OP_FILL && strcmp(word, "like") == 0;
    if (!op->dtype_like && !wfs_dtype_by_name(word, &op->dtype))
        return wfs_parse_expected(&at, "an element type, as float32");
    return 0;
}

/* "OI*>*IO": two sides of the same letters. */
static int parse_layout(struct wfs_parser *p, struct wfs_op *op)
{
    struct wfs_pos pos = wfs_parse_pos(p);
    int r = wfs_parse_string(p, &op->layout);
    if (r)
        return r;
    const char *mid = strchr(op->layout, '>');
    size_t n = mid ? (size_t)(mid - op->layout) : 0;
    bool ok = n > 0 && n <= 32 && strlen(mid + 1) == n;
    for (size_t i = 0; ok && i < n; i++) {
        const char *in_right = memchr(mid + 1, op->layout[i], n);
        ok = in_right && !memchr(op->layout, op->layout[i], i);
    }
    if (!ok)
        return wfs_parse_error(p, pos,
                               "expected the same letters on both sides of '>', "
                               "as in \"OIHW>HWIO\" or \"OI*>*IO\"");
    return 0;
}

/* A capture's name before a comma or ')'. */
static int parse_op_cap(struct wfs_parser *p, const struct wfs_operation *def, struct wfs_op *op,
                        bool *ret_found)
{
    struct wfs_parser copy = *p;
    const char *word;
    struct wfs_error ignored = {0};
    copy.err = &ignored;
    *ret_found = false;
    int r = def->cap == WFS_OP_NO_CAP ? -EINVAL : wfs_parse_ident(&copy, "", &word);
    if (r == -ENOMEM)
        return wfs_error_nomem(p->err, "rules");
    if (!r) {
        op->cap = wfs_parse_cap_find(p, word, strlen(word));
        if (op->cap != WFS_NO_INDEX) {
            p->pos = copy.pos;
            p->line = copy.line;
            p->line_start = copy.line_start;
            *ret_found = true;
        }
    }
    if (!*ret_found && def->cap == WFS_OP_MUST_CAP)
        return wfs_parse_expected(p, "a capture of this rule");
    return 0;
}

/* What stands before the numbers; *ret_any says that something did. */
static int parse_head(struct wfs_parser *p, const struct wfs_operation *def, struct wfs_op *op,
                      bool *ret_any)
{
    *ret_any = def->takes_dtype || def->takes_layout;
    if (def->takes_dtype)
        return parse_dtype(p, op);
    if (def->takes_layout)
        return parse_layout(p, op);
    return parse_op_cap(p, def, op, ret_any);
}

/* Numbers up to ')' or, for reshape, ';'. */
static int parse_numbers(struct wfs_parser *p, const struct wfs_operation *def, struct wfs_op *op,
                         bool any, const struct wfs_vexpr *const **ret, uint32_t *ret_n,
                         bool *ret_more)
{
    const struct wfs_vexpr *args[WFS_OP_MAX_ARGS];
    uint32_t n = 0;
    for (; !wfs_parse_accept(p, ")"); any = true) {
        *ret_more = def->takes_from && wfs_parse_accept(p, ";");
        if (*ret_more)
            break;
        int r = any ? wfs_parse_expect(p, ",") : 0;
        if (r)
            return r;
        if (def->takes_equal && n && wfs_parse_accept(p, "equal")) {
            op->equal = true;
            continue;
        }
        if (n == def->max_args)
            return expected_usage(p, def);
        r = wfs_parse_expr(p, &args[n]);
        if (r)
            return r;
        n++;
    }
    *ret = wfs_arena_memdup(p->arena, n ? (const void *)args : "", n ? n * sizeof(args[0]) : 1);
    *ret_n = n;
    return *ret ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_args(struct wfs_parser *p, const struct wfs_operation *def, struct wfs_op *op)
{
    bool any, more = false;
    int r = parse_head(p, def, op, &any);
    if (!r)
        r = parse_numbers(p, def, op, any, &op->args, &op->n_args, &more);
    if (!r && more)
        r = parse_numbers(p, def, op, false, &op->from, &op->n_from, &more);
    if (!r && more)
        r = expected_usage(p, def);
    return r;
}

int wfs_parse_op(struct wfs_parser *p, struct wfs_op *ret)
{
    if (!wfs_parse_space(p))
        return wfs_parse_expected(p, "an operation");
    size_t start = p->pos;
    struct wfs_parser at = *p;
    struct wfs_op op = {.pos = wfs_parse_pos(p), .cap = WFS_NO_INDEX};
    int r;
    if (wfs_parse_peek(p) == '"') {
        op.operation = &wfs_op_layout;
        r = parse_layout(p, &op);
    } else {
        const char *word;
        r = wfs_parse_ident(p, "an operation", &word);
        const struct wfs_operation *def = r ? NULL : wfs_operation_find(word);
        if (!r && !def)
            return wfs_parse_expected(&at, "an operation (transpose, reshape, concat, ...)");
        if (!r) {
            op.operation = def;
            bool needs = def->min_args > 0 || def->takes_dtype || def->takes_layout ||
                         def->cap == WFS_OP_MUST_CAP;
            if (wfs_parse_peek(p) == '(') {
                wfs_parse_next(p);
                r = parse_args(p, def, &op);
            } else if (needs) {
                r = expected_usage(p, def);
            }
            if (!r && op.n_args < def->min_args)
                r = expected_usage(&at, def);
        }
    }
    if (r)
        return r;
    op.text = wfs_parse_text_since(p, start);
    if (!op.text)
        return wfs_error_nomem(p->err, "rules");
    *ret = op;
    return 0;
}

int wfs_parse_ops(struct wfs_parser *p, struct wfs_ops *ret)
{
    struct wfs_op ops[MAX_OPS];
    uint32_t n = 0;
    while (!wfs_parse_at_delimiter(p)) {
        if (n == MAX_OPS)
            return wfs_parse_expected(p, "at most 64 operations");
        int r = wfs_parse_op(p, &ops[n]);
        if (r)
            return r;
        n++;
    }
    if (n == 0)
        return wfs_parse_expected(p, "an operation after ':'");
    ret->n = n;
    ret->op = wfs_arena_memdup(p->arena, ops, n * sizeof(ops[0]));
    return ret->op ? 0 : wfs_error_nomem(p->err, "rules");
}
