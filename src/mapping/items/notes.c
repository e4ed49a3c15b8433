/*
 * notes.c - what the planner says: report entries, and names in messages.
 */
#include "mapping/items/notes.h"

#include <stdarg.h>

const char *wfs_status_name(enum wfs_status status)
{
    static const char *const names[WFS_N_STATUSES] = {
        [WFS_MAPPED] = "mapped",
        [WFS_FILLED] = "filled",
        [WFS_ALIASED] = "aliased",
        [WFS_UNEXPECTED] = "unexpected",
        [WFS_PACKED] = "packed",
        [WFS_DROPPED] = "dropped",
        [WFS_MISSING] = "missing",
        [WFS_SHAPE_MISMATCH] = "shape-mismatch",
        [WFS_DTYPE_CHANGED] = "dtype-changed",
        [WFS_AMBIGUOUS] = "ambiguous",
        [WFS_COLLISION] = "collision",
        [WFS_INEXACT] = "inexact",
        [WFS_NARROWED] = "narrowed",
        [WFS_RENAMED] = "renamed",
        [WFS_NOTE] = "note",
    };
    return (unsigned)status < WFS_N_STATUSES ? names[status] : "?";
}

bool wfs_status_is_problem(enum wfs_status status)
{
    return status == WFS_UNEXPECTED || status == WFS_PACKED || status == WFS_MISSING ||
           status == WFS_SHAPE_MISMATCH || status == WFS_AMBIGUOUS || status == WFS_COLLISION ||
           status == WFS_NARROWED;
}

const char *wfs_dotted(struct wfs_arena *arena, const char *path)
{
    char *dotted = wfs_path_join_dup(arena, path, '.');
    if (!dotted)
        wfs_arena_fail(arena);
    return dotted ? dotted : "?";
}

void wfs_report(struct wfs_sink *sink, enum wfs_status status, const char *subject_path,
                const char *fmt, ...)
{
    va_list ap;
    wfs_cleanup(wfs_buf_free) struct wfs_buf text = {0};
    if (!sink->arena)
        return;
    va_start(ap, fmt);
    wfs_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct wfs_report_entry entry = {
        .status = status,
        .subject = wfs_dotted(sink->arena, subject_path),
        .text = wfs_buf_ok(&text) && text.data ? wfs_arena_strndup(sink->arena, text.data, text.len)
                                               : NULL};
    if (!entry.text ||
        wfs_grow(&sink->entries, &sink->cap_entries, sink->n_entries + 1, sizeof(entry))) {
        sink->failed = true;
        return;
    }
    sink->entries[sink->n_entries++] = entry;
}

int wfs_trial_result(struct wfs_sink *sink, int r)
{
    return r == -ENOMEM ? wfs_error_set(sink->err, ENOMEM, "out of memory") : 0;
}
