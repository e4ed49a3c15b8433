/*
 * chain.c - the chain of sets that a view needs.
 */
#include "mapping/chain/chain.h"

#include <string.h>

#include "mapping/chain/convention.h"

#define MAX_CHAIN WFS_ARRAY_SIZE(((struct wfs_chain *)0)->sets)

static int chain_add(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     struct wfs_chain *chain, const struct wfs_set *set)
{
    if (chain->n == MAX_CHAIN)
        return wfs_error_set(sink->err, EINVAL, "%s: a chain of more than %zu sets",
                             mapper->options->name, MAX_CHAIN);
    chain->sets[chain->n++] = set;
    return 0;
}

/* "torch+mlx" */
static int load_named(const struct wfs_mapper *mapper, struct wfs_sink *sink, const char *spec,
                      struct wfs_chain *chain)
{
    for (const char *s = spec, *end; s; s = *end ? end + 1 : NULL) {
        struct wfs_set *set;
        end = strchrnul(s, '+');
        const char *name = wfs_arena_strndup(mapper->arena, s, (size_t)(end - s));
        if (!name)
            return wfs_error_nomem(sink->err, "rules");
        int r = wfs_set_load(mapper->arena, name, NULL, &set, sink->err);
        if (!r)
            r = chain_add(mapper, sink, chain, set);
        if (r)
            return r;
    }
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The compiled-in sets as a graph over conventions: breadth first from `from` to `to`. */
struct search {
    const struct wfs_mapper *mapper;
    struct wfs_sink *sink;
    struct wfs_set *sets[128]; /* and inverses */
    size_t n;
    size_t via[128]; /* by set: the one before it, SIZE_MAX: none */
    bool seen[128];
};

static int load_edges(struct search *s)
{
    for (size_t i = 0; i < wfs_n_rule_texts && s->n + 2 <= WFS_ARRAY_SIZE(s->sets); i++) {
        struct wfs_set *set, *inverse;
        int r = wfs_set_load(s->mapper->arena, wfs_rule_texts[i].name, NULL, &set, s->sink->err);
        if (r)
            return r;
        if (!set->from || !set->to)
            continue;
        s->sets[s->n++] = set;
        if (set->invertible)
            r = wfs_set_invert(s->mapper->arena, set, &inverse, s->sink->err);
        if (r)
            return r;
        if (set->invertible)
            s->sets[s->n++] = inverse;
    }
    return 0;
}

static int unwind(struct search *s, size_t at, struct wfs_chain *ret)
{
    size_t path[MAX_CHAIN], n = 0;
    for (; at != SIZE_MAX && n < MAX_CHAIN; at = s->via[at])
        path[n++] = at;
    for (int r = 0; n > 0;)
        if ((r = chain_add(s->mapper, s->sink, ret, s->sets[path[--n]])))
            return r;
    return 0;
}

/* Puts the sets that lead from one convention to the other in front of the chain. */
static int search_chain(const struct wfs_mapper *mapper, struct wfs_sink *sink, const char *from,
                        const char *to, struct wfs_chain *ret, bool *ret_found)
{
    struct search *s = wfs_arena_alloc(mapper->arena, sizeof(*s));
    size_t queue[128], head = 0, tail = 0;
    *ret_found = false;
    if (!s)
        return wfs_error_nomem(sink->err, "rules");
    s->mapper = mapper;
    s->sink = sink;
    int r = load_edges(s);
    for (size_t i = 0; !r && i < s->n; i++)
        if (same(s->sets[i]->from, from)) {
            s->via[i] = SIZE_MAX;
            s->seen[i] = true;
            queue[tail++] = i;
        }
    while (!r && head < tail) {
        size_t at = queue[head++];
        if (same(s->sets[at]->to, to)) {
            *ret_found = true;
            return unwind(s, at, ret);
        }
        for (size_t i = 0; i < s->n; i++)
            if (!s->seen[i] && same(s->sets[i]->from, s->sets[at]->to)) {
                s->seen[i] = true;
                s->via[i] = at;
                queue[tail++] = i;
            }
    }
    return r;
}

static int chain_text(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                      struct wfs_chain *chain)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    for (uint32_t i = 0; i < chain->n; i++)
        wfs_buf_printf(&text, "%s%s", i ? "+" : "", chain->sets[i]->name);
    chain->text = wfs_buf_ok(&text)
                      ? wfs_arena_strndup(mapper->arena, text.len ? text.data : "", text.len)
                      : NULL;
    return chain->text ? 0 : wfs_error_nomem(sink->err, "rules");
}

/* A view named alone: does the source speak the convention that its set reads? */
static int lead_in(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *set, struct wfs_chain *ret)
{
    const struct wfs_tensor *last = wfs_convention_channels_last(mapper->catalog);
    const char *convention;
    bool found = false;
    int r = wfs_convention_of(mapper->catalog, &convention, sink->err);
    if (r)
        return r;
    if (last && same(convention, "torch"))
        wfs_report(sink, WFS_AMBIGUOUS, last->path,
                   "its channels seem to come last, as MLX has them: taken for PyTorch's "
                   "(--view %s=%s says so)",
                   set->name, set->name);
    if (!set->from || same(convention, set->from))
        return chain_add(mapper, sink, ret, set);
    if (!convention && wfs_convention_is_mixed(mapper->catalog))
        wfs_report(sink, WFS_AMBIGUOUS, "",
                   "names of PyTorch (weight) and of Flax (kernel) stand "
                   "side by side: what is in which layout is not known");
    if (!convention) {
        wfs_report(sink, WFS_NOTE, "", "names do not tell the source's convention: taken for %s",
                   set->from);
        return chain_add(mapper, sink, ret, set);
    }
    if (same(convention, set->to)) {
        wfs_report(sink, WFS_NOTE, "",
                   "the source is in the %s convention already: nothing is "
                   "transposed again",
                   convention);
        return 0;
    }
    r = search_chain(mapper, sink, convention, set->from, ret, &found);
    if (r)
        return r;
    if (!found)
        wfs_report(sink, WFS_AMBIGUOUS, "",
                   "the source looks like %s, the set %s expects %s: taken for it", convention,
                   set->name, set->from);
    else
        wfs_report(sink, WFS_NOTE, "", "the source is in the %s convention: mapped through %s",
                   convention, set->from);
    return chain_add(mapper, sink, ret, set);
}

int wfs_chain_find(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_chain *ret)
{
    const struct wfs_view_options *options = mapper->options;
    struct wfs_chain named = {0}, chain = {0};
    const char *eq = options->name ? strchr(options->name, '=') : NULL;
    int r;
    if (options->rules) {
        struct wfs_set *set;
        r = wfs_set_load_file(mapper->arena, options->rules, NULL, &set, sink->err);
        if (!r && options->name && options->name[0] == '~')
            r = wfs_set_invert(mapper->arena, set, &set, sink->err);
        if (!r)
            r = chain_add(mapper, sink, &named, set);
    } else {
        r = load_named(mapper, sink, eq ? eq + 1 : options->name, &named);
    }
    bool alone = !eq && named.n == 1;
    if (!r)
        r = alone ? lead_in(mapper, sink, named.sets[0], &chain) : 0;
    if (!r && !alone)
        chain = named;
    if (!r)
        r = chain_text(mapper, sink, &chain);
    chain.last = r ? NULL : named.sets[named.n - 1];
    if (!r)
        *ret = chain;
    return r;
}
