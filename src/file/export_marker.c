/*
 * export_marker.c - the small files beside PATH.partial.
 *
 *   PATH.partial.plan       one line: what all parts agree on
 *   PATH.partial.3-of-8     the same line; "part=3 chunks=12-18 hash=... head=... crcs=N"; N lines
 *                           of a CRC. head: the hash of the part's first chunk
 *
 * They are written whole under another name, fsynced and put into place, so none is ever half. They
 * may come from another machine and another version, so reading believes nothing: a line that is
 * not to the letter what this plan would write is refused.
 */
#include "file/export_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256
#define LINE_MAGIC     "weightfs-export 1 " /* every line of ours begins so */

/* ---- the plan's hash ----------------------------------------------------------------------- */

static void add_u64(struct wfs_buf *out, uint64_t v)
{
    uint8_t bytes[8];
    wfs_store_u64le(bytes, v);
    wfs_buf_add(out, bytes, sizeof(bytes));
}

/* An id that no file's device and inode went into. */
static bool is_portable(const struct wfs_bytes *bytes)
{
    const char *kind = bytes->ops->kind;
    return strcmp(kind, "memory") == 0 || strcmp(kind, "fill") == 0 || strcmp(kind, "arange") == 0;
}

static void add_source(struct wfs_buf *out, const struct wfs_bytes *bytes)
{
    add_u64(out, bytes->size_bytes);
    wfs_buf_str(out, bytes->ops->kind);
    if (is_portable(bytes))
        wfs_buf_add(out, bytes->id.bytes, sizeof(bytes->id.bytes));
}

/* Where the elements lie inside their sources; not which device and inode a source is, since those
 * differ between machines that see the same file. The source's identity is beside the plan's. */
static void add_expr(struct wfs_buf *out, const struct wfs_expr *expr)
{
    add_u64(out, expr->dtype);
    add_u64(out, expr->ndim);
    wfs_buf_add(out, expr->shape, expr->ndim * sizeof(*expr->shape));
    add_u64(out, expr->n_pieces);
    for (uint32_t i = 0; i < expr->n_pieces; i++) {
        const struct wfs_piece *piece = &expr->pieces[i];
        uint32_t n_factors = piece->first_factor[expr->ndim];
        add_source(out, piece->bytes);
        add_u64(out, piece->base_bits);
        add_u64(out, piece->dtype);
        for (uint32_t op = 0; op < piece->n_ops; op++) {
            add_u64(out, piece->ops[op].kind);
            add_u64(out, piece->ops[op].dtype);
            wfs_buf_add(out, &piece->ops[op].value, sizeof(piece->ops[op].value));
        }
        wfs_buf_add(out, piece->start, expr->ndim * sizeof(*piece->start));
        wfs_buf_add(out, piece->count, expr->ndim * sizeof(*piece->count));
        for (uint32_t f = 0; f < n_factors; f++) {
            add_u64(out, piece->factors[f].count);
            add_u64(out, (uint64_t)piece->factors[f].stride_bits);
        }
    }
}

static void add_part(struct wfs_buf *out, const struct wfs_part *part)
{
    add_u64(out, part->kind);
    add_u64(out, part->size_bytes);
    if (part->kind == WFS_PART_LITERAL) {
        struct wfs_hash hash = wfs_hash_bytes(part->u.literal, (size_t)part->size_bytes);
        wfs_buf_add(out, hash.bytes, sizeof(hash.bytes));
    } else if (part->kind == WFS_PART_EXPR) {
        add_u64(out, part->u.expr.off);
        add_expr(out, part->u.expr.expr);
    } else if (part->kind == WFS_PART_BYTES) {
        add_u64(out, part->u.bytes.off);
        add_source(out, part->u.bytes.bytes);
    }
}

