/*
 * pair.c - modules of the source paired with modules of the template.
 *
 * A trial maps one module under another name and looks whether what comes out is all of a module of
 * the template, with its shapes. A pair is taken where a source module fits one template module and
 * that one fits no other; what was taken narrows the rest. Larger modules go first, since an
 * attention layer is more than the Dense layers it is made of. Never by number, never by order.
 */
#include "mapping/chain/pair.h"

#include <stdlib.h>
#include <string.h>

#include "mapping/apply/apply.h"

#define PAIR_MAX_TRIALS 50000

/* A part of the source or of the template: every name that begins with `path`. */
struct module {
    const char *path;
    size_t len, depth;
    uint64_t n_elems, n_members;
    bool gone;
    size_t n_fits, fit; /* how many of the other side, and the last */
    size_t n_wanted;    /* by how many of the other side */
};
struct modules {
    struct module *m;
    size_t n, cap; /* malloc'd */
    struct wfs_strmap index;
};

struct pairing {
    const struct wfs_mapper *mapper;
    struct wfs_sink *sink;
    const struct wfs_set *set;
    struct wfs_table *items;
    struct modules source, target;
    bool *placed;  /* per item */
    bool *covered; /* per key of the template */
    size_t n_trials;
};

static int nomem(const struct pairing *p)
{
    return wfs_error_nomem(p->sink->err, "template");
}

/* ---- trials -------------------------------------------------------------------------------- */

static bool key_fits(const struct wfs_template *t, uint32_t key, const struct wfs_expr *e)
{
    return wfs_shape_equal(e->ndim, e->shape, t->keys[key].ndim, t->keys[key].shape);
}

/* Marks what fits the template: the source's tensors, and the keys. */
static void mark_fitting(struct pairing *p, const struct wfs_table *out, bool *fits_source)
{
    const struct wfs_template *t = p->mapper->template;
    for (size_t i = 0; i < out->n; i++) {
        uint32_t key = wfs_template_find(t, out->items[i].path);
        if (key == WFS_NO_INDEX || !key_fits(t, key, out->items[i].expr))
            continue;
        p->covered[key] = true;
        for (uint32_t s = 0; s < out->items[i].n_sources; s++)
            fits_source[out->items[i].sources[s]] = true;
    }
}

/* Which items have a target of the right shape as they are, and which keys that covers. What a rule
 * refuses is not placed: its name may be the wrong one. */
static int find_placed(struct pairing *p)
{
    struct wfs_error err = {0};
    struct wfs_sink mute = {.err = &err};
    struct wfs_apply_options options = {.is_last = true, .is_lenient = true};
    struct wfs_table out = {0};
    bool *fits_source = calloc(p->mapper->catalog->n_tensors + 1, sizeof(bool));
    if (!fits_source)
        return nomem(p);
    int r = wfs_apply(p->mapper, &mute, p->set, &options, p->items, &out);
    if (!r)
        mark_fitting(p, &out, fits_source);
    for (size_t i = 0; !r && i < p->items->n; i++)
        p->placed[i] =
            p->items->items[i].n_sources == 0 || fits_source[p->items->items[i].sources[0]];
    free(fits_source);
    free(out.items);
    return r ? wfs_error_set(p->sink->err, -r, "%s", err.message) : 0;
}

/* Maps the source module's items under the target module's name. */
static int trial_items(struct pairing *p, const struct module *from, const struct module *to,
                       struct wfs_arena *arena, struct wfs_table *ret)
{
    for (size_t i = 0; i < p->items->n; i++) {
        struct wfs_item item = p->items->items[i];
        if (p->placed[i] || strncmp(item.path, from->path, from->len) != 0 ||
            item.path[from->len] != WFS_SEP)
            continue;
        item.path =
            wfs_arena_printf(arena, "%.*s%s", (int)to->len, to->path, item.path + from->len);
        if (!item.path || wfs_table_add(ret, &item, p->sink->err))
            return nomem(p);
    }
    return 0;
}

static bool all_fit(const struct pairing *p, const struct wfs_table *out, const struct module *to)
{
    const struct wfs_template *t = p->mapper->template;
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        const struct wfs_item *item = &out->items[i];
        uint32_t key = wfs_template_find(t, item->path);
        if (item->status == WFS_UNEXPECTED) /* no rule makes this of it */
            return false;
        if (key == WFS_NO_INDEX || p->covered[key] || !key_fits(t, key, item->expr))
            return false;
        n++;
    }
    return n == to->n_members;
}

