/*
 * links.h - which symbolic links of a checkpoint are followed for other people.
 *
 * Who mounts for himself follows his links as the kernel lets him. A server that serves others, and
 * may read what they may not, would hand out whatever a link in the checkpoint points at. So it
 * follows a link only where that gives nobody anything:
 *
 *   - inside the checkpoint, and from the snapshots of a Hugging Face cache to the blobs of the same
 *     repository (models--ORG--NAME/snapshots/REVISION/NAME -> models--ORG--NAME/blobs/HASH);
 *   - where all links on the way and the target have one owner, who could have copied the file;
 *   - where everybody may read the target, along its whole path.
 */
#ifndef WEIGHTFS_SOURCE_ACCESS_LINKS_H
#define WEIGHTFS_SOURCE_ACCESS_LINKS_H

#include <sys/types.h>

#include "base/base.h"

/* The folder of a checkpoint. */
struct wfs_home {
    const char *path;  /* as it was named; what is looked at is below it */
    const char *real;  /* the same without links */
    const char *blobs; /* of the Hugging Face repository that it is a snapshot of, or NULL */
};
/* Strings lie in the arena. */
int wfs_home_open(struct wfs_arena *arena, const char *path, struct wfs_home *ret,
                  struct wfs_error *err);

struct wfs_link {
    bool leads_out;  /* a link on the way leads out of the checkpoint */
    bool is_refused; /* and is not followed for others */
    const char *why; /* where it is refused: "a link of user 1000 to /x of user 0, which ..." */
};
/* How `path`, which is the file or folder of this device and inode, is reached from home. -ESTALE
 * where it leads to another one by now. */
int wfs_link_look(struct wfs_arena *arena, const struct wfs_home *home, const char *path,
                  uint64_t dev, uint64_t ino, struct wfs_link *ret, struct wfs_error *err);

#endif
