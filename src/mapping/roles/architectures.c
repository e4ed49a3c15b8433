/*
 * architectures.c - the rows of the table that are for a checkpoint, in a map of folded names.
 *
 * The table's text is read once for each plan: a section whose head names nothing of the checkpoint
 * is skipped. A weight is then looked up by its name, numbers as {n}, and by each of its ends.
 */
#include "mapping/roles/architectures.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mapping/roles/architectures_text.h"
#include "mapping/roles/names.h"

/* A table of the user's may be so large. */
#define TABLE_MAX_BYTES (16u << 20)

/* What the checkpoint is called. */
struct called {
    const char *kind, *name;
    bool is_root;
};
struct reading {
    struct wfs_architectures *known;
    const struct wfs_mapper *mapper;
    struct wfs_error *err;
    struct called *called;
    size_t n_called, cap_called;
    const char *origin; /* what the table is called in errors */
    size_t line;
    const struct called *section; /* NULL: it is not for this checkpoint */
    bool in_head;
};

/* ---- whose rows are wanted ----------------------------------------------------------------- */

static int call(struct reading *r, const char *kind, const char *name, bool is_root)
{
    if (wfs_grow(&r->called, &r->cap_called, r->n_called + 1, sizeof(*r->called)))
        return -ENOMEM;
    r->called[r->n_called++] = (struct called){kind, name, is_root};
    return 0;
}

static int call_model_type(void *arg, const char *name, bool is_root)
{
    return call(arg, "model_type", name, is_root);
}

static int call_architecture(void *arg, const char *name, bool is_root)
{
    return call(arg, "architecture", name, is_root);
}

static int call_class(void *arg, const char *name, bool is_root)
{
    return call(arg, "class", name, is_root);
}

/* -o set=model_type= or set=architecture= is said of the whole model. */
static int call_by_user(struct reading *r, const char *kind)
{
    struct wfs_value v;
    if (!wfs_config_get_set(r->mapper->config, kind, &v) || v.kind != WFS_VALUE_STR)
        return 0;
    char *name = wfs_arena_strndup(r->mapper->arena, v.s, v.len);
    return name ? call(r, kind, name, true) : -ENOMEM;
}

static int call_all(struct reading *r)
{
    const struct wfs_config *config = r->mapper->config;
    int e = call_by_user(r, "model_type");
    if (!e)
        e = call_by_user(r, "architecture");
    if (!e)
        e = wfs_config_each_text(config, "model_type", call_model_type, r);
    if (!e)
        e = wfs_config_each_text(config, "architecture", call_architecture, r);
    if (!e)
        e = wfs_config_each_text(config, "_class_name", call_class, r);
    return e ? e : wfs_config_each_text(config, "architectures", call_class, r);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Which numbers of a name are not {n}: bits of a set of 0 to 3. */
enum { KEEP_LAST = 1, KEEP_LAST_BUT_ONE = 2, N_KEPT = 4 };

static bool is_number(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && isdigit((unsigned char)s[n]))
        n++;
    return len && n == len;
}

static size_t component_len(const char *s)
{
    const char *sep = strchr(s, WFS_SEP);
    return sep ? (size_t)(sep - s) : strlen(s);
}

/* The path, numbers as {n} but for those that are kept. */
static void fold(struct wfs_buf *out, const char *path, unsigned kept)
{
    size_t n_numbers = 0, nth = 0;
    for (const char *s = path;; s++) {
        n_numbers += is_number(s, component_len(s));
        s += component_len(s);
        if (!*s)
            break;
    }
    for (const char *s = path;; s++) {
        size_t len = component_len(s);
        bool keeps = true;
        if (is_number(s, len)) {
            size_t behind = n_numbers - ++nth;
            keeps = behind < 2 && (kept >> behind & 1);
        }
        wfs_buf_add(out, keeps ? s : "{n}", keeps ? len : 3);
        s += len;
        if (!*s)
            break;
        wfs_buf_char(out, WFS_SEP);
    }
    wfs_buf_char(out, 0);
}

