/*
 * readahead.h - the kernel's read-ahead of one mount: the setting that matters most to the speed
 * of a cold read, and the one that FUSE cannot raise.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_READAHEAD_H
#define WEIGHTFS_MOUNT_SERVER_READAHEAD_H

#include "base/base.h"

/* Measured best; more reads backwards too far on page faults. */
#define WFS_READ_AHEAD_KB 4096u

/* Raises it and reads it back; where that is not permitted the log says how to. Call it after INIT
 * was answered, which sets it back. */
void wfs_readahead_raise(unsigned dev_major, unsigned dev_minor);

#endif
