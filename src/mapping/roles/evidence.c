/*
 * evidence.c - biases, norms and siblings, gathered once for all questions.
 */
#include "mapping/roles/evidence.h"

#include <errno.h>
#include <string.h>

bool wfs_evidence_is(const char *path, const char *last)
{
    const char *sep = strrchr(path, WFS_SEP);
    return strcmp(sep ? sep + 1 : path, last) == 0;
}

/* Length of the path without its last n components. */
static size_t above(const char *path, int n)
{
    size_t len = strlen(path);
    for (; n > 0; n--) {
        const char *sep = memrchr(path, WFS_SEP, len);
        len = sep ? (size_t)(sep - path) : 0;
    }
    return len;
}

/* In ev->scratch; "" when out of memory, which no tensor is called. */
static const char *key(struct wfs_evidence *ev, const char *s, size_t len, const char *last)
{
    ev->scratch.len = 0;
    wfs_buf_add(&ev->scratch, s, len);
    if (last)
        wfs_buf_printf(&ev->scratch, "%s%s", len ? WFS_SEP_STR : "", last);
    wfs_buf_char(&ev->scratch, 0);
    return wfs_buf_ok(&ev->scratch) ? ev->scratch.data : "";
}

const struct wfs_expr *wfs_evidence_relative(struct wfs_evidence *ev, const char *path, uint32_t up,
                                             const char *last)
{
    uint64_t at;
    if (!wfs_strmap_get(&ev->index, key(ev, path, above(path, (int)up), last), &at))
        return NULL;
    return ev->items->items[at].expr;
}

struct wfs_item *wfs_evidence_item(struct wfs_evidence *ev, const char *path, const char *last)
{
    uint64_t at;
    bool is_there = wfs_strmap_get(&ev->index, key(ev, path, above(path, 1), last), &at);
    return is_there ? &ev->items->items[at] : NULL;
}

const struct wfs_expr *wfs_evidence_sibling(struct wfs_evidence *ev, const char *path,
                                            const char *last)
{
    return wfs_evidence_relative(ev, path, 1, last);
}

static const char *family_key(struct wfs_evidence *ev, const char *path)
{
    return key(ev, path, above(path, 2), NULL);
}

/* '*' is no component's whole name that modules have. */
static const char *namesake_key(struct wfs_evidence *ev, const char *path)
{
    size_t end = above(path, 1), start = above(path, 2);
    const char *name = path + start + (start ? 1 : 0);
    ev->scratch.len = 0;
    wfs_buf_char(&ev->scratch, '*');
    wfs_buf_char(&ev->scratch, WFS_SEP);
    wfs_buf_add(&ev->scratch, name, (size_t)(path + end - name));
    wfs_buf_char(&ev->scratch, 0);
    return wfs_buf_ok(&ev->scratch) ? ev->scratch.data : "";
}

static unsigned bits(struct wfs_evidence *ev, const char *at)
{
    uint64_t found;
    return wfs_strmap_get(&ev->families, at, &found) ? (unsigned)found : 0;
}

unsigned wfs_evidence_family(struct wfs_evidence *ev, const char *path)
{
    return bits(ev, family_key(ev, path));
}

unsigned wfs_evidence_namesakes(struct wfs_evidence *ev, const char *path)
{
    return bits(ev, namesake_key(ev, path));
}

/* Modules above a stacked norm that are noted: the nearest. */
#define STACKED_MAX_DEPTH 8

static const char *stacked_key(struct wfs_evidence *ev, const char *path, int up, uint64_t n)
{
    ev->scratch.len = 0;
    wfs_buf_printf(&ev->scratch, "%llu", (unsigned long long)n);
    wfs_buf_char(&ev->scratch, WFS_SEP);
    wfs_buf_add(&ev->scratch, path, above(path, up));
    wfs_buf_char(&ev->scratch, 0);
    return wfs_buf_ok(&ev->scratch) ? ev->scratch.data : "";
}

bool wfs_evidence_stacked(struct wfs_evidence *ev, const char *path, uint64_t n)
{
    if (wfs_strmap_get(&ev->stacked, stacked_key(ev, path, 2, n), NULL))
        return true;
    return above(path, 3) && wfs_strmap_get(&ev->stacked, stacked_key(ev, path, 3, n), NULL);
}

/* ---- gathering ----------------------------------------------------------------------------- */

