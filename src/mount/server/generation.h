/*
 * generation.h - what tells the inodes of this mount from those of another one.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_GENERATION_H
#define WEIGHTFS_MOUNT_SERVER_GENERATION_H

#include "tree/tree.h"

/* 32 bits, never 0, of a hash of all that decides what the files are called and which bytes they
 * have: the sources' identity, the side files', the views with their tensors, the options and the
 * tree's names. An NFS client's handle is an inode number with this number: one that was given out
 * by a mount of something else is ESTALE. */
uint32_t wfs_generation(const struct wfs_session *session);

#endif
