/*
 * weight_names.h - what a file's name says of what it holds.
 */
#ifndef WEIGHTFS_SOURCE_FOLDER_WEIGHT_NAMES_H
#define WEIGHTFS_SOURCE_FOLDER_WEIGHT_NAMES_H

#include "base/base.h"

enum wfs_name_flags {
    WFS_NAME_WEIGHTS = 1, /* holds weights or the state of a training */
    WFS_NAME_INDEX = 2,   /* says where weights lie */
    WFS_NAME_READ = 4,    /* in a format that weightfs reads */
    WFS_NAME_VAGUE = 8,   /* others use this ending too: the content decides what to mount */
    WFS_NAME_STATE = 16,  /* a trainer's state, never what is mounted unless it is named */
};
unsigned wfs_weight_name_flags(const char *name);
/* True where a path's name is that of an index that weightfs reads. */
bool wfs_source_is_index(const char *path);

#endif
