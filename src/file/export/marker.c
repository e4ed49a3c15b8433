/*
 * marker.c - the declaration of an export and its parts' markers.
 *
 *   PATH.partial.plan       the plan's line
 *   PATH.partial.3-of-8     the plan's line, the part's line, and its CRCs (marker_text.h)
 *
 * Each is written whole under another name, fsynced and put into place, so none is ever half.
 */
#include "file/export/marker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/export/partial.h"

#define REMEDY_PLAN "--abort the export"
#define REMEDY_PART "remove it, and run this part again"

char *wfs_export_plan_path(const char *partial)
{
    char *path = NULL;
    return asprintf(&path, "%s.plan", partial) < 0 ? NULL : path;
}

static char *marker_path(const char *partial, uint32_t part, uint32_t n_parts)
{
    char *path = NULL;
    return asprintf(&path, "%s.%u-of-%u", partial, part, n_parts) < 0 ? NULL : path;
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

static int read_first_line(const char *path, char line[WFS_EXPORT_LINE_BYTES],
                           struct wfs_error *err)
{
    FILE *f wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    if (!f)
        return wfs_error_set(err, errno, "%s: %s", path, strerror(errno));
    if (!fgets(line, WFS_EXPORT_LINE_BYTES, f))
        return wfs_export_damaged(path, REMEDY_PLAN, err);
    return 0;
}

/* Puts the declaration into place, unless there is one already. link(2) never replaces a file. A
 * file system without hard links gets a rename, which does replace: by the same line, unless two
 * different exports began at the same moment. */
static int declare_new(const char *path, const struct wfs_export_plan *plan, struct wfs_error *err)
{
    struct wfs_buf text wfs_cleanup(wfs_buf_free) = {0};
    char *temporary wfs_cleanup(wfs_freep) = NULL;
    wfs_export_put_plan(&text, plan);
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
    char *path wfs_cleanup(wfs_freep) = wfs_export_plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    int r = access(path, F_OK) == 0 ? 0 : declare_new(path, plan, err);
    return r ? r : wfs_export_check_declared(partial, plan, err);
}

int wfs_export_check_declared(const char *partial, const struct wfs_export_plan *plan,
                              struct wfs_error *err)
{
    char line[WFS_EXPORT_LINE_BYTES];
    char *path wfs_cleanup(wfs_freep) = wfs_export_plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    int r = read_first_line(path, line, err);
    return r ? r : wfs_export_check_plan(path, line, plan, REMEDY_PLAN, err);
}

bool wfs_export_is_declared(const char *partial)
{
    char *path wfs_cleanup(wfs_freep) = wfs_export_plan_path(partial);
    return path && access(path, F_OK) == 0;
}

int wfs_export_declared_parts(const char *partial, uint32_t *ret_n, struct wfs_error *err)
{
    char text[WFS_EXPORT_LINE_BYTES];
    struct wfs_export_plan_line line;
    char *path wfs_cleanup(wfs_freep) = wfs_export_plan_path(partial);
    if (!path)
        return wfs_error_nomem(err, "a file's name");
    if (access(path, F_OK) != 0)
        return wfs_error_set(err, ENOENT, "%s: no export in parts is under way", partial);
    int r = read_first_line(path, text, err);
    if (r)
        return r;
    if (!wfs_export_parse_plan(text, &line) || line.n_parts < 1 ||
        line.n_parts > WFS_EXPORT_MAX_PARTS)
        return wfs_export_damaged(path, REMEDY_PLAN, err);
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
    wfs_export_put_plan(&text, plan);
    struct wfs_export_part_line line = {.part = part,
                                        .first_chunk = first_chunk,
                                        .end_chunk = end_chunk,
                                        .n_crcs = n_crcs(corrections, first_chunk, end_chunk),
                                        .marker = *marker};
    wfs_export_put_part(&text, &line);
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

static int read_crcs(FILE *f, const char *path, uint32_t part, struct wfs_corrections *c,
                     uint64_t first_chunk, uint64_t end_chunk, struct wfs_export_marker *ret,
                     struct wfs_error *err)
{
    struct wfs_export_part_line line;
    if (!wfs_export_scan_part(f, &line) || line.part != part || line.first_chunk != first_chunk ||
        line.end_chunk != end_chunk || line.n_crcs != n_crcs(c, first_chunk, end_chunk) ||
        wfs_corrections_each(c, first_chunk, end_chunk, scan_crc, f))
        return wfs_export_damaged(path, REMEDY_PART, err);
    *ret = line.marker;
    return 0;
}

int wfs_export_read_marker(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                           struct wfs_corrections *corrections, uint64_t first_chunk,
                           uint64_t end_chunk, struct wfs_export_marker *ret, struct wfs_error *err)
{
    char line[WFS_EXPORT_LINE_BYTES];
    char *path wfs_cleanup(wfs_freep) = marker_path(partial, part, plan->n_parts);
    FILE *f wfs_cleanup(wfs_fclosep) = path ? fopen(path, "re") : NULL;
    if (!f)
        return wfs_error_set(err, errno, "%s: part %u: %s", partial, part, strerror(errno));
    if (!fgets(line, sizeof(line), f))
        return wfs_export_damaged(path, REMEDY_PART, err);
    int r = wfs_export_check_plan(path, line, plan, REMEDY_PART, err);
    return r ? r : read_crcs(f, path, part, corrections, first_chunk, end_chunk, ret, err);
}
