/*
 * parts.c - an export shared by N processes that do not talk to one another.
 *
 * Part I of N is a run of whole chunks, so parts never write the same byte. Order on disk: the
 * declaration (PATH.partial.plan) before PATH.partial, a part's bytes fsynced before its marker,
 * all markers before the rename. So a part that was killed is simply run again. --finish reads all
 * bytes back and compares their hashes with the markers'. Corrections are zeros until then; it
 * combines them from the CRCs of what it read. Parts hold a shared lock on PATH.partial, --finish
 * an exclusive one from its checks to the removal of the markers: nobody writes to what is PATH
 * already.
 */
#include "file/export/parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/export/beside.h"
#include "file/export/layout.h"
#include "file/export/marker.h"
#include "file/export/partial.h"
#include "file/export/stamp.h"

#define MISSING_SHOWN 8

static struct wfs_export_plan plan_of(const struct wfs_vfile *file,
                                      const struct wfs_export_options *options, uint32_t n_parts)
{
    return (struct wfs_export_plan){.plan = wfs_export_plan_hash(file),
                                    .source = options->source_id,
                                    .state = options->state_id,
                                    .size_bytes = file->size_bytes,
                                    .n_parts = n_parts};
}

/* The chunks of one part. */
static void part_chunks(const struct wfs_vfile *file, uint32_t part, uint32_t n_parts,
                        uint64_t *ret_first, uint64_t *ret_end)
{
    uint64_t n = wfs_export_n_chunks(file->size_bytes); /* < 2^40, and n_parts <= 2^16 */
    *ret_first = n * (part - 1) / n_parts;
    *ret_end = n * part / n_parts;
}

/* The file is made whole at once: a hole as long as it will be, and the stamp, which reaches the
 * disk before the first marker. So an empty file beside a marker is not the one the marker speaks
 * of: that one is lost. was_marked: before the file was opened, since another machine may mark its
 * part while this one still remembers the file as empty. */
static int begin_partial(int fd, const char *partial, const struct wfs_export_plan *plan,
                         bool was_marked, struct wfs_error *err)
{
    struct wfs_hash id = wfs_export_plan_id(plan);
    uint64_t size_bytes, wanted = wfs_export_stamped_bytes(plan->size_bytes);
    enum wfs_export_kind kind;
    int r = wfs_export_stamp_kind(fd, partial, &id, &kind, &size_bytes, err);
    if (r)
        return r;
    bool is_new = kind == WFS_EXPORT_EMPTY || (kind == WFS_EXPORT_BLANK && size_bytes == wanted);
    if (is_new && was_marked)
        return wfs_error_set(err, EEXIST,
                             "%s: what other parts wrote to it is lost; --abort the export, and "
                             "run all parts again",
                             partial);
    if (is_new)
        return wfs_export_stamp(fd, partial, plan->size_bytes, &id, err);
    if (kind == WFS_EXPORT_STAMPED && size_bytes == wanted)
        return 0;
    return wfs_error_set(err, EEXIST,
                         "%s: it is not the file that the parts are written to; --abort the export",
                         partial);
}

/* An --abort may have taken the file or the declaration away since; then the part must not leave a
 * marker. */
static int check_still_there(int fd, const char *partial, struct wfs_error *err)
{
    if (wfs_export_is_at(fd, partial) && wfs_export_is_declared(partial))
        return 0;
    return wfs_error_set(err, ENOENT, "%s: it was taken away under this export", partial);
}

static int write_part(const struct wfs_export_run *run, const struct wfs_export_plan *plan,
                      bool was_marked, struct wfs_error *err)
{
    struct wfs_export_marker marker;
    int r = begin_partial(run->fd, run->path, plan, was_marked, err);
    if (r == 0)
        r = wfs_export_chunks(run, &marker, err);
    if (r == 0 && fsync(run->fd) != 0)
        r = wfs_error_set(err, errno, "%s: %s", run->path, strerror(errno));
    if (r == 0)
        r = check_still_there(run->fd, run->path, err);
    if (r)
        return r;
    return wfs_export_mark(run->path, plan, run->options->part, &marker, run->corrections,
                           run->first_chunk, run->end_chunk, err);
}

/* Refuses a PATH.partial without a declaration. The file is looked for before the declaration,
 * since another part that is just beginning makes the declaration before the file. */
static int check_nothing_older(const char *partial, struct wfs_error *err)
{
    if (access(partial, F_OK) == 0 && !wfs_export_is_declared(partial))
        return wfs_error_set(err, EEXIST,
                             "%s: left by an export that was not in parts, or by something else; "
                             "--abort it, or remove it yourself where that leaves it",
                             partial);
    return 0;
}