/* What a set cannot map under that name does not fit. */
static int trial(struct pairing *p, const struct module *from, const struct module *to,
                 bool *ret_fits)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_apply_options options = {.is_last = true, .is_aligned = true};
    struct wfs_mapper mapper = *p->mapper;
    struct wfs_table in = {0}, out = {0};
    *ret_fits = false;
    mapper.arena = wfs_arena_new(); /* 50,000 trials would fill the plan's */
    if (!mapper.arena)
        return nomem(p);
    int r = trial_items(p, from, to, mapper.arena, &in);
    if (!r) {
        int tried = wfs_apply(&mapper, &mute, p->set, &options, &in, &out);
        *ret_fits = tried == 0 && all_fit(p, &out, to);
        r = wfs_trial_result(p->sink, tried);
    }
    free(in.items);
    free(out.items);
    wfs_arena_free(mapper.arena);
    return r;
}

/* ---- modules ------------------------------------------------------------------------------- */

static int count_module(struct pairing *p, struct modules *list, const char *path, size_t len,
                        size_t depth, uint64_t n_elems)
{
    const char *name = wfs_arena_strndup(p->mapper->arena, path, len);
    uint64_t at;
    if (!name)
        return nomem(p);
    if (!wfs_strmap_get(&list->index, name, &at)) {
        if (wfs_grow(&list->m, &list->cap, list->n + 1, sizeof(*list->m)) ||
            wfs_strmap_add(&list->index, name, list->n))
            return nomem(p);
        at = list->n++;
        list->m[at] = (struct module){.path = name, .len = len, .depth = depth};
    }
    list->m[at].n_elems += n_elems;
    list->m[at].n_members++;
    return 0;
}

/* Every ancestor of a name is a module. */
static int count_name(struct pairing *p, struct modules *list, const char *path, uint64_t n_elems)
{
    size_t depth = 0;
    for (const char *sep = path; (sep = strchr(sep, WFS_SEP)); sep++) {
        int r = count_module(p, list, path, (size_t)(sep - path), ++depth, n_elems);
        if (r)
            return r;
    }
    return 0;
}

static bool is_under(const char *path, const struct module *m)
{
    return strncmp(path, m->path, m->len) == 0 && path[m->len] == WFS_SEP;
}

static uint64_t n_elems_of(const struct wfs_template_key *key)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < key->ndim; i++)
        n *= key->shape[i];
    return n;
}

/* Only modules of which nothing is placed count. */
static void drop_partly_placed(struct pairing *p)
{
    const struct wfs_template *t = p->mapper->template;
    for (size_t m = 0; m < p->source.n; m++)
        for (size_t i = 0; i < p->items->n && !p->source.m[m].gone; i++)
            p->source.m[m].gone =
                p->placed[i] && is_under(p->items->items[i].path, &p->source.m[m]);
    for (size_t m = 0; m < p->target.n; m++)
        for (uint32_t k = 0; k < t->n_keys && !p->target.m[m].gone; k++)
            p->target.m[m].gone = p->covered[k] && is_under(t->keys[k].bare, &p->target.m[m]);
}

static int find_modules(struct pairing *p)
{
    const struct wfs_template *t = p->mapper->template;
    int r = 0;
    for (size_t i = 0; !r && i < p->items->n; i++)
        if (!p->placed[i])
            r = count_name(p, &p->source, p->items->items[i].path,
                           p->items->items[i].expr->n_elems);
    for (uint32_t k = 0; !r && k < t->n_keys; k++)
        if (!p->covered[k])
            r = count_name(p, &p->target, t->keys[k].bare, n_elems_of(&t->keys[k]));
    if (!r)
        drop_partly_placed(p);
    return r;
}

static void free_modules(struct modules *list)
{
    free(list->m);
    wfs_strmap_free(&list->index);
    *list = (struct modules){0};
}

/* ---- pairs --------------------------------------------------------------------------------- */

/* A target never has more elements than its sources, and a sum halves biases at most. */
static bool may_fit(const struct module *from, const struct module *to)
{
    return !to->gone && to->n_elems <= from->n_elems && to->n_elems >= from->n_elems / 2;
}

