/*
 * chain.c - the chain of sets that a view needs.
 */
#include "mapping/chain/chain.h"

#include <string.h>

#include "mapping/chain/convention.h"

#define MAX_CHAIN WFS_ARRAY_SIZE(((struct wfs_chain *)0)->sets)

/* The set of -o rules=FILE: one more beside the compiled-in ones, by its own name. */
struct own {
    const struct wfs_set *set; /* NULL: no file is given */
    bool is_used;
};

static int chain_add(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     struct wfs_chain *chain, const struct wfs_set *set)
{
    if (chain->n == MAX_CHAIN)
        return wfs_error_set(sink->err, EINVAL, "%s: a chain of more than %zu sets",
                             mapper->options->name, MAX_CHAIN);
    chain->sets[chain->n++] = set;
    return 0;
}

/* ---- sets by name -------------------------------------------------------------------------- */

/* "dir/mine.map" is called "mine" where no line `set NAME` says otherwise. */
static const char *name_of_file(struct wfs_arena *arena, const char *path)
{
    static const char end[] = ".map";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = strlen(name), end_len = sizeof(end) - 1;
    if (len > end_len && strcmp(name + len - end_len, end) == 0)
        len -= end_len;
    return wfs_arena_strndup(arena, name, len);
}

static int load_own(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct own *ret)
{
    const char *path = mapper->options->rules;
    struct wfs_set *set;
    if (!path)
        return 0;
    int r = wfs_set_load_file(mapper->arena, path, NULL, &set, sink->err);
    if (r)
        return r;
    if (set->name == set->file && !(set->name = name_of_file(mapper->arena, path)))
        return wfs_error_nomem(sink->err, "rules");
    ret->set = set;
    return 0;
}

/* "NAME" or "~NAME": the file's set, or a compiled-in one. */
static int load_set(const struct wfs_mapper *mapper, struct wfs_sink *sink, const char *name,
                    struct own *own, const struct wfs_set **ret)
{
    struct wfs_set *set;
    bool is_inverse = name[0] == '~';
    int r;
    if (own->set && strcmp(name + is_inverse, own->set->name) == 0) {
        own->is_used = true;
        *ret = own->set;
        if (!is_inverse)
            return 0;
        r = wfs_set_invert(mapper->arena, own->set, &set, sink->err);
    } else {
        r = wfs_set_load(mapper->arena, name, NULL, &set, sink->err);
        if (r == -EINVAL && own->set)
            wfs_error_prefix(sink->err, "%s (its set is %s)", mapper->options->rules,
                             own->set->name);
    }
    if (!r)
        *ret = set;
    return r;
}

/* "torch+mlx" */
static int load_named(const struct wfs_mapper *mapper, struct wfs_sink *sink, const char *spec,
                      struct own *own, struct wfs_chain *chain)
{
    for (const char *s = spec, *end; s; s = *end ? end + 1 : NULL) {
        const struct wfs_set *set;
        end = strchrnul(s, '+');
        const char *name = wfs_arena_strndup(mapper->arena, s, (size_t)(end - s));
        if (!name)
            return wfs_error_nomem(sink->err, "rules");
        int r = load_set(mapper, sink, name, own, &set);
        if (!r)
            r = chain_add(mapper, sink, chain, set);
        if (r)
            return r;
    }
    return 0;
}

