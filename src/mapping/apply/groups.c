/*
 * groups.c - groups of a fan-in brought together: the items that agree in all captures but those
 * that are joined over.
 */
#include "mapping/apply/groups.h"

#include <stdlib.h>

#include "mapping/apply/emit.h"
#include "mapping/ops/fan.h"
#include "mapping/apply/keep.h"

int wfs_groups_add(struct wfs_apply *ap, uint32_t item, const struct wfs_pick *pick)
{
    if (wfs_grow(&ap->hits, &ap->cap_hits, ap->n_hits + 1, sizeof(*ap->hits)))
        return wfs_error_nomem(ap->sink->err, "mapping");
    ap->hits[ap->n_hits++] = (struct wfs_hit){pick->rule, pick->part, item, pick->match};
    return 0;
}

void wfs_groups_free(struct wfs_apply *ap)
{
    free(ap->hits);
}

/* By rule and by the captures that are not fanned in: equal hits are one group. */
static int compare_groups(const struct wfs_hit *a, const struct wfs_hit *b)
{
    if (a->rule != b->rule)
        return a->rule < b->rule ? -1 : 1;
    for (uint32_t cap = 0; cap < a->rule->n_caps; cap++) {
        if (!a->rule->caps[cap].in_source || (a->rule->fan_caps >> cap & 1))
            continue;
        int c = wfs_binding_compare(&a->rule->caps[cap], &a->match.b[cap], &b->match.b[cap]);
        if (c)
            return c;
    }
    return 0;
}

/* By part and by the captures that are fanned in: equal hits of a group are told apart by nothing.
 */
static int compare_within(const struct wfs_hit *a, const struct wfs_hit *b)
{
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    for (uint32_t cap = 0; cap < a->rule->n_caps; cap++) {
        int c = a->rule->fan_caps >> cap & 1
                    ? wfs_binding_compare(&a->rule->caps[cap], &a->match.b[cap], &b->match.b[cap])
                    : 0;
        if (c)
            return c;
    }
    return 0;
}

static int compare_hits(const void *pa, const void *pb)
{
    const struct wfs_hit *a = pa, *b = pb;
    int c = compare_groups(a, b);
    c = c ? c : compare_within(a, b);
    return c ? c : a->item < b->item ? -1 : a->item > b->item;
}

static int add_hit(struct wfs_apply *ap, const struct wfs_hit *hit, struct wfs_vals *vals)
{
    struct wfs_val val = wfs_val_of(&ap->world.items->items[hit->item], hit->item, &hit->match);
    return wfs_vals_add(vals, &val, ap->sink->err);
}

/* One part's tensors through its own operations, appended to *all with the part's tag. */
static int run_part(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n,
                    struct wfs_vals *all, struct wfs_buf *text)
{
    struct wfs_vals vals = {0};
    int r = 0;
    const struct wfs_rule *rule = hits->rule;
    const struct wfs_run run = wfs_apply_run(ap, rule);
    const struct wfs_ops *ops = &rule->sources.part[hits->part].ops;
    for (size_t i = 0; !r && i < n; i++)
        r = add_hit(ap, &hits[i], &vals);
    if (!r && hits->part && (ops->n || text->len))
        wfs_buf_str(text, " &");
    if (!r)
        r = wfs_ops_run(&run, ops, &vals, text);
    for (size_t i = 0; !r && i < vals.n; i++) {
        if (rule->sources.n > 1)
            vals.v[i].tag = hits->part;
        r = wfs_vals_add(all, &vals.v[i], ap->sink->err);
    }
    free(vals.v);
    return r;
}

static int keep_hits(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n)
{
    int r = 0;
    for (size_t i = 0; !r && i < n; i++)
        r = wfs_apply_keep(ap, hits[i].item, NULL);
    return r;
}

static int refuse_hits(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n)
{
    wfs_cleanup(wfs_freep) void *paths_void = calloc(n, sizeof(char *));
    const char **paths = paths_void;
    if (!paths)
        return wfs_error_nomem(ap->sink->err, "mapping");
    for (size_t i = 0; i < n; i++)
        paths[i] = ap->world.items->items[hits[i].item].path;
    return wfs_apply_refuse(ap, paths, n);
}

/* A part that has no tensor: the group is incomplete and its tensors are kept. */
static int keep_group(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n, uint32_t missing)
{
    const struct wfs_rule *rule = hits->rule;
    for (size_t i = 0; i < n; i++)
        wfs_report(ap->sink, WFS_NOTE, ap->world.items->items[hits[i].item].path,
                   "%s joins it with %s, which is not there", rule->where,
                   rule->sources.part[missing].name->text);
    return keep_hits(ap, hits, n);
}

