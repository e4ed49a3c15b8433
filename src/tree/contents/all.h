/*
 * all.h - the whole tree of a session.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_ALL_H
#define WEIGHTFS_TREE_CONTENTS_ALL_H

#include "tree/nodes/layout.h"

/* From session->catalog and session->plans; sets session->tree and session->tree_report. */
int wfs_tree_build(struct wfs_session *session, struct wfs_error *err);

#endif
