/*
 * marker.h - the declaration and the markers beside PATH.partial.
 */
#ifndef WEIGHTFS_FILE_EXPORT_MARKER_H
#define WEIGHTFS_FILE_EXPORT_MARKER_H

#include "file/export/marker_text.h"

/* PATH.partial.plan; caller frees. NULL: no memory. */
char *wfs_export_plan_path(const char *partial);
/* Declares the plan for `partial`, or finds it declared. -EEXIST where another one is. */
int wfs_export_declare(const char *partial, const struct wfs_export_plan *plan,
                       struct wfs_error *err);
/* Does the same, but declares nothing: -ENOENT where nothing is declared. */
int wfs_export_check_declared(const char *partial, const struct wfs_export_plan *plan,
                              struct wfs_error *err);
bool wfs_export_is_declared(const char *partial);
/* How many parts were declared; -ENOENT where nothing was. */
int wfs_export_declared_parts(const char *partial, uint32_t *ret_n, struct wfs_error *err);
/* A part's marker, fsynced and renamed into place: its hashes and its segments' CRCs. */
int wfs_export_mark(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                    const struct wfs_export_marker *marker, struct wfs_corrections *corrections,
                    uint64_t first_chunk, uint64_t end_chunk, struct wfs_error *err);
bool wfs_export_is_marked(const char *partial, uint32_t part, uint32_t n_parts);
/* Reads a marker back. -EINVAL where it is damaged, -EEXIST where it is of another plan. */
int wfs_export_read_marker(const char *partial, const struct wfs_export_plan *plan, uint32_t part,
                           struct wfs_corrections *corrections, uint64_t first_chunk,
                           uint64_t end_chunk, struct wfs_export_marker *ret,
                           struct wfs_error *err);

#endif
