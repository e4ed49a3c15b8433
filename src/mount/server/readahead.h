/*
 * readahead.h - the kernel's read-ahead of one mount: the setting that matters most to the speed
 * of a cold read, and the one that FUSE cannot raise.
 */
#ifndef WEIGHTFS_MOUNT_SERVER_READAHEAD_H
#define WEIGHTFS_MOUNT_SERVER_READAHEAD_H

#include "base/base.h"

/* The fastest value measured. With more, a page fault in the middle of a mapped file reads too much
 * of what lies before it. */
#define WFS_READ_AHEAD_KB 4096u

/* Raises it and reads it back; where that is not permitted, the log says how root does it. To be
 * called after INIT was answered, since that sets it to 128 KiB. */
void wfs_readahead_raise(unsigned dev_major, unsigned dev_minor);

#endif
