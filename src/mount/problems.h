/*
 * problems.h - how many of a session's findings --strict refuses. Public to the stages above.
 */
#ifndef WEIGHTFS_MOUNT_PROBLEMS_H
#define WEIGHTFS_MOUNT_PROBLEMS_H

#include "tree/tree.h"

/* Problems of all mapped views, and the source's notes of danger and refusal, summed up. */
uint64_t wfs_session_n_problems(const struct wfs_session *session);
uint64_t wfs_catalog_n_problems(const struct wfs_catalog *catalog);
uint64_t wfs_plan_n_problems(const struct wfs_plan *plan);

#endif
