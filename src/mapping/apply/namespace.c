/*
 * namespace.c - how names are written in a source and in a target: glued indices (layers_0), a
 * trailing component (value), collections (params, batch_stats), prefixes.
 */
#include "mapping/apply/namespace.h"

#include <string.h>

#include "mapping/eval/may.h"

/* Edits one path; NULL when out of memory. */
typedef const char *edit_fn(struct wfs_arena *arena, const char *path, const void *how);

static int edit_all(struct wfs_apply *ap, struct wfs_table *table, edit_fn *edit, const void *how)
{
    for (size_t i = 0; i < table->n; i++) {
        table->items[i].path = edit(ap->mapper->arena, table->items[i].path, how);
        if (!table->items[i].path)
            return wfs_error_nomem(ap->sink->err, "names");
    }
    return 0;
}

static bool all_digits(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return len > 0;
}

/* layers.0 -> layers_0 */
static const char *glue(struct wfs_arena *arena, const char *path, const void *how)
{
    (void)how;
    char *out = wfs_arena_strdup(arena, path);
    for (char *sep = out; out && (sep = strchr(sep, WFS_SEP)); sep++)
        if (all_digits(sep + 1, (size_t)(strchrnul(sep + 1, WFS_SEP) - (sep + 1))))
            *sep = '_';
    return out;
}

/* layers_0 -> layers.0 */
static const char *unglue(struct wfs_arena *arena, const char *path, const void *how)
{
    (void)how;
    char *out = wfs_arena_strdup(arena, path);
    for (char *s = out; s && *s; s += *s == WFS_SEP) {
        char *end = strchrnul(s, WFS_SEP), *digits = end;
        while (digits > s && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        if (digits < end && digits > s + 1 && digits[-1] == '_')
            digits[-1] = WFS_SEP;
        s = end;
    }
    return out;
}

static const char *drop_last(struct wfs_arena *arena, const char *path, const void *last)
{
    const char *sep = strrchr(path, WFS_SEP);
    if (!sep || strcmp(sep + 1, last) != 0)
        return path;
    return wfs_arena_strndup(arena, path, (size_t)(sep - path));
}

static const char *add_last(struct wfs_arena *arena, const char *path, const void *last)
{
    return wfs_arena_printf(arena, "%s" WFS_SEP_STR "%s", path, (const char *)last);
}

static const char *add_first(struct wfs_arena *arena, const char *path, const void *first)
{
    return wfs_arena_printf(arena, "%s" WFS_SEP_STR "%s", (const char *)first, path);
}

static bool starts_with(const char *path, const char *first)
{
    size_t len = strlen(first);
    return strncmp(path, first, len) == 0 && path[len] == WFS_SEP;
}

/* wfs_path_join's work undone: '/' ends a component, %2F and %25 stand for '/' and '%'. */
static const char *split_slashes(struct wfs_arena *arena, const char *path)
{
    char *out = wfs_arena_strdup(arena, path), *to = out;
    for (const char *s = path; out && *s; s++) {
        bool coded = strncmp(s, "%2F", 3) == 0 || strncmp(s, "%25", 3) == 0;
        *to++ = coded ? (s[2] == 'F' ? '/' : '%') : *s == '/' ? WFS_SEP : *s == WFS_SEP ? '.' : *s;
        s += coded ? 2 : 0;
    }
    if (out)
        *to = 0;
    return out;
}

/* Names of a source that does not say how they are joined: what they tell themselves, or else what
 * the set that the inverse is of wrote. */
static bool are_joined_by_slashes(const struct wfs_catalog *catalog, const struct wfs_set *set,
                                  const struct wfs_table *items)
{
    struct wfs_sep_votes votes = {0};
    /* A source that has components of its own says what they are. */
    if (!set->is_inverse || set->source.sep != '/' || catalog->sep != '.')
        return false;
    for (size_t i = 0; i < items->n; i++)
        if (items->items[i].n_sources)
            wfs_sep_vote(&votes, catalog->tensors[items->items[i].sources[0]].name);
    return wfs_sep_choose(&votes, '/', NULL) == '/';
}

int wfs_split_slashes(const struct wfs_mapper *mapper, const struct wfs_set *set,
                      struct wfs_table *items, struct wfs_error *err)
{
    if (!are_joined_by_slashes(mapper->catalog, set, items))
        return 0;
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        if (!strchr(item->path, '/'))
            continue;
        item->as_written = item->path;
        item->path = split_slashes(mapper->arena, item->path);
        if (!item->path)
            return wfs_error_nomem(err, "names");
    }
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *find_collection(const struct wfs_namespace *ns, const char *path)
{
    for (uint32_t i = 0; i < ns->n_collections; i++)
        if (starts_with(path, ns->collections[i]))
            return ns->collections[i];
    return NULL;
}

/* Collections are taken off where every name has one. An inverse's are there where its set writes
 * them: always, or as soon as one name is in another than the default one. */
static bool has_collections(const struct wfs_apply *ap)
{
    const struct wfs_namespace *ns = &ap->set->source;
    bool all = true, written = ap->set->is_inverse && ns->collection_always;
    for (size_t i = 0; i < ap->in.n; i++) {
        const char *found = find_collection(ns, ap->in.items[i].path);
        all &= found != NULL;
        written |=
            ap->set->is_inverse && found && (!ns->collection || strcmp(found, ns->collection) != 0);
    }
    return all || written;
}

static void read_collections(struct wfs_apply *ap)
{
    if (!has_collections(ap))
        return;
    for (size_t i = 0; i < ap->in.n; i++) {
        struct wfs_item *item = &ap->in.items[i];
        const char *found = find_collection(&ap->set->source, item->path);
        if (!found)
            continue;
        item->path += strlen(found) + 1;
        item->read_from = ap->set->is_inverse ? found : NULL;
    }
}

static void report_prefix(struct wfs_apply *ap, const struct wfs_prefix *prefix, uint32_t n)
{
    if (n)
        wfs_report(ap->sink, WFS_RENAMED, prefix->path, "prefix %s %u names by %s:%u",
                   prefix->add ? "added to" : "removed from", n, prefix->pos.file,
                   prefix->pos.line);
}

/* Takes the prefix off every name that has it. */
static void read_prefix(struct wfs_apply *ap, const struct wfs_prefix *prefix)
{
    uint32_t n = 0;
    for (size_t i = 0; i < ap->in.n; i++) {
        if (!starts_with(ap->in.items[i].path, prefix->path))
            continue;
        ap->in.items[i].path += strlen(prefix->path) + 1;
        n++;
    }
    report_prefix(ap, prefix, n);
}

/* What the forward set put before every target comes off before an inverse's patterns look. A
 * condition may ask for names (an `inverse let`): for those that the file has. */
static int read_prefixes(struct wfs_apply *ap)
{
    struct wfs_scope scope = {.run = {&ap->unrenamed, ap->sink, NULL}};
    int r = ap->set->n_prefixes ? wfs_name_index_fill(&ap->in_names, &ap->in, ap->sink->err) : 0;
    for (uint32_t p = 0; !r && p < ap->set->n_prefixes; p++) {
        const struct wfs_prefix *prefix = &ap->set->prefixes[p];
        bool holds = false;
        if (prefix->add)
            continue;
        r = wfs_cond_may_hold(&scope, prefix->cond, &holds);
        if (!r && holds)
            read_prefix(ap, prefix);
    }
    wfs_name_index_free(&ap->in_names);
    return r;
}

/* An inverse cannot tell an index that was glued from a name that was so. */
static int read_glued(struct wfs_apply *ap)
{
    const char *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < ap->in.n; i++) {
        const char *was = ap->in.items[i].path, *is = unglue(ap->mapper->arena, was, NULL);
        if (!is)
            return wfs_error_nomem(ap->sink->err, "names");
        ap->in.items[i].path = is;
        if (strcmp(was, is) == 0)
            continue;
        first = first ? first : was;
        n++;
    }
    if (n && ap->set->is_inverse && !ap->world.template)
        wfs_report(ap->sink, WFS_AMBIGUOUS, first,
                   "the indices of %zu names come back as components of their own, this one "
                   "first: which of them had it so is not known (template=FILE would tell)",
                   n);
    return 0;
}