/* Which numbers a row's name writes out; N_KEPT: others than the last two. */
static unsigned kept_of(const char *path)
{
    unsigned kept = 0, behind = 0;
    for (const char *end = path + strlen(path); end > path;) {
        const char *sep = memrchr(path, WFS_SEP, (size_t)(end - path));
        const char *s = sep ? sep + 1 : path;
        size_t len = (size_t)(end - s);
        bool written = is_number(s, len);
        if (written || (len == 3 && memcmp(s, "{n}", 3) == 0)) {
            if (written && behind > 1)
                return N_KEPT;
            kept |= written ? 1u << behind : 0;
            behind++;
        }
        end = sep ? sep : path;
    }
    return kept;
}

static char *path_of(struct reading *r, const char *s, size_t len)
{
    char *path = wfs_arena_strndup(r->mapper->arena, s, len);
    for (char *at = path; at && (at = strchr(at, '.'));)
        *at = WFS_SEP;
    return path;
}

static int malformed(struct reading *r, const char *what)
{
    return wfs_error_set(r->err, EINVAL, "%s:%zu: %s", r->origin, r->line, what);
}

static int read_role(struct reading *r, const char *s, size_t len, struct wfs_architecture_row *row)
{
    static const char flattened[] = "flattened:";
    size_t head = sizeof(flattened) - 1;
    row->role = wfs_role_by_name(s, len);
    if (len > head && memcmp(s, flattened, head) == 0) {
        char *end;
        row->role = WFS_ROLE_FLATTENED;
        row->up = (uint32_t)strtoul(s + head, &end, 10);
        if (end == s + head || *end != ':' || end + 1 >= s + len)
            return malformed(r, "expected flattened:NUMBER:NAME");
        end++;
        row->conv = path_of(r, end, (size_t)(s + len - end));
        return row->conv ? 0 : -ENOMEM;
    }
    bool is_one = row->role != WFS_ROLE_NONE && row->role != WFS_ROLE_FLATTENED;
    return is_one ? 0 : malformed(r, "no such role");
}

/* Rows of the whole model count before those of its parts; parts that differ say nothing. */
static void settle(struct wfs_architecture_row *there, const struct wfs_architecture_row *row)
{
    if (row->is_root && !there->is_root)
        *there = *row;
    else if (row->is_root == there->is_root && row->role != there->role)
        there->role = WFS_ROLE_NONE;
}

static int add_row(struct reading *r, const char *s, size_t len)
{
    struct wfs_architectures *known = r->known;
    const char *tab = memchr(s, '\t', len);
    struct wfs_architecture_row row = {.is_root = r->section->is_root, .model = r->section->name};
    const char *path = path_of(r, s, (size_t)(tab - s));
    uint64_t at;
    int e = path ? read_role(r, tab + 1, (size_t)(s + len - tab - 1), &row) : -ENOMEM;
    if (e)
        return e;
    if (kept_of(path) == N_KEPT)
        return malformed(r, "only the last two numbers of a name may be written out");
    known->kept |= 1u << kept_of(path);
    if (wfs_strmap_get(&known->index, path, &at)) {
        settle(&known->rows[at], &row);
        return 0;
    }
    if (wfs_grow(&known->rows, &known->cap, known->n + 1, sizeof(row)) ||
        wfs_strmap_set(&known->index, path, known->n))
        return -ENOMEM;
    known->rows[known->n++] = row;
    return 0;
}

/* ---- sections ------------------------------------------------------------------------------ */

static bool is_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* Whether one of the head's names is one of the checkpoint's; the whole model's counts before a
 * part's. */
static void read_head(struct reading *r, const char *s, size_t len)
{
    const char *end = s + len, *kind = s;
    size_t kind_len = 0;
    while (s < end) {
        size_t n = 0;
        while (s + n < end && s[n] != ' ')
            n++;
        kind_len = kind_len ? kind_len : n;
        for (size_t i = 0; i < r->n_called; i++) {
            const struct called *c = &r->called[i];
            bool better = !r->section || (c->is_root && !r->section->is_root);
            if (s > kind && better && is_word(kind, kind_len, c->kind) && is_word(s, n, c->name))
                r->section = c;
        }
        s += n + (s + n < end);
    }
}