/* A chain of hashes, part by part: bounded memory. */
struct wfs_hash wfs_export_plan_hash(const struct wfs_vfile *file)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_hash hash = wfs_hash_bytes(WFS_VERSION, strlen(WFS_VERSION));
    for (uint32_t i = 0; i < file->n_parts; i++) {
        text.len = 0;
        wfs_buf_add(&text, hash.bytes, sizeof(hash.bytes));
        add_part(&text, &file->parts[i]);
        hash = wfs_hash_bytes(text.data, text.len);
    }
    return hash;
}

/* ---- names and files ----------------------------------------------------------------------- */

static char *plan_path(const char *partial)
{
    char *path = NULL;
    return asprintf(&path, "%s.plan", partial) < 0 ? NULL : path;
}

static char *marker_path(const char *partial, uint32_t part, uint32_t n_parts)
{
    char *path = NULL;
    return asprintf(&path, "%s.%u-of-%u", partial, part, n_parts) < 0 ? NULL : path;
}

static void put_plan_line(struct wfs_buf *out, const struct wfs_export_plan *plan)
{
    char plan_hex[33], source_hex[33], state_hex[33];
    wfs_hash_hex(&plan->plan, plan_hex);
    wfs_hash_hex(&plan->source, source_hex);
    wfs_hash_hex(&plan->state, state_hex);
    wfs_buf_printf(out,
                   LINE_MAGIC "plan=%s source=%s state=%s size=%" PRIu64 " parts=%" PRIu32 "\n",
                   plan_hex, source_hex, state_hex, plan->size_bytes, plan->n_parts);
}

/* A line taken apart. */
struct line {
    char plan[33], source[33], state[33];
    uint64_t size_bytes;
    uint32_t n_parts;
};

static bool parse_line(const char *text, struct line *ret)
{
    int end = 0;
    return sscanf(text,
                  LINE_MAGIC "plan=%32[0-9a-f] source=%32[0-9a-f] state=%32[0-9a-f] size=%" SCNu64
                             " parts=%" SCNu32 "%n",
                  ret->plan, ret->source, ret->state, &ret->size_bytes, &ret->n_parts, &end) == 5 &&
           strcmp(text + end, "\n") == 0;
}

struct wfs_hash wfs_export_plan_id(const struct wfs_export_plan *plan)
{
    struct wfs_buf line wfs_cleanup(wfs_buf_free) = {0};
    put_plan_line(&line, plan);
    return wfs_hash_bytes(line.data, line.len);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* A new file of its own beside `path`, synced; *ret_temporary is its name, caller frees. */
static int write_temporary(const char *path, const struct wfs_buf *text, char **ret_temporary,
                           struct wfs_error *err)
{
    char *name = NULL;
    if (!wfs_buf_ok(text) || asprintf(&name, "%s.XXXXXX", path) < 0)
        return wfs_error_nomem(err, "a marker");
    int fd = mkostemp(name, O_CLOEXEC);
    int r = fd < 0 ? -errno : write_all(fd, text->data, text->len);
    if (fd >= 0 && close(fd) != 0 && r == 0)
        r = -errno;
    if (r) {
        if (fd >= 0)
            unlink(name);
        free(name);
        return wfs_error_set(err, -r, "%s: %s", path, strerror(-r));
    }
    *ret_temporary = name;
    return 0;
}

/* ---- the declaration ----------------------------------------------------------------------- */

#define REMEDY_PLAN "--abort the export"
#define REMEDY_PART "remove it, and run this part again"

static int damaged(const char *path, const char *remedy, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "%s: a damaged marker; %s", path, remedy);
}

/* As far as it goes: a marker may be cut off. */
static bool is_begin_of_line(const char *text, size_t len)
{
    return memcmp(text, LINE_MAGIC, wfs_min_u64(len, strlen(LINE_MAGIC))) == 0;
}

static int read_first_line(const char *path, char line[LINE_MAX_BYTES], struct wfs_error *err)
{
    FILE *f wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    if (!f)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (!fgets(line, LINE_MAX_BYTES, f))
        return damaged(path, REMEDY_PLAN, err);
    return 0;
}

