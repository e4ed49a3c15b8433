/*
 * marker_text.h - the lines of the small files beside PATH.partial.
 *
 *   the plan's    "weightfs-export 1 plan=... source=... state=... size=... parts=N": what all
 *                 parts of one export agree on
 *   a part's      "part=3 chunks=12-18 hash=... head=... crcs=N"; N lines of a CRC follow
 */
#ifndef WEIGHTFS_FILE_EXPORT_MARKER_TEXT_H
#define WEIGHTFS_FILE_EXPORT_MARKER_TEXT_H

#include <stdio.h>

#include "file/export/chunks.h"

#define WFS_EXPORT_LINE_BYTES 256 /* room for any line and its NUL */

/* What all parts of one export agree on. */
struct wfs_export_plan {
    struct wfs_hash plan, source, state;
    uint64_t size_bytes;
    uint32_t n_parts;
};
/* The id that the stamp holds. */
struct wfs_hash wfs_export_plan_id(const struct wfs_export_plan *plan);

/* ---- the plan's line ----------------------------------------------------------------------- */

/* A line taken apart; hashes in hex. */
struct wfs_export_plan_line {
    char plan[33], source[33], state[33];
    uint64_t size_bytes;
    uint32_t n_parts;
};
void wfs_export_put_plan(struct wfs_buf *out, const struct wfs_export_plan *plan);
/* False where the text is not one whole line. */
bool wfs_export_parse_plan(const char *text, struct wfs_export_plan_line *ret);
/* Is the line `text` of the file `path` the plan's? -EINVAL where it is no whole line, -EEXIST
 * where it is of another plan. `remedy` says what to do about a damaged one. */
int wfs_export_check_plan(const char *path, const char *text, const struct wfs_export_plan *plan,
                          const char *remedy, struct wfs_error *err);
/* True where text[0..len) agrees with how every line of ours begins, as far as it goes: a file may
 * have been cut off. */
bool wfs_export_is_begin_of_line(const char *text, size_t len);
/* -EINVAL: the marker `path` is damaged. */
int wfs_export_damaged(const char *path, const char *remedy, struct wfs_error *err);

/* ---- a part's line ------------------------------------------------------------------------- */

struct wfs_export_part_line {
    uint32_t part;
    uint64_t first_chunk, end_chunk, n_crcs;
    struct wfs_export_marker marker;
};
void wfs_export_put_part(struct wfs_buf *out, const struct wfs_export_part_line *line);
/* Takes the next line apart; false where it is no line of a marker. */
bool wfs_export_scan_part(FILE *f, struct wfs_export_part_line *ret);

#endif
