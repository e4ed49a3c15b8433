/*
 * copy.h - the bytes of one virtual file, into a descriptor.
 */
#ifndef WEIGHTFS_CLI_COPY_H
#define WEIGHTFS_CLI_COPY_H

#include "tree/tree.h"

/* Writes all bytes of the node to fd, in order. -EINTR after a signal that is caught (signals.h).
 * `name` stands for fd in messages; progress may be NULL. */
int wfs_copy_node(struct wfs_session *session, uint32_t node, int fd, const char *name,
                  struct wfs_progress *progress, struct wfs_error *err);

#endif
