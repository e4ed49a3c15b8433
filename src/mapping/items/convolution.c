/*
 * convolution.c - which weights are those of transposed convolutions.
 *
 * torch stores a convolution as (O, I/g, *k) and a transposed one as (I, O/g, *k), under one name,
 * `weight`. Where a target has another layout for each, the wrong reading gives a file of the right
 * shape with wrong values. What tells them apart, in this order:
 *
 *   - the user: -o set=transposed=PART says that names with PART are, =false that none is;
 *   - its role, where the user or the table of architectures says "transposed" or, the table,
 *     "convolution";
 *   - the bias, which has O elements: (64, 32, 3, 3) with a bias of 32 is transposed;
 *   - the norm right behind in a sequence: DCGAN's main.0 (100, 512, 4, 4), main.1 (512);
 *   - the module's own name (deconv, transposed, ...): its last component that is no number.
 *
 * A template decides before all these, where the rules look at its shapes, or by its own names
 * (ConvTranspose_0). Where nothing tells, both readings are possible: there is no bias, or O = I.
 * That is so for most weights of a plain ResNet, and reporting them all would bury what matters. So
 * such a weight is a doubt only where something points at a transposed convolution,
 *
 *   - a word near its name (up, upsample, upconv, ... or a block called deconv),
 *   - an even window of as many inputs as outputs, whose name does not say that it halves the sides, or
 *   - one that is certain in the same part of the model (the same first component after what all
 *     names begin with; numbers are one part),
 *
 * and its kernel covers more than a point. All others are taken as ordinary convolutions, and one
 * line of the report says how many. Norms that are called as their convolution is (conv1, bn1) are
 * no evidence: with pre-activation they have I elements, not O. Nor is a model type: most decoders
 * upsample first and then use ordinary convolutions.
 *
 * A transposed convolution in groups has no module in the targets that ask, and is reported.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/items/convolution.h"

struct part {
    const char *s;
    size_t len;
};

struct marking {
    const struct wfs_mapper *mapper;
    struct wfs_sink *sink;
    struct wfs_table *items;
    struct wfs_strmap index; /* path -> item */
    struct wfs_buf scratch;
    const char *wanted;        /* -o set=transposed=, or NULL */
    bool shows;                /* the set asks which are transposed, so that notes are of use */
    size_t n_common;           /* components that all names begin with */
    struct wfs_strmap regions; /* parts of the model that have a transposed convolution */
    size_t n_assumed, n_by_norm, n_by_name;
    const char *first_assumed, *first_by_norm, *first_by_name;
};

/* ---- words --------------------------------------------------------------------------------- */

static bool is_number(struct part part)
{
    size_t i = 0;
    while (i < part.len && isdigit((unsigned char)part.s[i]))
        i++;
    return part.len && i == part.len;
}

static bool same_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(s, word, len) == 0;
}

/* The word in any case, not in the middle of another one ("wideconv"). */
static bool begins_a_word(struct part part, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= part.len; i++) {
        bool starts = i == 0 || !isalpha((unsigned char)part.s[i - 1]) ||
                      (isupper((unsigned char)part.s[i]) && islower((unsigned char)part.s[i - 1]));
        if (starts && strncasecmp(part.s + i, word, len) == 0)
            return true;
    }
    return false;
}

static bool contains_word(struct part part, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= part.len; i++)
        if (strncasecmp(part.s + i, word, len) == 0)
            return true;
    return false;
}

static bool says_transposed(struct part part)
{
    return begins_a_word(part, "deconv") || contains_word(part, "transpos") ||
           begins_a_word(part, "convtr");
}

/* up, ups, upsample, up1, up_conv: words that go with transposed convolutions and with others. */
static bool hints(struct part part)
{
    static const char *const words[] = {
        "up",         "ups",    "upsample", "upsampler", "upconv",    "upscale",  "upsamplers",
        "upsampling", "unpool", "tconv",    "convt",     "transconv", "unpooling"};
    for (size_t i = 0, n; i < part.len; i += n ? n : 1) {
        for (n = 0; i + n < part.len && isalpha((unsigned char)part.s[i + n]); n++)
            ;
        for (size_t w = 0; w < WFS_ARRAY_SIZE(words); w++)
            if (same_word(part.s + i, n, words[w]))
                return true;
    }
    return false;
}

/* The components before the last one, from the end, numbers aside. */
static bool previous_part(const char *path, struct part *at)
{
    while (at->s > path) {
        const char *end = at->s - 1, *start = memrchr(path, WFS_SEP, (size_t)(end - path));
        start = start ? start + 1 : path;
        *at = (struct part){start, (size_t)(end - start)};
        if (!is_number(*at))
            return true;
    }
    return false;
}