static int check_part(const struct wfs_export_options *options, struct wfs_error *err)
{
    if (options->n_parts > WFS_EXPORT_MAX_PARTS || options->part < 1 ||
        options->part > options->n_parts)
        return wfs_error_set(err, EINVAL, "part %u of %u: parts are 1 to N, N at most %d",
                             options->part, options->n_parts, WFS_EXPORT_MAX_PARTS);
    return 0;
}

int wfs_export_part(const struct wfs_vfile *file, struct wfs_cache *cache,
                    const struct wfs_export_options *options, struct wfs_error *err)
{
    struct wfs_export_plan plan = plan_of(file, options, options->n_parts);
    char *partial wfs_cleanup(wfs_freep) = wfs_export_partial_path(options->path);
    int fd wfs_cleanup(wfs_closep) = -1;
    if (!partial)
        return wfs_error_nomem(err, "a file's name");
    int r = check_part(options, err);
    if (r == 0)
        r = check_nothing_older(partial, err);
    if (r == 0)
        r = wfs_export_declare(partial, &plan, err);
    if (r)
        return r;
    if (wfs_export_is_marked(partial, options->part, options->n_parts))
        return 0;
    struct wfs_corrections corrections = {0};
    bool was_marked = wfs_export_any_marked(partial);
    r = wfs_corrections_new(file, &corrections, err);
    if (r == 0)
        r = wfs_export_open(partial, O_CREAT, options->mode, &fd, err);
    if (r == 0)
        r = wfs_export_lock(fd, LOCK_SH, partial, err);
    if (r == 0) {
        struct wfs_export_run run = {.file = file,
                                     .cache = cache,
                                     .options = options,
                                     .corrections = &corrections,
                                     .fd = fd,
                                     .path = partial};
        part_chunks(file, options->part, options->n_parts, &run.first_chunk, &run.end_chunk);
        r = write_part(&run, &plan, was_marked, err);
    }
    wfs_corrections_free(&corrections);
    return r;
}

/* ---- finish -------------------------------------------------------------------------------- */

static int check_all_marked(const char *partial, uint32_t n_parts, struct wfs_error *err)
{
    struct wfs_buf missing wfs_cleanup(wfs_buf_free) = {0};
    uint32_t n_missing = 0;
    for (uint32_t part = 1; part <= n_parts; part++) {
        if (wfs_export_is_marked(partial, part, n_parts))
            continue;
        if (n_missing++ < MISSING_SHOWN)
            wfs_buf_printf(&missing, " %u", part);
    }
    if (n_missing == 0)
        return 0;
    return wfs_error_set(err, ENOENT, "%s: %u of %u parts are missing:%s%s", partial, n_missing,
                         n_parts, wfs_buf_ok(&missing) ? missing.data : "",
                         n_missing > MISSING_SHOWN ? " ..." : "");
}

static int read_markers(const struct wfs_vfile *file, const char *partial,
                        const struct wfs_export_plan *plan, struct wfs_corrections *corrections,
                        struct wfs_export_marker *ret, struct wfs_error *err)
{
    int r = 0;
    for (uint32_t part = 1; part <= plan->n_parts && r == 0; part++) {
        uint64_t first, end;
        part_chunks(file, part, plan->n_parts, &first, &end);
        r = wfs_export_read_marker(partial, plan, part, corrections, first, end, &ret[part - 1],
                                   err);
    }
    return r;
}

static int compare(const struct wfs_export_run *run, const struct wfs_export_plan *plan,
                   const struct wfs_export_marker *markers, const struct wfs_hash *hashes,
                   struct wfs_error *err)
{
    for (uint32_t part = 1; part <= plan->n_parts; part++) {
        uint64_t first, end;
        char hex[33];
        part_chunks(run->file, part, plan->n_parts, &first, &end);
        struct wfs_hash hash = wfs_export_join(hashes + first, end - first);
        wfs_hash_hex(&hash, hex);
        if (strcmp(hex, markers[part - 1].hash) != 0)
            return wfs_error_set(err, EEXIST,
                                 "%s: the bytes of part %u of %u are not those that it wrote; "
                                 "--abort the export, and run all parts again",
                                 run->path, part, plan->n_parts);
    }
    return 0;
}

/* Compares every byte of the file with the hashes that the parts left, before any byte is written.
 */
