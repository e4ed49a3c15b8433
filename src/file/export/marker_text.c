/*
 * marker_text.c - what the small files beside PATH.partial say, written and read.
 *
 * They may come from another machine and another version, so reading believes nothing: a line that
 * is not to the letter what this plan would write is refused.
 */
#include "file/export/marker_text.h"

#include <inttypes.h>
#include <string.h>

#define LINE_MAGIC "weightfs-export 1 " /* every line of ours begins so */

bool wfs_export_is_begin_of_line(const char *text, size_t len)
{
    return memcmp(text, LINE_MAGIC, wfs_min_u64(len, strlen(LINE_MAGIC))) == 0;
}

void wfs_export_put_plan(struct wfs_buf *out, const struct wfs_export_plan *plan)
{
    char plan_hex[33], source_hex[33], state_hex[33];
    wfs_hash_hex(&plan->plan, plan_hex);
    wfs_hash_hex(&plan->source, source_hex);
    wfs_hash_hex(&plan->state, state_hex);
    wfs_buf_printf(out,
                   LINE_MAGIC "plan=%s source=%s state=%s size=%" PRIu64 " parts=%" PRIu32 "\n",
                   plan_hex, source_hex, state_hex, plan->size_bytes, plan->n_parts);
}

bool wfs_export_parse_plan(const char *text, struct wfs_export_plan_line *ret)
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
    wfs_export_put_plan(&line, plan);
    return wfs_hash_bytes(line.data, line.len);
}

int wfs_export_damaged(const char *path, const char *remedy, struct wfs_error *err)
{
    return wfs_error_set(err, EINVAL, "%s: a damaged marker; %s", path, remedy);
}

/* Says in what a line of another export differs, naming the first difference. */
static const char *difference(const struct wfs_export_plan_line *a,
                              const struct wfs_export_plan_line *b)
{
    if (strcmp(a->source, b->source) != 0)
        return "of another checkpoint or view";
    if (strcmp(a->plan, b->plan) != 0 || a->size_bytes != b->size_bytes)
        return "of another view, file or version of weightfs";
    if (strcmp(a->state, b->state) != 0)
        return "older than a change to the checkpoint: another inode, mtime or ctime of a file";
    return a->n_parts != b->n_parts ? "of another number of parts" : NULL;
}

int wfs_export_check_plan(const char *path, const char *text, const struct wfs_export_plan *plan,
                          const char *remedy, struct wfs_error *err)
{
    struct wfs_buf expected wfs_cleanup(wfs_buf_free) = {0};
    struct wfs_export_plan_line theirs, ours;
    wfs_export_put_plan(&expected, plan);
    if (!wfs_buf_ok(&expected))
        return wfs_error_nomem(err, "a marker");
    if (strcmp(text, expected.data) == 0)
        return 0;
    const char *what =
        wfs_export_parse_plan(text, &theirs) && wfs_export_parse_plan(expected.data, &ours)
            ? difference(&theirs, &ours)
            : NULL;
    if (!what && wfs_export_is_begin_of_line(text, strlen(text)))
        return wfs_export_damaged(path, remedy, err);
    if (!what)
        return wfs_error_set(err, EINVAL, "%s: no marker of weightfs", path);
    return wfs_error_set(err, EEXIST, "%s: it is %s; --abort removes it", path, what);
}

void wfs_export_put_part(struct wfs_buf *out, const struct wfs_export_part_line *line)
{
    wfs_buf_printf(
        out, "part=%" PRIu32 " chunks=%" PRIu64 "-%" PRIu64 " hash=%s head=%s crcs=%" PRIu64 "\n",
        line->part, line->first_chunk, line->end_chunk, line->marker.hash, line->marker.head,
        line->n_crcs);
}

bool wfs_export_scan_part(FILE *f, struct wfs_export_part_line *ret)
{
    return fscanf(f,
                  "part=%" SCNu32 " chunks=%" SCNu64 "-%" SCNu64
                  " hash=%32[0-9a-f] head=%32[0-9a-f] crcs=%" SCNu64,
                  &ret->part, &ret->first_chunk, &ret->end_chunk, ret->marker.hash,
                  ret->marker.head, &ret->n_crcs) == 6;
}
