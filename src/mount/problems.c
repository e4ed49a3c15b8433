/*
 * problems.c - counts the findings that --strict refuses. Opening a session does not refuse by
 * itself: the report is made first, so that the reasons can be printed with the refusal.
 */
#include "mount/problems.h"

uint64_t wfs_plan_n_problems(const struct wfs_plan *plan)
{
    uint64_t n = 0;
    for (int status = 0; status < WFS_N_STATUSES; status++)
        if (wfs_status_is_problem((enum wfs_status)status))
            n += plan->n_by_status[status];
    return n;
}

uint64_t wfs_catalog_n_problems(const struct wfs_catalog *catalog)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < catalog->n_notes; i++) {
        enum wfs_note_kind kind = catalog->notes[i].kind;
        n += kind == WFS_NOTE_DANGER || kind == WFS_NOTE_REFUSED || kind == WFS_NOTE_LEFT_OUT;
    }
    return n;
}

uint64_t wfs_session_n_problems(const struct wfs_session *session)
{
    uint64_t n = wfs_catalog_n_problems(session->catalog);
    for (uint32_t i = 0; i < session->n_plans; i++)
        n += wfs_plan_n_problems(session->plans[i]);
    return n;
}