static struct part last_part(const char *path)
{
    const char *sep = strrchr(path, WFS_SEP);
    const char *s = sep ? sep + 1 : path;
    return (struct part){s, strlen(s)};
}

static bool name_says(const char *path)
{
    struct part at = last_part(path);
    return previous_part(path, &at) && says_transposed(at);
}

static bool name_hints(const char *path)
{
    struct part at = last_part(path);
    bool found = false;
    for (int up = 0; !found && previous_part(path, &at); up++)
        found = says_transposed(at) || (up < 2 && hints(at));
    return found;
}

/* ---- shapes -------------------------------------------------------------------------------- */

/* Where roles were asked for, what has another one is none. */
static bool is_kernel(const struct wfs_item *item)
{
    struct part last = last_part(item->path);
    bool may_be = item->role == WFS_ROLE_NONE || wfs_role_is_convolution(item->role);
    return may_be && !item->packed && item->expr->ndim >= 3 && item->expr->ndim <= 5 &&
           same_word(last.s, last.len, "weight");
}

static bool is_point(const struct wfs_expr *e)
{
    for (uint32_t i = 2; i < e->ndim; i++)
        if (e->shape[i] != 1)
            return false;
    return true;
}

/* Elements of a 1-D tensor of that name, 0 where there is none. */
static uint64_t vector_size(struct marking *m, const char *module, size_t len, const char *last)
{
    uint64_t at;
    m->scratch.len = 0;
    wfs_buf_add(&m->scratch, module, len);
    wfs_buf_printf(&m->scratch, "%s%s", len ? WFS_SEP_STR : "", last);
    if (!wfs_buf_ok(&m->scratch) || !wfs_strmap_get(&m->index, m->scratch.data, &at))
        return 0;
    const struct wfs_expr *e = m->items->items[at].expr;
    return e->ndim == 1 ? e->shape[0] : 0;
}

/* What O elements say of (a, b, *k). */
static enum wfs_convolution by_outputs(const struct wfs_expr *e, uint64_t n)
{
    uint64_t a = e->shape[0], b = e->shape[1];
    if (n == 0 || (n == a && a == b))
        return WFS_CONVOLUTION_OPEN;
    if (n == a)
        return WFS_CONVOLUTION_ORDINARY;
    if (n == b)
        return WFS_CONVOLUTION_TRANSPOSED;
    bool in_groups = b && n % b == 0 && a % (n / b) == 0;
    return in_groups ? WFS_CONVOLUTION_GROUPED : WFS_CONVOLUTION_OPEN;
}

/* The norm behind module i of a sequence. */
static uint64_t next_norm(struct marking *m, const char *path)
{
    struct part last = last_part(path);
    struct part module = last;
    wfs_cleanup(wfs_buf_free) struct wfs_buf next = {0};
    if (last.s == path)
        return 0;
    const char *end = last.s - 1, *start = memrchr(path, WFS_SEP, (size_t)(end - path));
    start = start ? start + 1 : path;
    module = (struct part){start, (size_t)(end - start)};
    if (!is_number(module) || module.len > 9)
        return 0;
    wfs_buf_add(&next, path, (size_t)(start - path));
    wfs_buf_printf(&next, "%ld", strtol(start, NULL, 10) + 1);
    if (!wfs_buf_ok(&next))
        return 0;
    uint64_t n = vector_size(m, next.data, next.len, "weight");
    return n > 1 ? n : vector_size(m, next.data, next.len, "running_mean");
}

/* ---- one weight ---------------------------------------------------------------------------- */

static void count(size_t *n, const char **first, const struct wfs_item *item)
{
    if ((*n)++ == 0)
        *first = item->path;
}

/* By the user's word. */
static bool is_wanted(const struct marking *m, const struct wfs_item *item)
{
    return m->wanted && m->wanted[0] && strstr(wfs_dotted(m->mapper->arena, item->path), m->wanted);
}