/* What a line of another export differs in, the first of it. */
static const char *difference(const struct line *a, const struct line *b)
{
    if (strcmp(a->source, b->source) != 0)
        return "of another checkpoint or view";
    if (strcmp(a->plan, b->plan) != 0 || a->size_bytes != b->size_bytes)
        return "of another view, file or version of weightfs";
    if (strcmp(a->state, b->state) != 0)
        return "older than a change to the checkpoint: another inode, mtime or ctime of a file";
    return a->n_parts != b->n_parts ? "of another number of parts" : NULL;
}

/* -EINVAL where the line is no whole one, -EEXIST where it is of another plan. */
static int check_line(const char *path, const char *text, const struct wfs_export_plan *plan,
                      const char *remedy, struct wfs_error *err)
{
    struct wfs_buf expected wfs_cleanup(wfs_buf_free) = {0};
    struct line theirs, ours;
    put_plan_line(&expected, plan);
    if (!wfs_buf_ok(&expected))
        return wfs_error_nomem(err, "a marker");
    if (strcmp(text, expected.data) == 0)
        return 0;
    const char *what = parse_line(text, &theirs) && parse_line(expected.data, &ours)
                           ? difference(&theirs, &ours)
                           : NULL;
    if (!what && is_begin_of_line(text, strlen(text)))
        return damaged(path, remedy, err);
    if (!what)
        return wfs_error_set(err, EINVAL, "%s: no marker of weightfs", path);
    return wfs_error_set(err, EEXIST, "%s: it is %s; --abort removes it", path, what);
}

/* Puts the line where none is. link(2) never replaces; where there are no links a rename does, with
 * what is the same line unless two different exports began at the same moment. */