/* Rules that were given and have no part in the view would be ignored without a word. */
static int check_used(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct own *own)
{
    const char *view = mapper->options->name, *eq = strchr(view, '=');
    if (!own->set || own->is_used)
        return 0;
    return wfs_error_set(sink->err, EINVAL,
                         "view %s does not use %s: --view %.*s=%s+%s applies its set %s first",
                         view, mapper->options->rules, (int)strcspn(view, "="), view,
                         own->set->name, eq ? eq + 1 : view, own->set->name);
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

/* ---- what leads there ---------------------------------------------------------------------- */

/* The source is not of the convention that the set reads, and nothing leads there; or its names tell
 * none. */
static void report_unlike(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                          const char *convention, const struct wfs_set *set)
{
    if (convention) {
        wfs_report(sink, WFS_AMBIGUOUS, "",
                   "the source looks like %s, the set %s expects %s: taken for it", convention,
                   set->name, set->from);
        return;
    }
    if (wfs_convention_is_mixed(mapper->catalog))
        wfs_report(sink, WFS_AMBIGUOUS, "",
                   "names of PyTorch (weight) and of Flax (kernel) stand "
                   "side by side: what is in which layout is not known");
    wfs_report(sink, WFS_NOTE, "", "names do not tell the source's convention: taken for %s",
               set->from);
}

static void report_channels_last(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                                 const char *convention, const struct wfs_set *set)
{
    const struct wfs_tensor *last = wfs_convention_channels_last(mapper->catalog);
    if (last && same(convention, "torch"))
        wfs_report(sink, WFS_AMBIGUOUS, last->path,
                   "its channels seem to come last, as MLX has them: taken for PyTorch's "
                   "(--view %s=%s says so)",
                   set->name, set->name);
}

/* Adds what leads from the source's convention to the set, and the set; or, where fewer of the
 * compiled-in sets lead to what it makes (`~gguf` to `torch`), those; the user's set is always used.
 * *ret_found: something leads there. */
static int lead_from(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                     const struct wfs_set *set, bool is_own, struct wfs_chain *ret, bool *ret_found)
{
    struct wfs_chain through = {0}, direct = {0};
    bool is_through = false, is_direct = false;
    const char *convention;
    int r = wfs_convention_of(mapper->catalog, &convention, sink->err);
    if (!r)
        r = search_chain(mapper, sink, convention, set->from, &through, &is_through);
    if (!r && !is_own)
        r = search_chain(mapper, sink, convention, set->to, &direct, &is_direct);
    if (r)
        return r;
    *ret_found = is_through || is_direct;
    if (is_direct && (!is_through || direct.n <= through.n)) {
        wfs_report(sink, WFS_NOTE, "", "the source is in the %s convention: %s leads to %s",
                   convention, direct.sets[direct.n - 1]->name, set->to);
        *ret = direct;
    } else if (is_through) {
        wfs_report(sink, WFS_NOTE, "", "the source is in the %s convention: mapped through %s",
                   convention, set->from);
        *ret = through;
        r = chain_add(mapper, sink, ret, set);
    }
    return r;
}

/* What nothing leads to is taken for what the set reads; but not where nobody asked for the view. */
static int check_asked(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                       const char *convention, const struct wfs_set *set)
{
    if (!mapper->options->is_default || (!convention && !wfs_convention_is_mixed(mapper->catalog)))
        return 0;
    return wfs_error_set(sink->err, EOPNOTSUPP, "view %s: nothing leads to it from names of %s",
                         set->name, convention ? convention : "several frameworks");
}

/* A view named alone: does the source speak the convention that its set reads? Who wrote the rules
 * for this source (`is_own`) knows what it has: that is not doubted. */
static int lead_in(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *set, bool is_own, struct wfs_chain *ret)
{
    const char *convention;
    bool found = false;
    int r = wfs_convention_of(mapper->catalog, &convention, sink->err);
    if (r)
        return r;
    if (!is_own)
        report_channels_last(mapper, sink, convention, set);
    if (!set->from || same(convention, set->from))
        return chain_add(mapper, sink, ret, set);
    if (same(convention, set->to) && !is_own) {
        wfs_report(sink, WFS_NOTE, "",
                   "the source is in the %s convention already: nothing is "
                   "transposed again",
                   convention);
        return 0;
    }
    if (convention && !same(convention, set->to))
        r = lead_from(mapper, sink, set, is_own, ret, &found);
    if (!r && !found)
        r = check_asked(mapper, sink, convention, set);
    if (r || found)
        return r;
    if (!is_own)
        report_unlike(mapper, sink, convention, set);
    return chain_add(mapper, sink, ret, set);
}

/* The sets that the view names: the file's own where it has no name. */
static int find_named(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct own *own,
                      struct wfs_chain *ret)
{
    const char *name = mapper->options->name, *eq = name ? strchr(name, '=') : NULL;
    int r = load_own(mapper, sink, own);
    if (r)
        return r;
    if (!name && !own->set)
        return wfs_error_set(sink->err, EINVAL, "a view has a name, or rules");
    own->is_used = !name;
    if (!name)
        return chain_add(mapper, sink, ret, own->set);
    r = load_named(mapper, sink, eq ? eq + 1 : name, own, ret);
    return r ? r : check_used(mapper, sink, own);
}

int wfs_chain_find(const struct wfs_mapper *mapper, struct wfs_sink *sink, struct wfs_chain *ret)
{
    const char *name = mapper->options->name;
    struct wfs_chain named = {0}, chain = {0};
    struct own own = {0};
    int r = find_named(mapper, sink, &own, &named);
    bool alone = !(name && strchr(name, '=')) && named.n == 1;
    if (!r)
        r = alone ? lead_in(mapper, sink, named.sets[0], own.is_used, &chain) : 0;
    if (!r && !alone)
        chain = named;
    if (!r)
        r = chain_text(mapper, sink, &chain);
    if (r)
        return r;
    chain.last = named.sets[named.n - 1];
    chain.own = own.set;
    *ret = chain;
    return 0;
}