static int unite(struct wfs_evidence *ev, const char *at, unsigned proved)
{
    unsigned before = bits(ev, at);
    if ((before | proved) == before)
        return 0;
    at = wfs_arena_strdup(ev->mapper->arena, at);
    return at ? wfs_strmap_set(&ev->families, at, before | proved) : -ENOMEM;
}

static int gather_matrix(struct wfs_evidence *ev, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr, *bias = wfs_evidence_sibling(ev, item->path, "bias");
    enum wfs_word_hint hint = wfs_word_hint(item->path);
    unsigned proved = 0;
    int r = 0;
    if (bias && bias->ndim == 1 && e->shape[0] != e->shape[1])
        proved = bias->shape[0] == e->shape[0]   ? WFS_PROVED_OI
                 : bias->shape[0] == e->shape[1] ? WFS_PROVED_IO
                                                 : 0;
    ev->proved |= proved;
    if (proved && ((r = unite(ev, family_key(ev, item->path), proved)) ||
                   (r = unite(ev, namesake_key(ev, item->path), proved))))
        return r;
    if (proved || bias || hint == WFS_HINT_DENSE)
        for (uint32_t i = 0; !r && i < 2; i++)
            r = wfs_sizes_add(&ev->known, e->shape[i]);
    if (!r && (hint == WFS_HINT_EMBEDDING || hint == WFS_HINT_TABLE) && !bias)
        r = wfs_sizes_add(&ev->tables, e->shape[0]);
    return r;
}

static int gather_stacked(struct wfs_evidence *ev, const struct wfs_item *item)
{
    for (int up = 1; up <= STACKED_MAX_DEPTH; up++) {
        const char *at = stacked_key(ev, item->path, up, item->expr->shape[0]);
        bool is_root = above(item->path, up) == 0;
        at = wfs_arena_strdup(ev->mapper->arena, at);
        if (!at || wfs_strmap_set(&ev->stacked, at, 1))
            return -ENOMEM;
        if (is_root)
            break;
    }
    return 0;
}

static int gather_vector(struct wfs_evidence *ev, const struct wfs_item *item)
{
    bool is_norm = wfs_evidence_is(item->path, "weight") || wfs_evidence_is(item->path, "gamma") ||
                   wfs_evidence_is(item->path, "scale") ||
                   wfs_evidence_is(item->path, "running_mean");
    uint64_t n = item->expr->shape[0];
    int r = 0;
    if (n < 2)
        return 0;
    if (is_norm)
        r = wfs_sizes_add(&ev->norms, n);
    if (!r && (is_norm || wfs_evidence_is(item->path, "bias")))
        r = wfs_sizes_add(&ev->known, n);
    return r;
}

static int gather(struct wfs_evidence *ev)
{
    int r = 0;
    for (size_t i = 0; !r && i < ev->items->n; i++)
        r = wfs_strmap_set(&ev->index, ev->items->items[i].path, i);
    for (size_t i = 0; !r && i < ev->items->n; i++) {
        const struct wfs_item *item = &ev->items->items[i];
        if (item->expr->ndim == 1)
            r = gather_vector(ev, item);
        else if (item->expr->ndim == 2 && !item->packed && wfs_evidence_is(item->path, "weight"))
            r = gather_matrix(ev, item);
        else if (item->expr->ndim == 2 && wfs_evidence_is(item->path, "scale"))
            r = gather_stacked(ev, item);
    }
    return r;
}

int wfs_evidence_gather(struct wfs_evidence *ev, const struct wfs_mapper *mapper,
                        struct wfs_table *items, struct wfs_error *err)
{
    *ev = (struct wfs_evidence){.mapper = mapper, .items = items};
    int r = gather(ev);
    wfs_sizes_sort(&ev->norms);
    wfs_sizes_sort(&ev->known);
    wfs_sizes_sort(&ev->tables);
    return r || !wfs_buf_ok(&ev->scratch) ? wfs_error_nomem(err, "names") : 0;
}

void wfs_evidence_free(struct wfs_evidence *ev)
{
    wfs_strmap_free(&ev->index);
    wfs_strmap_free(&ev->families);
    wfs_strmap_free(&ev->stacked);
    wfs_sizes_free(&ev->norms);
    wfs_sizes_free(&ev->known);
    wfs_sizes_free(&ev->tables);
    wfs_buf_free(&ev->scratch);
}
