/*
 * parse_namespace.c - how names are read and written: the `source` and `target` declarations.
 */
#include "rules/parse_namespace.h"

#include <string.h>

int wfs_parse_words(struct wfs_parser *p, const char *const **ret, uint32_t *ret_n)
{
    const char *words[WFS_RULES_MAX_WORDS + 1] = {0};
    uint32_t n = 0;
    while (wfs_parse_space(p)) {
        if (n == WFS_RULES_MAX_WORDS)
            return wfs_parse_expected(p, "at most 64 names");
        int r = wfs_parse_word(p, "a name", &words[n]);
        if (r)
            return r;
        n++;
    }
    if (n == 0)
        return wfs_parse_expected(p, "a name");
    *ret = wfs_arena_memdup(p->arena, words, (n + 1) * sizeof(words[0]));
    *ret_n = n;
    return *ret ? 0 : wfs_error_nomem(p->err, "rules");
}

static int parse_sep(struct wfs_parser *p, struct wfs_namespace *ns)
{
    const char *sep;
    int r = wfs_parse_string(p, &sep);
    if (!r && strcmp(sep, ".") != 0 && strcmp(sep, "/") != 0)
        return wfs_parse_expected(p, "\".\" or \"/\" before this");
    if (!r)
        ns->sep = sep[0];
    return r;
}

int wfs_parse_namespace(struct wfs_parser *p, struct wfs_namespace *ns, bool target)
{
    while (wfs_parse_space(p)) {
        int r;
        if (wfs_parse_accept(p, "sep"))
            r = parse_sep(p, ns);
        else if (wfs_parse_accept(p, "index")) {
            r = wfs_parse_expect(p, "glued");
            ns->index_glued = true;
        } else if (wfs_parse_accept(p, "trailing"))
            r = wfs_parse_word(p, "a component", &ns->trailing);
        else if (target && wfs_parse_accept(p, "collection")) {
            r = wfs_parse_word(p, "a collection", &ns->collection);
            ns->collection_always = !r && wfs_parse_accept(p, "always");
        } else if (!target && wfs_parse_accept(p, "collections"))
            r = wfs_parse_words(p, &ns->collections, &ns->n_collections);
        else
            r = wfs_parse_expected(p, target ? "sep, index, trailing or collection"
                                             : "sep, index, trailing or collections");
        if (r)
            return r;
    }
    return 0;
}
