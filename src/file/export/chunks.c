/*
 * chunks.c - fills a file chunk by chunk, or reads it back, with several threads.
 *
 * Each worker takes the next chunk, has its bytes computed into a buffer of its own (corrections as
 * zeros: they are written last), takes their hash and CRCs, and writes what is not zeros. Writeback
 * is started at once, so that the fsync at the end finds little to do. What is read back is hashed
 * the same way. The first failure stops everyone.
 */
#include "file/export/chunks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/vfile.h"

/* A run of zeros at least this long, at a multiple of it, becomes a hole. */
#define HOLE_BYTES   65536u
#define BUFFER_ALIGN 4096
#define THREADS_MIN  2
#define THREADS_MAX  8

struct job {
    const struct wfs_export_run *run;
    struct wfs_progress *progress;
    bool reads_back;
    struct wfs_hash *hashes;   /* a hash for each chunk, the first one being that of first_chunk */
    atomic_uint_fast64_t next; /* counts from first_chunk */
};

/* ---- one chunk ----------------------------------------------------------------------------- */

struct fill_ctx {
    const struct wfs_export_run *run;
    uint8_t *buf;
};

static int fill_span(const struct wfs_vfile_span *span, void *ctx_void, struct wfs_error *err)
{
    struct fill_ctx *ctx = ctx_void;
    int r = 0;
    if (span->part->kind == WFS_PART_COMPUTED)
        memset(ctx->buf, 0, (size_t)span->len);
    else
        r = wfs_vfile_read_span(ctx->run->file, ctx->run->cache, span, ctx->buf, NULL, err);
    ctx->buf += span->len;
    return r;
}

static bool is_zeros(const uint8_t *buf, size_t len)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

