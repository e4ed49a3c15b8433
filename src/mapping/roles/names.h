/*
 * names.h - roles as rules, tables and users write them.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_NAMES_H
#define WEIGHTFS_MAPPING_ROLES_NAMES_H

#include "mapping/items/item.h"

const char *wfs_role_name(enum wfs_role role); /* NULL for NONE */
/* NONE where it is none that is certain: nobody says "doubtful". */
enum wfs_role wfs_role_by_name(const char *name, size_t len);
bool wfs_role_is_certain(enum wfs_role role);

#endif
