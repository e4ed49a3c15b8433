/*
 * architectures.h - roles of known architectures' weights: architectures.tsv, compiled in.
 *
 * A line is `model_type<TAB>name<TAB>role`. In the name {n} stands for a component that is a number,
 * and a leading `*.` for any components in front, none too. '#' begins a comment.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_H
#define WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_H

#include "mapping/items/item.h"

/* The role of a weight of that model; NONE where the table does not know it. */
enum wfs_role wfs_architecture_role(const char *model_type, const char *path);
/* True where the table has a line of that model. */
bool wfs_architecture_known(const char *model_type);

#endif