/* The user's word and the bias: certain either way. */
static enum wfs_convolution certain(struct marking *m, const struct wfs_item *item)
{
    const struct wfs_expr *e = item->expr;
    struct part last = last_part(item->path);
    size_t len = last.s > item->path ? (size_t)(last.s - item->path) - 1 : 0;
    uint64_t bias = vector_size(m, item->path, len, "bias");
    if (is_wanted(m, item) || item->role == WFS_ROLE_TRANSPOSED)
        return WFS_CONVOLUTION_TRANSPOSED;
    if (item->role_known)
        return WFS_CONVOLUTION_ORDINARY;
    enum wfs_convolution found = by_outputs(e, bias);
    /* Of a's own size and called transposed: in groups, or else the name means something else. */
    if (found == WFS_CONVOLUTION_ORDINARY && name_says(item->path) && e->shape[1] &&
        e->shape[0] % e->shape[1] == 0)
        return WFS_CONVOLUTION_GROUPED;
    if (found == WFS_CONVOLUTION_OPEN && bias && bias != e->shape[0])
        return WFS_CONVOLUTION_DOUBTFUL;
    return found;
}

static void mark_by_evidence(struct marking *m, struct wfs_item *item)
{
    item->convolution = certain(m, item);
    if (item->convolution != WFS_CONVOLUTION_OPEN)
        return;
    item->convolution = by_outputs(item->expr, next_norm(m, item->path));
    if (item->convolution == WFS_CONVOLUTION_TRANSPOSED)
        count(&m->n_by_norm, &m->first_by_norm, item);
    if (item->convolution != WFS_CONVOLUTION_OPEN)
        return;
    if (name_says(item->path)) {
        item->convolution = WFS_CONVOLUTION_TRANSPOSED;
        count(&m->n_by_name, &m->first_by_name, item);
    }
}

/* ---- parts of the model -------------------------------------------------------------------- */

static size_t common_components(const struct wfs_table *items)
{
    size_t common = items->n ? wfs_path_n_components(items->items[0].path) - 1 : 0;
    for (size_t i = 1; i < items->n && common; i++) {
        const char *a = items->items[0].path, *b = items->items[i].path;
        size_t same = 0;
        for (size_t k = 0; a[k] && a[k] == b[k]; k++)
            same += a[k] == WFS_SEP;
        common = same < common ? same : common;
    }
    return common;
}

/* In m->scratch. */
static const char *region_of(struct marking *m, const struct wfs_item *item)
{
    size_t n = wfs_path_n_components(item->path);
    struct part part = {"", 0};
    if (m->n_common + 1 < n)
        part.s = wfs_path_component(item->path, m->n_common, &part.len);
    m->scratch.len = 0;
    wfs_buf_add(&m->scratch, part.s, is_number(part) ? 0 : part.len);
    wfs_buf_char(&m->scratch, 0);
    return wfs_buf_ok(&m->scratch) ? m->scratch.data : "";
}

static int find_regions(struct marking *m)
{
    for (size_t i = 0; i < m->items->n; i++) {
        const struct wfs_item *item = &m->items->items[i];
        if (item->convolution != WFS_CONVOLUTION_TRANSPOSED &&
            item->convolution != WFS_CONVOLUTION_GROUPED)
            continue;
        const char *region = region_of(m, item);
        if (wfs_strmap_get(&m->regions, region, NULL))
            continue;
        region = wfs_arena_strdup(m->mapper->arena, region);
        if (!region || wfs_strmap_set(&m->regions, region, 1))
            return wfs_error_nomem(m->sink->err, "names");
    }
    return 0;
}

/* Of as many outputs as inputs, and with an even window, as layers have that double the sides (2 x 2, 4 x
 * 4); those that halve them say so, or make more channels. */
static bool has_even_window(const struct wfs_item *item)
{
    static const char *const halving[] = {"down",  "patch",  "pool", "stem",
                                          "reduc", "stride", "merg"};
    const struct wfs_expr *e = item->expr;
    if (e->shape[0] != e->shape[1] || e->ndim < 4)
        return false;
    for (uint32_t i = 2; i < e->ndim; i++)
        if (e->shape[i] % 2 || e->shape[i] != e->shape[2])
            return false;
    struct part whole = {item->path, strlen(item->path)};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(halving); i++)
        if (contains_word(whole, halving[i]))
            return false;
    return true;
}

static void mark_open(struct marking *m, struct wfs_item *item)
{
    bool points_at = name_hints(item->path) || has_even_window(item) ||
                     wfs_strmap_get(&m->regions, region_of(m, item), NULL);
    if (points_at && !m->wanted && !is_point(item->expr)) {
        item->convolution = WFS_CONVOLUTION_DOUBTFUL;
        return;
    }
    /* A template settles what is not square. */
    bool settled = m->mapper->template && item->expr->shape[0] != item->expr->shape[1];
    if (!settled && !m->wanted)
        count(&m->n_assumed, &m->first_assumed, item);
}

/* ---- all of them --------------------------------------------------------------------------- */

