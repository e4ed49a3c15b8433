/*
 * choose.c - which files of a folder are the weights. Well-known names come first, in the order in
 * which the Hugging Face loaders look for them; then the only weight file, or one set of shards.
 * Where more than one checkpoint is left, none is guessed.
 */
#include "source/folder/choose.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "source/folder/weight_names.h"
#include "source/formats.h"

static const char *const preferred[] = {
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "flax_model.msgpack",
    "flax_model.msgpack.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "diffusion_pytorch_model*",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "adapter_model*",
    "consolidated.safetensors",
    "consolidated.safetensors.index.json",
    "consolidated*",
};

struct candidates {
    uint32_t n;
    const char **names; /* in the listing's order */
};

/* ---- sets of shards ------------------------------------------------------------------------ */

/* PREFIX-NNNNN-of-MMMMM.SUFFIX; prefix_len and suffix delimit what is common to the set. */
struct shard_name {
    size_t prefix_len;
    uint64_t index, total;
    const char *suffix;
};

static bool parse_shard_name(const char *name, struct shard_name *ret)
{
    const char *of = NULL;
    for (const char *p = name; (p = strstr(p, "-of-")); p++)
        of = p;
    if (!of)
        return false;
    const char *digits = of;
    while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    if (digits == of || digits == name || digits[-1] != '-' || of[4] < '0' || of[4] > '9')
        return false;
    char *end;
    ret->prefix_len = (size_t)(digits - name);
    ret->index = strtoull(digits, NULL, 10);
    ret->total = strtoull(of + 4, &end, 10);
    ret->suffix = end;
    return true;
}

static bool same_set(const char *a, const struct shard_name *sa, const char *b,
                     const struct shard_name *sb)
{
    return sa->prefix_len == sb->prefix_len && strncmp(a, b, sa->prefix_len) == 0 &&
           sa->total == sb->total && strcmp(sa->suffix, sb->suffix) == 0;
}

/* Names come in natural order, so the members of a set stand beside one another. */
int wfs_source_check_set(const char *dir, const char *const *names, uint32_t n_names,
                         struct wfs_error *err)
{
    for (uint32_t i = 0, next; i < n_names; i = next) {
        struct shard_name first, other;
        next = i + 1;
        if (!parse_shard_name(names[i], &first))
            continue;
        bool is_in_order = first.index <= 1;
        while (next < n_names && parse_shard_name(names[next], &other) &&
               same_set(names[i], &first, names[next], &other)) {
            is_in_order &= other.index == first.index + (next - i);
            next++;
        }
        if (next - i == first.total && !is_in_order)
            return wfs_error_set(err, ENOENT,
                                 "%s: the files of the set of %s are not numbered one after the "
                                 "other: the checkpoint is not whole",
                                 dir, names[i]);
        if (next - i != first.total)
            return wfs_error_set(err, ENOENT,
                                 "%s: %u of the %llu files of the set of %s are here: the "
                                 "checkpoint is not whole",
                                 dir, next - i, (unsigned long long)first.total, names[i]);
    }
    return 0;
}

/* ---- picking one checkpoint ---------------------------------------------------------------- */

static const char *ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot : "";
}

static int several(const struct wfs_listing *listing, const struct candidates *c,
                   struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    wfs_listing_names(&text, c->names, c->n);
    return wfs_error_set(err, EINVAL,
                         "%s: more than one checkpoint (%s): choose with -o weights=GLOB",
                         listing->path, wfs_buf_ok(&text) && text.len ? text.data : "");
}

/* Leaves one index, one file, or the files of one ending among the candidates, or refuses. */
static int pick(const struct wfs_listing *listing, struct candidates *c, struct wfs_error *err)
{
    uint32_t n_indices = 0;
    const char *index = NULL;
    bool one_ending = true;
    for (uint32_t i = 0; i < c->n; i++) {
        one_ending &= strcasecmp(ending(c->names[i]), ending(c->names[0])) == 0;
        if (!wfs_source_is_index(c->names[i]))
            continue;
        index = c->names[i];
        n_indices++;
    }
    if (n_indices == 1) {
        c->names[0] = index;
        c->n = 1;
    }
    if (n_indices > 1 || (c->n > 1 && !one_ending))
        return several(listing, c, err);
    return wfs_source_check_set(listing->path, c->names, c->n, err);
}

/* ---- gathering ----------------------------------------------------------------------------- */

/* A file that cannot be read counts as a candidate: then the scan says why it cannot, instead of
 * another file being taken silently. */