static int verify(const struct wfs_export_run *run, const struct wfs_export_plan *plan,
                  struct wfs_error *err)
{
    struct wfs_export_marker *markers wfs_cleanup(wfs_freep) =
        calloc(plan->n_parts, sizeof(*markers));
    struct wfs_hash *hashes wfs_cleanup(wfs_freep) =
        calloc((size_t)run->end_chunk + 1, sizeof(*hashes));
    if (!markers || !hashes)
        return wfs_error_nomem(err, "the hashes of an export");
    int r = read_markers(run->file, run->path, plan, run->corrections, markers, err);
    if (r == 0)
        r = wfs_export_read_back(run, hashes, err);
    return r ? r : compare(run, plan, markers, hashes, err);
}

static int open_complete(const char *partial, const struct wfs_export_plan *plan, int *ret_fd,
                         struct wfs_error *err)
{
    struct wfs_hash id = wfs_export_plan_id(plan);
    enum wfs_export_kind kind = WFS_EXPORT_FOREIGN;
    uint64_t size_bytes = 0;
    if (access(partial, F_OK) != 0)
        return wfs_error_set(err, ENOENT,
                             "%s: it is not there: another --finish has just published it, or it "
                             "is lost; --abort removes the markers",
                             partial);
    int r = wfs_export_open(partial, 0, 0, ret_fd, err);
    if (r == 0)
        r = wfs_export_lock(*ret_fd, LOCK_EX, partial, err);
    if (r == 0)
        r = wfs_export_stamp_kind(*ret_fd, partial, &id, &kind, &size_bytes, err);
    /* A file without its stamp was left by a --finish that was killed just before the rename. It is
     * accepted by its length here, and its bytes are compared afterwards. */
    bool is_whole = kind == WFS_EXPORT_STAMPED
                        ? size_bytes == wfs_export_stamped_bytes(plan->size_bytes)
                        : size_bytes == plan->size_bytes;
    if (r == 0 && !is_whole)
        r = wfs_error_set(err, EEXIST,
                          "%s: it is not the file that the parts were written to; --abort the "
                          "export",
                          partial);
    return r;
}

static int publish_complete(int fd, const char *partial, const struct wfs_export_plan *plan,
                            const char *path, struct wfs_error *err)
{
    struct wfs_hash id = wfs_export_plan_id(plan);
    int r = check_still_there(fd, partial, err);
    if (r == 0)
        r = wfs_export_publish(fd, partial, path, plan->size_bytes, &id, err);
    if (r == 0)
        wfs_export_unmark(partial);
    return r;
}

/* Everything that --finish does once it knows the declaration. What was looked at before the lock
 * is looked at again. */
static int finish_declared(const struct wfs_vfile *file, const char *partial,
                           const struct wfs_export_plan *plan, struct wfs_corrections *corrections,
                           const struct wfs_export_options *options, struct wfs_error *err)
{
    int fd wfs_cleanup(wfs_closep) = -1; /* the lock goes with it */
    struct wfs_export_run run = {.file = file,
                                 .options = options,
                                 .corrections = corrections,
                                 .path = partial,
                                 .end_chunk = wfs_export_n_chunks(file->size_bytes)};
    int r = check_all_marked(partial, plan->n_parts, err);
    if (r == 0)
        r = open_complete(partial, plan, &fd, err);
    if (r == 0)
        r = wfs_export_check_declared(partial, plan, err);
    run.fd = fd;
    if (r == 0)
        r = verify(&run, plan, err);
    if (r == 0)
        r = wfs_corrections_write(corrections, fd, partial, err);
    return r ? r : publish_complete(fd, partial, plan, options->path, err);
}

int wfs_export_finish(const struct wfs_vfile *file, const struct wfs_export_options *options,
                      struct wfs_error *err)
{
    struct wfs_corrections corrections = {0};
    char *partial wfs_cleanup(wfs_freep) = wfs_export_partial_path(options->path);
    uint32_t n_parts;
    if (!partial)
        return wfs_error_nomem(err, "a file's name");
    int r = wfs_export_check_replaceable(options->path, err);
    if (r == 0)
        r = wfs_export_declared_parts(partial, &n_parts, err);
    if (r)
        return r;
    struct wfs_export_plan plan = plan_of(file, options, n_parts);
    r = wfs_export_check_declared(partial, &plan, err);
    if (r == 0)
        r = wfs_corrections_new(file, &corrections, err);
    if (r == 0)
        r = finish_declared(file, partial, &plan, &corrections, options, err);
    wfs_corrections_free(&corrections);
    return r;
}