static bool is_head(const char *s, size_t len)
{
    static const char *const kinds[] = {"model_type ", "architecture ", "class "};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(kinds); i++)
        if (len > strlen(kinds[i]) && memcmp(s, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

static int read_line(struct reading *r, const char *s, size_t len)
{
    r->line++;
    if (len == 0 || *s == '#')
        return 0;
    if (memchr(s, '\t', len)) {
        r->in_head = false;
        return r->section ? add_row(r, s, len) : 0;
    }
    if (!is_head(s, len))
        return malformed(r,
                         "expected NAME<TAB>ROLE, or model_type, architecture or class and names");
    if (!r->in_head)
        r->section = NULL;
    r->in_head = true;
    read_head(r, s, len);
    return 0;
}

static int read_text(struct reading *r, const char *text, size_t len)
{
    int e = 0;
    for (size_t at = 0; !e && at < len;) {
        const char *newline = memchr(text + at, '\n', len - at);
        size_t n = newline ? (size_t)(newline - text) - at : len - at;
        e = read_line(r, text + at, n);
        at += n + 1;
    }
    return e;
}

/* ---- the table ----------------------------------------------------------------------------- */

static int read_file(struct reading *r, const char *path)
{
    wfs_cleanup(wfs_freep) char *text = NULL;
    struct wfs_bytes *bytes;
    int e = wfs_bytes_open(path, &bytes, r->err);
    if (e)
        return e;
    size_t len = (size_t)bytes->size_bytes;
    if (bytes->size_bytes > TABLE_MAX_BYTES)
        e = wfs_error_set(r->err, EFBIG, "%s: larger than %u bytes", path, TABLE_MAX_BYTES);
    else if (!(text = malloc(len + 1)))
        e = -ENOMEM;
    else
        e = wfs_bytes_read(bytes, text, len, 0, r->err);
    wfs_bytes_unref(bytes);
    r->origin = path;
    return e ? e : read_text(r, text, len);
}

static bool is_off(const struct wfs_value *v)
{
    bool is_text = v->kind == WFS_VALUE_STR && is_word(v->s, v->len, "off");
    return is_text || (v->kind == WFS_VALUE_BOOL && !v->i);
}

static int read_table(struct reading *r)
{
    struct wfs_value v;
    if (!wfs_config_get_set(r->mapper->config, "architectures", &v))
        return read_text(r, wfs_architecture_table, strlen(wfs_architecture_table));
    if (is_off(&v))
        return 0;
    if (v.kind != WFS_VALUE_STR)
        return wfs_error_set(r->err, EINVAL, "set=architectures=: expected off or a file");
    const char *path = wfs_arena_strndup(r->mapper->arena, v.s, v.len);
    return path ? read_file(r, path) : -ENOMEM;
}

int wfs_architectures_gather(struct wfs_architectures *known, const struct wfs_mapper *mapper,
                             struct wfs_error *err)
{
    struct reading r = {.known = known, .mapper = mapper, .err = err, .origin = "architectures"};
    int e = call_all(&r);
    if (!e)
        e = read_table(&r);
    free(r.called);
    return e == -ENOMEM ? wfs_error_nomem(err, "architectures") : e;
}

void wfs_architectures_free(struct wfs_architectures *known)
{
    wfs_strmap_free(&known->index);
    wfs_buf_free(&known->scratch);
    free(known->rows);
    *known = (struct wfs_architectures){0};
}

static bool is_there(const struct wfs_architectures *known, const char *name,
                     const struct wfs_architecture_row **ret)
{
    uint64_t at;
    if (!wfs_strmap_get(&known->index, name, &at))
        return false;
    *ret = &known->rows[at];
    return true;
}

/* By the whole name, then by each of its ends, the longest first: "*" and a separator in front. */
static int find_folded(struct wfs_architectures *known, const char *path, unsigned kept,
                       const struct wfs_architecture_row **ret)
{
    struct wfs_buf *name = &known->scratch;
    name->len = 0;
    wfs_buf_char(name, '*');
    wfs_buf_char(name, WFS_SEP);
    fold(name, path, kept);
    if (!wfs_buf_ok(name))
        return -ENOMEM;
    if (is_there(known, name->data + 2, ret))
        return 0;
    /* What stands before `end` was looked up already, and may be written over. */
    for (char *end = name->data + 1; end; end = strchr(end + 1, WFS_SEP)) {
        end[-1] = '*';
        if (is_there(known, end - 1, ret))
            return 0;
    }
    return 0;
}

int wfs_architectures_find(struct wfs_architectures *known, const char *path,
                           const struct wfs_architecture_row **ret)
{
    int r = 0;
    *ret = NULL;
    for (unsigned kept = N_KEPT; !r && !*ret && kept-- > 0;)
        if (known->kept >> kept & 1)
            r = find_folded(known, path, kept, ret);
    return r;
}