static int is_recognised(const struct wfs_listing *listing, const struct wfs_entry *entry,
                         bool *ret_is, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    wfs_cleanup(wfs_bytes_unrefp) struct wfs_bytes *bytes = NULL;
    struct wfs_error why = {0};
    *ret_is = false;
    if (entry->kind != WFS_ENTRY_FILE)
        return 0;
    wfs_buf_printf(&path, "%s/%s", listing->path, entry->name);
    if (!wfs_buf_ok(&path))
        return wfs_error_nomem(err, entry->name);
    if (wfs_bytes_open(path.data, &bytes, &why) == 0)
        *ret_is = wfs_format_probe(bytes, &why) != NULL;
    if (why.code == ENOMEM)
        return wfs_error_nomem(err, entry->name);
    *ret_is |= why.code != 0;
    return 0;
}

enum gather {
    GATHER_NAMED,  /* telling names; vague ones where the content tells */
    GATHER_VAGUE,  /* vague names too: the error is about their content */
    GATHER_CONTENT /* any file whose content tells */
};

static int is_candidate(const struct wfs_listing *listing, const struct wfs_entry *entry,
                        enum gather how, bool *ret_is, struct wfs_error *err)
{
    *ret_is = false;
    if (entry->kind != WFS_ENTRY_FILE && entry->kind != WFS_ENTRY_DANGLING)
        return 0;
    if (how == GATHER_CONTENT)
        return entry->flags ? 0 : is_recognised(listing, entry, ret_is, err);
    if (!(entry->flags & WFS_NAME_READ))
        return 0;
    if ((entry->flags & WFS_NAME_VAGUE) && how == GATHER_NAMED)
        return is_recognised(listing, entry, ret_is, err);
    *ret_is = true;
    return 0;
}

static void gather_preferred(const struct wfs_listing *listing, const char *pattern,
                             struct candidates *c)
{
    for (uint32_t i = 0; i < listing->n_entries; i++) {
        const struct wfs_entry *entry = &listing->entries[i];
        if ((entry->flags & WFS_NAME_READ) && fnmatch(pattern, entry->name, 0) == 0)
            c->names[c->n++] = entry->name;
    }
}

static int gather(const struct wfs_listing *listing, enum gather how, struct candidates *c,
                  struct wfs_error *err)
{
    if (how == GATHER_CONTENT && listing->n_left_out)
        return wfs_error_set(err, EINVAL,
                             "%s: no file is weights by its name, and more than %d are too many to "
                             "look into (-o weights=GLOB names one)",
                             listing->path, WFS_LISTING_MAX_ENTRIES);
    for (uint32_t i = 0; i < listing->n_entries; i++) {
        bool is;
        int r = is_candidate(listing, &listing->entries[i], how, &is, err);
        if (r)
            return r;
        if (is)
            c->names[c->n++] = listing->entries[i].name;
    }
    return 0;
}

/* The error where nothing can be mounted: it names what there is instead. */
static int no_weights(const struct wfs_listing *listing, struct wfs_error *err)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    uint32_t n;
    int r = wfs_listing_known_names(listing, &text, &n, err);
    if (r)
        return r;
    if (n == 0)
        return wfs_error_set(err, ENOENT, "%s: no weights in this folder%s", listing->path,
                             wfs_listing_find(listing, "snapshots")
                                 ? "; of a Hugging Face cache, give snapshots/REVISION"
                                 : "");
    return wfs_error_set(err, ENOENT,
                         "%s: no weights that weightfs reads; there is %s (-o weights=GLOB names a "
                         "file all the same)",
                         listing->path, text.data);
}

int wfs_source_choose(struct wfs_arena *arena, const struct wfs_listing *listing,
                      const char *const **ret_names, uint32_t *ret_n_names, struct wfs_error *err)
{
    struct candidates c = {
        .names = wfs_arena_array(arena, listing->n_entries, sizeof(*c.names)),
    };
    if (!c.names)
        return wfs_error_nomem(err, listing->path);
    for (size_t i = 0; !c.n && i < WFS_ARRAY_SIZE(preferred); i++)
        gather_preferred(listing, preferred[i], &c);
    int r = 0;
    for (int how = GATHER_NAMED; !r && !c.n && how <= GATHER_CONTENT; how++)
        r = gather(listing, (enum gather)how, &c, err);
    if (!r)
        r = c.n ? pick(listing, &c, err) : no_weights(listing, err);
    if (r)
        return r;
    *ret_names = c.names;
    *ret_n_names = c.n;
    return 0;
}