static void report_marks(struct marking *m)
{
    const struct wfs_mapper *mapper = m->mapper;
    if (m->n_by_norm)
        wfs_report(m->sink, WFS_NOTE, "",
                   "%zu convolutions are transposed ones by the norms behind them (%s, ...)",
                   m->n_by_norm, wfs_dotted(mapper->arena, m->first_by_norm));
    if (m->n_by_name)
        wfs_report(m->sink, WFS_NOTE, "",
                   "%zu convolutions are taken as transposed ones by their names (%s, ...)",
                   m->n_by_name, wfs_dotted(mapper->arena, m->first_by_name));
    if (m->n_assumed)
        wfs_report(
            m->sink, WFS_NOTE, "",
            "%zu convolutions (%s, ...) are taken as ordinary ones: shapes do not tell, and "
            "nothing points at transposed ones (-o set=transposed=PART-OF-THEIR-NAMES would)",
            m->n_assumed, wfs_dotted(mapper->arena, m->first_assumed));
}

/* For `convolution`; or for `channels`, whose order dense layers before and behind have. */
static bool set_asks(const struct wfs_set *set, bool *ret_shows)
{
    bool asks = *ret_shows = false;
    for (uint32_t i = 0; i < set->n_rules; i++) {
        asks |= set->rules[i].asks_convolution || set->rules[i].asks_channels;
        *ret_shows |= set->rules[i].asks_convolution;
    }
    return asks;
}

/* NULL where the user says nothing; "" (from false) is in no name that counts. */
static const char *wanted_part(const struct wfs_mapper *mapper)
{
    struct wfs_value v;
    if (!wfs_config_get_set(mapper->config, "transposed", &v))
        return NULL;
    if (v.kind == WFS_VALUE_INT)
        return wfs_arena_printf(mapper->arena, "%lld", (long long)v.i);
    if (v.kind == WFS_VALUE_BOOL)
        return v.i ? "true" : "";
    return v.kind == WFS_VALUE_STR ? v.s : "";
}

/* What names no convolution is misspelt, and settles nothing. */
static void check_wanted(struct marking *m)
{
    bool found = !m->wanted || !m->wanted[0];
    for (size_t i = 0; !found && i < m->items->n; i++)
        found = is_kernel(&m->items->items[i]) && is_wanted(m, &m->items->items[i]);
    if (found)
        return;
    wfs_report(m->sink, WFS_NOTE, "", "set=transposed=%s: no convolution has that in its name",
               m->wanted);
    m->wanted = NULL;
}

static int mark_all(struct marking *m)
{
    for (size_t i = 0; i < m->items->n; i++)
        if (wfs_strmap_set(&m->index, m->items->items[i].path, i))
            return wfs_error_nomem(m->sink->err, "names");
    check_wanted(m);
    m->n_common = common_components(m->items);
    for (size_t i = 0; i < m->items->n; i++)
        if (is_kernel(&m->items->items[i]))
            mark_by_evidence(m, &m->items->items[i]);
    int r = find_regions(m);
    for (size_t i = 0; !r && i < m->items->n; i++)
        if (m->items->items[i].convolution == WFS_CONVOLUTION_OPEN)
            mark_open(m, &m->items->items[i]);
    if (!r && m->shows)
        report_marks(m);
    return r;
}

int wfs_mark_convolutions(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                          const struct wfs_set *set, struct wfs_table *items)
{
    struct marking m = {.mapper = mapper, .sink = sink, .items = items};
    bool any = false;
    if (!set_asks(set, &m.shows))
        return 0;
    for (size_t i = 0; i < items->n; i++) {
        items->items[i].convolution = WFS_CONVOLUTION_NONE;
        any |= is_kernel(&items->items[i]);
    }
    if (!any)
        return 0;
    m.wanted = wanted_part(mapper);
    int r = mark_all(&m);
    wfs_strmap_free(&m.index);
    wfs_strmap_free(&m.regions);
    wfs_buf_free(&m.scratch);
    return r;
}

const char *wfs_convolution_name(const struct wfs_item *item)
{
    switch (item->convolution) {
    case WFS_CONVOLUTION_TRANSPOSED:
        return "transposed";
    case WFS_CONVOLUTION_GROUPED:
        return "grouped";
    case WFS_CONVOLUTION_ORDINARY:
        return "ordinary";
    case WFS_CONVOLUTION_NONE:
        return NULL;
    default: /* a template's name may say more */
        if (name_says(item->path))
            return "transposed";
        return item->convolution == WFS_CONVOLUTION_OPEN ? "ordinary" : "doubtful";
    }
}