/* Two tensors on one part that nothing tells apart: joining either is a guess, so all are kept. */
static int keep_twins(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n, size_t twin)
{
    wfs_report(ap->sink, WFS_COLLISION, ap->world.items->items[hits[twin].item].path,
               "%s joins one tensor like %s: this one is the second", hits->rule->where,
               hits->rule->sources.part[hits[twin].part].name->text);
    return keep_hits(ap, hits, n);
}

/* The operations of a part with several tensors: those over captures come first. *open: the
 * captures that are not fanned in yet. */
static int check_order(struct wfs_apply *ap, const struct wfs_hit *hit, const struct wfs_ops *ops,
                       uint32_t *open)
{
    for (uint32_t i = 0; i < ops->n && *open; i++) {
        const struct wfs_op *op = &ops->op[i];
        enum wfs_op_class class = op->operation->class;
        bool joins = class == WFS_OP_JOIN || class == WFS_OP_PICK;
        if (joins && op->cap != WFS_NO_INDEX)
            *open &= ~(1u << op->cap);
        else if (joins)
            return wfs_op_error(ap->sink->err, op,
                                "there are several tensors like %s: a fan-in over {%s} first",
                                hit->rule->sources.part[hit->part].name->text,
                                hit->rule->caps[__builtin_ctz(*open)].name);
    }
    return 0;
}

/* A part with several tensors must not be taken for several parts. */
static int check_part(struct wfs_apply *ap, const struct wfs_hit *hit)
{
    const struct wfs_rule *rule = hit->rule;
    uint32_t left = 0;
    for (uint32_t cap = 0; cap < rule->n_caps; cap++)
        left |= (rule->fan_caps >> cap & 1 && hit->match.b[cap].set) ? 1u << cap : 0;
    int r = check_order(ap, hit, &rule->sources.part[hit->part].ops, &left);
    for (uint32_t c = 0; !r && c < rule->n_clauses; c++)
        for (uint32_t i = 0; !r && i < rule->clauses[c].n; i++) {
            uint32_t open = left;
            r = check_order(ap, hit, &rule->clauses[c].part[i].ops, &open);
        }
    return r;
}

/* Every part through its own operations. */
static int run_parts(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n,
                     struct wfs_vals *all, struct wfs_buf *text)
{
    const struct wfs_rule *rule = hits->rule;
    int r = 0;
    for (size_t at = 0, count; !r && at < n; at += count) {
        for (count = 1; at + count < n && hits[at + count].part == hits[at].part; count++)
            ;
        if (count > 1 && rule->sources.n > 1)
            r = check_part(ap, &hits[at]);
        if (!r)
            r = run_part(ap, &hits[at], count, all, text);
    }
    return r;
}

/* A group that cannot be joined at all: *ret_kept, its tensors keep their names. */
static int check_group(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n, bool *ret_kept)
{
    uint32_t parts = 0; /* the next that is expected */
    size_t twin = 0;
    for (size_t i = 0; i < n && hits[i].part <= parts; i++) {
        parts = hits[i].part + 1;
        if (!twin && i && hits->rule->sources.n > 1 && !compare_within(&hits[i - 1], &hits[i]))
            twin = i;
    }
    *ret_kept = true;
    if (parts < hits->rule->sources.n)
        return keep_group(ap, hits, n, parts);
    if (twin)
        return keep_twins(ap, hits, n, twin);
    *ret_kept = false;
    return 0;
}

static int run_group(struct wfs_apply *ap, const struct wfs_hit *hits, size_t n)
{
    const struct wfs_rule *rule = hits->rule;
    struct wfs_vals all = {0};
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    size_t n_out = ap->out.n;
    bool kept;
    int r = check_group(ap, hits, n, &kept);
    if (r || kept)
        return r;
    r = run_parts(ap, hits, n, &all, &text);
    if (!r)
        r = wfs_clauses_run(ap, rule, &all, text.len ? text.data : "");
    free(all.v);
    if (r == -EINVAL && ap->options->keeps_failed && refuse_hits(ap, hits, n))
        return -ENOMEM;
    if (wfs_apply_forgives(ap, r, n_out))
        return keep_hits(ap, hits, n);
    if (r && r != -ENOMEM)
        wfs_error_prefix(ap->sink->err, "%s",
                         wfs_dotted(ap->mapper->arena, ap->world.items->items[hits->item].path));
    return r;
}

int wfs_groups_run(struct wfs_apply *ap)
{
    int r = 0;
    if (ap->n_hits)
        qsort(ap->hits, ap->n_hits, sizeof(*ap->hits), compare_hits);
    for (size_t i = 0, n; !r && i < ap->n_hits; i += n) {
        for (n = 1; i + n < ap->n_hits && !compare_groups(&ap->hits[i], &ap->hits[i + n]); n++)
            ;
        r = run_group(ap, &ap->hits[i], n);
    }
    return r;
}