static int find_fits(struct pairing *p, size_t depth)
{
    for (size_t i = 0; i < p->source.n; i++) {
        struct module *from = &p->source.m[i];
        from->n_fits = 0;
        for (size_t k = 0; k < p->target.n && !from->gone && from->depth == depth; k++) {
            bool fits;
            if (!may_fit(from, &p->target.m[k]))
                continue;
            if (++p->n_trials > PAIR_MAX_TRIALS)
                return 0;
            int r = trial(p, from, &p->target.m[k], &fits);
            if (r)
                return r;
            if (!fits)
                continue;
            from->n_fits++;
            from->fit = k;
            p->target.m[k].n_wanted++;
        }
    }
    return 0;
}

static int take_pair(struct pairing *p, const struct module *from, const struct module *to)
{
    const struct wfs_mapper *m = p->mapper;
    const struct wfs_template *t = m->template;
    for (size_t i = 0; i < p->items->n; i++) {
        struct wfs_item *item = &p->items->items[i];
        if (p->placed[i] || !is_under(item->path, from))
            continue;
        p->placed[i] = true;
        item->path = wfs_arena_printf(m->arena, "%s%s", to->path, item->path + from->len);
        if (!item->path)
            return nomem(p);
    }
    for (uint32_t k = 0; k < t->n_keys; k++)
        p->covered[k] |= is_under(t->keys[k].bare, to);
    wfs_report(p->sink, WFS_RENAMED, from->path, "is %s of the template: no other module fits",
               wfs_dotted(m->arena, to->path));
    return 0;
}

/* One round at one depth; *ret_any: pairs were taken, so look again. */
static int pair_round(struct pairing *p, size_t depth, bool *ret_any)
{
    for (size_t k = 0; k < p->target.n; k++)
        p->target.m[k].n_wanted = 0;
    int r = find_fits(p, depth);
    if (p->n_trials > PAIR_MAX_TRIALS) /* what was not tried may fit as well */
        return r;
    for (size_t i = 0; !r && i < p->source.n; i++) {
        struct module *from = &p->source.m[i];
        if (from->gone || from->depth != depth || from->n_fits != 1 ||
            p->target.m[from->fit].n_wanted != 1)
            continue;
        r = take_pair(p, from, &p->target.m[from->fit]);
        *ret_any = true;
    }
    if (!r)
        drop_partly_placed(p);
    return r;
}

static void report_ambiguous(struct pairing *p)
{
    for (size_t i = 0; i < p->source.n; i++) {
        const struct module *from = &p->source.m[i];
        if (from->gone || from->n_fits == 0)
            continue;
        wfs_report(p->sink, WFS_AMBIGUOUS, from->path,
                   "fits %zu modules of the template (%s "
                   "among them): rules=FILE would say which",
                   from->n_fits, wfs_dotted(p->mapper->arena, p->target.m[from->fit].path));
    }
    if (p->n_trials > PAIR_MAX_TRIALS)
        wfs_report(p->sink, WFS_AMBIGUOUS, "", "too many modules to try against the template");
}

static size_t max_depth(const struct modules *list)
{
    size_t max = 0;
    for (size_t i = 0; i < list->n; i++)
        max = list->m[i].depth > max ? list->m[i].depth : max;
    return max;
}

static int pair_all(struct pairing *p)
{
    int r = find_placed(p);
    if (!r)
        r = find_modules(p);
    size_t depth_end = r ? 0 : max_depth(&p->source);
    for (size_t depth = 1; !r && depth <= depth_end;) {
        bool any = false;
        r = pair_round(p, depth, &any);
        depth = any ? 1 : depth + 1;
    }
    if (!r)
        report_ambiguous(p);
    return r;
}

static bool has_gaps(const struct pairing *p)
{
    return p->mapper->template && p->items->n > 0;
}

int wfs_pair(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_set *set,
             struct wfs_table *items)
{
    struct pairing p = {.mapper = mapper, .sink = sink, .set = set, .items = items};
    if (!has_gaps(&p))
        return 0;
    p.placed = wfs_arena_array(mapper->arena, items->n + 1, sizeof(bool));
    p.covered = wfs_arena_array(mapper->arena, mapper->template->n_keys + 1, sizeof(bool));
    int r = p.placed && p.covered ? pair_all(&p) : nomem(&p);
    free_modules(&p.source);
    free_modules(&p.target);
    return r;
}
