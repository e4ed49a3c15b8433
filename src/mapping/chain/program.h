/*
 * program.h - sets whose mapping is code and not rules.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_PROGRAM_H
#define WEIGHTFS_MAPPING_CHAIN_PROGRAM_H

#include "mapping/items/mapper.h"

struct wfs_program {
    const char *name;               /* of the program, and of the compiled-in set that names it */
    const char *const *option_keys; /* the view's own options that it takes, NULL-terminated */
    int (*run)(const struct wfs_mapper *mapper, struct wfs_sink *sink, const struct wfs_table *in,
               struct wfs_table *ret_out);
};
/* -EINVAL where the set names a program that does not exist. */
int wfs_program_find(const struct wfs_set *set, const struct wfs_program **ret,
                     struct wfs_error *err);

#endif
