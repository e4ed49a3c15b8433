/*
 * copy.h - the bytes of one virtual file, into a descriptor.
 */
#ifndef WEIGHTFS_CLI_COPY_H
#define WEIGHTFS_CLI_COPY_H

#include "tree/tree.h"

/* Every byte of the node, in order; -EINTR where signals are caught and one came. `name` is what is
 * written to, for messages; progress may be NULL. */
int wfs_copy_node(struct wfs_session *session, uint32_t node, int fd, const char *name,
                  struct wfs_progress *progress, struct wfs_error *err);

#endif
