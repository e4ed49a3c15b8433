/*
 * notes.h - where the planner's findings go: entries of the view's report, and the error that ends
 * the work. A trial (what would this rule make of it?) has a sink of its own, so that nothing that
 * it finds is ever shown.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_NOTES_H
#define WEIGHTFS_MAPPING_ITEMS_NOTES_H

#include "mapping/mapping.h"

struct wfs_sink {
    struct wfs_arena *arena; /* the entries' texts live here; NULL: a trial's, which keeps none */
    struct wfs_report_entry *entries;
    size_t n_entries, cap_entries; /* malloc'd */
    bool failed;                   /* an entry could not be kept: out of memory */
    struct wfs_error *err;
};
void wfs_report(struct wfs_sink *sink, enum wfs_status status, const char *subject_path,
                const char *fmt, ...) WFS_PRINTF(4, 5);
/* For messages: the path joined by '.'. In the arena; "?" when out of memory, and the arena has failed. */
const char *wfs_dotted(struct wfs_arena *arena, const char *path);
/* What is left of a trial's result `r`: -ENOMEM, which is also set in the sink that counts. Whether
 * a rule applies must not depend on memory. */
int wfs_trial_result(struct wfs_sink *sink, int r);

#endif