static int write_run(const struct wfs_export_run *run, const uint8_t *buf, size_t len, uint64_t off,
                     struct wfs_error *err)
{
    while (len > 0) {
        ssize_t n = pwrite(run->fd, buf, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return wfs_error_set(err, n < 0 ? errno : EIO, "%s: cannot write byte %llu: %s",
                                 run->path, (unsigned long long)off, strerror(n < 0 ? errno : EIO));
        buf += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Writes the chunk but for its runs of zeros: the file has holes there, which read as zeros. */
static int write_chunk(const struct wfs_export_run *run, const uint8_t *buf, size_t len,
                       uint64_t off, struct wfs_error *err)
{
    size_t start = 0; /* where the bytes begin that are not written yet */
    for (size_t at = 0; at < len;) {
        size_t n = (size_t)wfs_min_u64(HOLE_BYTES, len - at);
        if (is_zeros(buf + at, n)) {
            int r = write_run(run, buf + start, at - start, off + start, err);
            if (r)
                return r;
            start = at + n;
        }
        at += n;
    }
    int r = write_run(run, buf + start, len - start, off + start, err);
    if (r == 0) /* a hint: where it is not supported fsync does all of it */
        (void)sync_file_range(run->fd, (off_t)off, (off_t)len, SYNC_FILE_RANGE_WRITE);
    return r;
}

/* Reads a chunk of the file back. A --finish that was interrupted may have written some corrections
 * already; the hashes are of zeros in their place. */
static int read_chunk(const struct wfs_export_run *run, uint64_t chunk, uint8_t *buf, size_t len,
                      struct wfs_error *err)
{
    uint64_t off = chunk * WFS_EXPORT_CHUNK_BYTES;
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(run->fd, buf + at, len - at, (off_t)(off + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return wfs_error_set(err, n < 0 ? errno : EIO, "%s: cannot read byte %llu: %s",
                                 run->path, (unsigned long long)(off + at),
                                 n < 0 ? strerror(errno) : "it ends there");
        at += (size_t)n;
    }
    wfs_corrections_blank(run->corrections, chunk, buf, len);
    return 0;
}

static int do_chunk(struct job *job, uint64_t chunk, uint8_t *buf, struct wfs_error *err)
{
    const struct wfs_export_run *run = job->run;
    uint64_t off = chunk * WFS_EXPORT_CHUNK_BYTES;
    size_t len = (size_t)wfs_min_u64(WFS_EXPORT_CHUNK_BYTES, run->file->size_bytes - off);
    struct fill_ctx ctx = {.run = run, .buf = buf};
    int r = job->reads_back ? read_chunk(run, chunk, buf, len, err)
                            : wfs_vfile_walk(run->file, off, len, fill_span, &ctx, err);
    if (r)
        return r;
    wfs_corrections_take(run->corrections, chunk, buf, len);
    job->hashes[chunk - run->first_chunk] = wfs_hash_bytes(buf, len);
    if (!job->reads_back)
        r = write_chunk(run, buf, len, off, err);
    wfs_progress_add(job->progress, len);
    return r;
}

/* ---- workers ------------------------------------------------------------------------------- */

static bool interrupted(const struct job *job)
{
    const atomic_bool *flag = job->run->options->interrupt;
    return flag && atomic_load(flag);
}

static int next_chunk(struct job *job, uint8_t *buf, bool *ret_done, struct wfs_error *err)
{
    uint64_t chunk = job->run->first_chunk + atomic_fetch_add(&job->next, 1);
    *ret_done = chunk >= job->run->end_chunk;
    if (*ret_done)
        return 0;
    if (interrupted(job))
        return wfs_error_set(err, EINTR, "%s: interrupted", job->run->path);
    return do_chunk(job, chunk, buf, err);
}

/* The work of one thread: it has a buffer, and takes chunks as long as there are any. */
static int work(void *job_void, uint64_t worker, struct wfs_error *err)
{
    struct job *job = job_void;
    uint64_t n_overflowed = wfs_convert_n_overflowed();
    bool done = false;
    int r = 0;
    uint8_t *buf wfs_cleanup(wfs_freep) =
        aligned_alloc(BUFFER_ALIGN, (size_t)WFS_EXPORT_CHUNK_BYTES);
    (void)worker;
    if (!buf)
        r = wfs_error_nomem(err, "an export's buffer");
    while (!r && !done)
        r = next_chunk(job, buf, &done, err);
    if (r) /* the other workers find no chunk left and end */
        atomic_store(&job->next, job->run->end_chunk - job->run->first_chunk);
    if (job->run->options->n_overflowed)
        atomic_fetch_add(job->run->options->n_overflowed,
                         wfs_convert_n_overflowed() - n_overflowed);
    return r;
}

static unsigned thread_count(const struct wfs_export_run *run)
{
    long n =
        run->options->n_threads ? (long)run->options->n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    n = n < THREADS_MIN && !run->options->n_threads ? THREADS_MIN : n;
    n = n > THREADS_MAX ? THREADS_MAX : n < 1 ? 1 : n;
    return (unsigned)wfs_min_u64((uint64_t)n, run->end_chunk - run->first_chunk);
}

static int run_job(struct job *job, const char *label, struct wfs_error *err)
{
    const struct wfs_export_run *run = job->run;
    unsigned n_workers = thread_count(run);
    if (run->options->progress && run->end_chunk > run->first_chunk) {
        uint64_t end = wfs_min_u64(run->end_chunk * WFS_EXPORT_CHUNK_BYTES, run->file->size_bytes);
        job->progress = wfs_progress_new(label, end - run->first_chunk * WFS_EXPORT_CHUNK_BYTES);
    }
    int r = wfs_parallel_run(n_workers, n_workers, work, job, err);
    wfs_progress_free(job->progress);
    return r;
}

struct wfs_hash wfs_export_join(const struct wfs_hash *hashes, uint64_t n_chunks)
{
    return wfs_hash_bytes(hashes, (size_t)n_chunks * sizeof(*hashes));
}

int wfs_export_chunks(const struct wfs_export_run *run, struct wfs_export_marker *ret,
                      struct wfs_error *err)
{
    uint64_t n_chunks = run->end_chunk - run->first_chunk;
    struct wfs_hash *hashes wfs_cleanup(wfs_freep) = calloc((size_t)n_chunks + 1, sizeof(*hashes));
    if (!hashes)
        return wfs_error_nomem(err, "the hashes of an export");
    struct job job = {.run = run, .hashes = hashes};
    int r = run_job(&job, "export", err);
    if (r)
        return r;
    struct wfs_hash all = wfs_export_join(hashes, n_chunks);
    wfs_hash_hex(&all, ret->hash);
    wfs_hash_hex(&hashes[0], ret->head); /* A part without chunks has a hash of zeros. */
    return 0;
}

int wfs_export_read_back(const struct wfs_export_run *run, struct wfs_hash *ret_hashes,
                         struct wfs_error *err)
{
    struct job job = {.run = run, .reads_back = true, .hashes = ret_hashes};
    return run_job(&job, "verify", err);
}