int wfs_namespace_read(struct wfs_apply *ap)
{
    const struct wfs_namespace *ns = &ap->set->source;
    for (size_t i = 0; i < ap->in.n; i++)
        ap->in.items[i].read_from = NULL;
    if (ns->n_collections)
        read_collections(ap);
    int r = ap->set->is_inverse ? read_prefixes(ap) : 0;
    if (!r && ns->trailing)
        r = edit_all(ap, &ap->in, drop_last, ns->trailing);
    if (!r && ns->index_glued)
        r = read_glued(ap);
    return r;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Tensors that no rule took keep their names as they are. */
static bool is_target(const struct wfs_item *item)
{
    return item->status != WFS_UNEXPECTED && item->status != WFS_PACKED;
}

static int write_prefix(struct wfs_apply *ap, const struct wfs_prefix *prefix)
{
    struct wfs_scope scope = {.run = wfs_apply_run(ap, NULL)};
    bool holds;
    uint32_t n = 0;
    int r = wfs_eval_cond(&scope, prefix->cond, &holds);
    if (r || !holds)
        return r;
    for (size_t i = 0; i < ap->out.n; i++) {
        struct wfs_item *item = &ap->out.items[i];
        bool has = starts_with(item->path, prefix->path);
        if (!is_target(item) || has == prefix->add)
            continue;
        if (!prefix->add)
            item->path += strlen(prefix->path) + 1;
        else if (!(item->path = add_first(ap->mapper->arena, item->path, prefix->path)))
            return wfs_error_nomem(ap->sink->err, "names");
        n++;
    }
    report_prefix(ap, prefix, n);
    if (n && ap->set->is_inverse && !ap->world.template)
        wfs_report(ap->sink, WFS_AMBIGUOUS, prefix->path,
                   "%u names get this prefix back: which of them had it is not known "
                   "(template=FILE would tell)",
                   n);
    return 0;
}

static int write_collections(struct wfs_apply *ap)
{
    const struct wfs_namespace *ns = &ap->set->target;
    bool any = ns->collection_always;
    for (size_t i = 0; i < ap->out.n; i++)
        any |= ap->out.items[i].collection != NULL;
    for (size_t i = 0; any && i < ap->out.n; i++) {
        struct wfs_item *item = &ap->out.items[i];
        const char *collection = item->collection ? item->collection : ns->collection;
        if (!is_target(item) || !collection)
            continue;
        item->path = add_first(ap->mapper->arena, item->path, collection);
        if (!item->path)
            return wfs_error_nomem(ap->sink->err, "names");
    }
    return 0;
}

int wfs_namespace_write(struct wfs_apply *ap)
{
    const struct wfs_namespace *ns = &ap->set->target;
    int r = ns->index_glued ? edit_all(ap, &ap->out, glue, NULL) : 0;
    if (!r && ns->trailing)
        r = edit_all(ap, &ap->out, add_last, ns->trailing);
    for (uint32_t i = 0; !r && i < ap->set->n_prefixes; i++)
        if (!ap->set->is_inverse || ap->set->prefixes[i].add)
            r = write_prefix(ap, &ap->set->prefixes[i]);
    return r || ap->world.template ? r : write_collections(ap);
}
