/*
 * architectures.h - what is known of the weights of named architectures: architectures.tsv, compiled
 * in, which tests/judges/roles/table.py makes from the module classes of public libraries.
 *
 * Lines of a section's head are `model_type NAME ...`, `architecture NAME ...` or `class NAME ...`:
 * the section is for checkpoints whose config.json has one of the names under `model_type` (of a part
 * of the model as well), `architecture`, or `_class_name` and `architectures`. The rows are
 * `name<TAB>role`. In the name {n} stands for a component that is a number (the last one and the one
 * before it may be written out), and a leading `*.` for any components in front, none too. The role `flattened:UP:NAME` is a dense layer behind the flattened
 * output of a convolution, whose weight has that name instead of the layer's last UP components.
 * '#' begins a comment.
 *
 * -o set=architectures=off leaves the table out, =FILE takes another one.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_H
#define WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_H

#include "mapping/items/mapper.h"

struct wfs_architecture_row {
    enum wfs_role role; /* NONE: parts of the model contradict each other */
    bool is_root;       /* it is of the whole model, not of a part */
    const char *model;  /* the name that led to it */
    uint32_t up;        /* of FLATTENED */
    const char *conv;   /* likewise: a path's last components */
};
/* The rows that are for one checkpoint. Zero-initialise. */
struct wfs_architectures {
    struct wfs_strmap index; /* a folded name -> row */
    struct wfs_architecture_row *rows;
    size_t n, cap;
    unsigned kept; /* bit k: some row writes out the numbers k, a set of the last two */
    struct wfs_buf scratch;
};
int wfs_architectures_gather(struct wfs_architectures *known, const struct wfs_mapper *mapper,
                             struct wfs_error *err);
void wfs_architectures_free(struct wfs_architectures *known);
/* The row of a weight, its longest name first; *ret is NULL where there is none. 0 or -ENOMEM. */
int wfs_architectures_find(struct wfs_architectures *known, const char *path,
                           const struct wfs_architecture_row **ret);

#endif