static int declare_new(const char *path, const struct wfs_export_plan *plan, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    char *temporary wfs_cleanup(wfs_freep) = NULL;
    put_plan_line(&text, plan);
    int r = write_temporary(path, &text, &temporary, err);
    if (r)
        return r;
    r = link(temporary, path) == 0 || errno == EEXIST ? 0 : -errno;
    if (r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS || r == -EMLINK)
        r = rename(temporary, path) == 0 ? 0 : -errno;
    unlink(temporary);
    return r ? wfs_error_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

int wfs_export_declare(const char *partial, const struct wfs_export_plan *plan,
                       struct wfs_error *err)
{
    char *path wfs_cleanup(wfs_freep) = plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    int r = access(path, F_OK) == 0 ? 0 : declare_new(path, plan, err);
    return r ? r : wfs_export_check_declared(partial, plan, err);
}

int wfs_export_check_declared(const char *partial, const struct wfs_export_plan *plan,
                              struct wfs_error *err)
{
    char line[LINE_MAX_BYTES];
    char *path wfs_cleanup(wfs_freep) = plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    int r = read_first_line(path, line, err);
    return r ? r : check_line(path, line, plan, REMEDY_PLAN, err);
}

bool wfs_export_is_declared(const char *partial)
{
    char *path wfs_cleanup(wfs_freep) = plan_path(partial);
    return path && access(path, F_OK) == 0;
}

int wfs_export_declared_parts(const char *partial, uint32_t *ret_n, struct wfs_error *err)
{
    char text[LINE_MAX_BYTES];
    struct line line;
    char *path wfs_cleanup(wfs_freep) = plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    if (access(path, F_OK) != 0)
        return wfs_error_set(err, ENOENT, "%s: no export in parts is under way", partial);
    int r = read_first_line(path, text, err);
    if (r)
        return r;
    if (!parse_line(text, &line) || line.n_parts < 1 || line.n_parts > WFS_EXPORT_MAX_PARTS)
        return damaged(path, REMEDY_PLAN, err);
    *ret_n = line.n_parts;
    return 0;
}

/* ---- markers ------------------------------------------------------------------------------- */

static int count_crc(uint32_t *crc, void *ctx)
{
    (void)crc;
    ++*(uint64_t *)ctx;
    return 0;
}

static int put_crc(uint32_t *crc, void *ctx)
{
    wfs_buf_printf(ctx, "%08" PRIx32 "\n", *crc);
    return 0;
}

static uint64_t n_crcs(struct wfs_corrections *c, uint64_t first_chunk, uint64_t end_chunk)
{
    uint64_t n = 0;
    wfs_corrections_each(c, first_chunk, end_chunk, count_crc, &n);
    return n;
}

int wfs_export_mark(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                    const struct wfs_export_marker *marker, struct wfs_corrections *corrections,
                    uint64_t first_chunk, uint64_t end_chunk, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    char *temporary wfs_cleanup(wfs_freep) = NULL;
    char *path wfs_cleanup(wfs_freep) = marker_path(partial, part, plan->n_parts);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    put_plan_line(&text, plan);
    wfs_buf_printf(&text,
                   "part=%u chunks=%" PRIu64 "-%" PRIu64 " hash=%s head=%s crcs=%" PRIu64 "\n",
                   part, first_chunk, end_chunk, marker->hash, marker->head,
                   n_crcs(corrections, first_chunk, end_chunk));
    wfs_corrections_each(corrections, first_chunk, end_chunk, put_crc, &text);
    int r = write_temporary(path, &text, &temporary, err);
    if (r)
        return r;
    if (rename(temporary, path) != 0) {
        r = wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
        unlink(temporary);
        return r;
    }
    return wfs_export_sync_dir(path, err);
}

bool wfs_export_is_marked(const char *partial, uint32_t part, uint32_t n_parts)
{
    char *path wfs_cleanup(wfs_freep) = marker_path(partial, part, n_parts);
    return path && access(path, F_OK) == 0;
}

static int scan_crc(uint32_t *crc, void *ctx)
{
    return fscanf(ctx, "%8" SCNx32, crc) == 1 ? 0 : -EINVAL;
}

/* The second line. */
struct part_line {
    uint32_t part;
    uint64_t first_chunk, end_chunk, n_crcs;
    struct wfs_export_marker marker;
};

static bool scan_part_line(FILE *f, struct part_line *ret)
{
    return fscanf(f,
                  "part=%" SCNu32 " chunks=%" SCNu64 "-%" SCNu64
                  " hash=%32[0-9a-f] head=%32[0-9a-f] crcs=%" SCNu64,
                  &ret->part, &ret->first_chunk, &ret->end_chunk, ret->marker.hash,
                  ret->marker.head, &ret->n_crcs) == 6;
}

static int read_crcs(FILE *f, const char *path, uint32_t part, struct wfs_corrections *c,
                     uint64_t first_chunk, uint64_t end_chunk, struct wfs_export_marker *ret,
                     struct wfs_error *err)
{
    struct part_line line;
    if (!scan_part_line(f, &line) || line.part != part || line.first_chunk != first_chunk ||
        line.end_chunk != end_chunk || line.n_crcs != n_crcs(c, first_chunk, end_chunk) ||
        wfs_corrections_each(c, first_chunk, end_chunk, scan_crc, f))
        return damaged(path, REMEDY_PART, err);
    *ret = line.marker;
    return 0;
}

int wfs_export_read_marker(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                           struct wfs_corrections *corrections, uint64_t first_chunk,
                           uint64_t end_chunk, struct wfs_export_marker *ret, struct wfs_error *err)
{
    char line[LINE_MAX_BYTES];
    char *path wfs_cleanup(wfs_freep) = marker_path(partial, part, plan->n_parts);
    FILE *f wfs_cleanup(wfs_fclosep) = path ? fopen(path, "re") : NULL;
    if (!f)
        return wfs_error_set(err, errno, "%s: part %u: %s", partial, part, strerror(errno));
    if (!fgets(line, sizeof(line), f))
        return damaged(path, REMEDY_PART, err);
    int r = check_line(path, line, plan, REMEDY_PART, err);
    return r ? r : read_crcs(f, path, part, corrections, first_chunk, end_chunk, ret, err);
}

/* ---- all of them --------------------------------------------------------------------------- */

/* True for what stands after "PATH.partial.": the plan's, a marker's or a temporary's name. */
static bool is_ours(const char *rest)
{
    unsigned part, n_parts;
    int end = 0;
    if (strncmp(rest, "plan", 4) == 0)
        rest += 4;
    else if (sscanf(rest, "%u-of-%u%n", &part, &n_parts, &end) == 2 && end > 0)
        rest += end;
    else
        return false;
    return *rest == '\0' || (*rest == '.' && strlen(rest) == 7);
}

/* A checkpoint may have such a name too. A temporary may be empty still, and anything cut off. */
static bool is_written_by_us(int dir_fd, const char *name)
{
    char head[sizeof(LINE_MAGIC) - 1];
    int fd wfs_cleanup(wfs_closep) =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
    return n >= 0 && is_begin_of_line(head, (size_t)n);
}

typedef void (*beside_fn)(void *ctx, int dir_fd, const char *name, const char *rest);

/* Calls fn for each file of ours beside `partial`. */
static void each_beside(const char *partial, beside_fn fn, void *ctx)
{
    char *dir_copy wfs_cleanup(wfs_freep) = strdup(partial);
    char *base_copy wfs_cleanup(wfs_freep) = strdup(partial);
    DIR *dir = dir_copy && base_copy ? opendir(dirname(dir_copy)) : NULL;
    if (!dir)
        return;
    const char *base = basename(base_copy);
    size_t base_len = strlen(base);
    for (struct dirent *e; (e = readdir(dir));)
        if (strncmp(e->d_name, base, base_len) == 0 && e->d_name[base_len] == '.' &&
            is_ours(e->d_name + base_len + 1))
            fn(ctx, dirfd(dir), e->d_name, e->d_name + base_len + 1);
    closedir(dir);
}

static void see_marker(void *ctx, int dir_fd, const char *name, const char *rest)
{
    bool *any = ctx;
    if (!*any && strncmp(rest, "plan", 4) != 0 && !strchr(rest, '.'))
        *any = is_written_by_us(dir_fd, name);
}

bool wfs_export_any_marked(const char *partial)
{
    bool any = false;
    each_beside(partial, see_marker, &any);
    return any;
}

struct head_ctx {
    wfs_export_head_fn fn;
    void *ctx;
};

static void read_head(void *ctx_void, int dir_fd, const char *name, const char *rest)
{
    const struct head_ctx *ctx = ctx_void;
    char text[LINE_MAX_BYTES];
    struct line line;
    struct part_line part;
    if (strncmp(rest, "plan", 4) == 0 || strchr(rest, '.'))
        return;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *f wfs_cleanup(wfs_fclosep) = fd < 0 ? NULL : fdopen(fd, "r");
    if (!f && fd >= 0)
        close(fd);
    if (f && fgets(text, sizeof(text), f) && parse_line(text, &line) && scan_part_line(f, &part) &&
        part.first_chunk < part.end_chunk && part.end_chunk <= wfs_export_n_chunks(line.size_bytes))
        ctx->fn(ctx->ctx, part.first_chunk, line.size_bytes, part.marker.head);
}

void wfs_export_each_head(const char *partial, wfs_export_head_fn fn, void *ctx)
{
    struct head_ctx head = {fn, ctx};
    each_beside(partial, read_head, &head);
}

static void remove_file(void *ctx, int dir_fd, const char *name, const char *rest)
{
    (void)rest;
    if (is_written_by_us(dir_fd, name))
        *(unsigned *)ctx += unlinkat(dir_fd, name, 0) == 0;
}

unsigned wfs_export_unmark(const char *partial)
{
    char *plan wfs_cleanup(wfs_freep) = plan_path(partial);
    if (!plan)
        return 0;
    /* First: a part under way then leaves no marker. */
    unsigned n = is_written_by_us(AT_FDCWD, plan) && unlink(plan) == 0;
    each_beside(partial, remove_file, &n);
    return n;
}
