/*
 * evidence.h - what the tensors of a checkpoint say about each other: biases, norms, siblings.
 */
#ifndef WEIGHTFS_MAPPING_ROLES_EVIDENCE_H
#define WEIGHTFS_MAPPING_ROLES_EVIDENCE_H

#include "mapping/items/mapper.h"
#include "mapping/roles/sizes.h"
#include "mapping/roles/words.h"

/* What a weight (a, b) and its bias prove, as bits: of a module they are united. */
enum {
    WFS_PROVED_OI = 1, /* (out, in): the bias has a elements, and a != b */
    WFS_PROVED_IO = 2, /* (in, out): it has b */
};

struct wfs_evidence {
    const struct wfs_mapper *mapper;
    struct wfs_table *items;
    struct wfs_strmap index;    /* path -> item */
    struct wfs_strmap families; /* the module above, or "*" and the module's name -> bits */
    struct wfs_strmap stacked;  /* a number of layers and a module that has norms of so many */
    unsigned proved;            /* bits of the whole checkpoint */
    struct wfs_sizes norms;     /* lengths of norms' weights */
    struct wfs_sizes known;     /* those, lengths of biases, axes of named layers */
    struct wfs_sizes tables;    /* rows of what is called an embedding */
    struct wfs_buf scratch;
};
int wfs_evidence_gather(struct wfs_evidence *ev, const struct wfs_mapper *mapper,
                        struct wfs_table *items, struct wfs_error *err);
void wfs_evidence_free(struct wfs_evidence *ev);

/* The tensor `last` of the module whose weight is at `path`; NULL where there is none. */
const struct wfs_expr *wfs_evidence_sibling(struct wfs_evidence *ev, const char *path,
                                            const char *last);
/* Likewise, as the item. */
struct wfs_item *wfs_evidence_item(struct wfs_evidence *ev, const char *path, const char *last);
/* The tensor whose name is this one's, but for its last `up` components, which are `last` instead. */
const struct wfs_expr *wfs_evidence_relative(struct wfs_evidence *ev, const char *path, uint32_t up,
                                             const char *last);
/* Bits of the weights of the module that holds this weight's module; and of all modules of this
 * one's name. */
unsigned wfs_evidence_family(struct wfs_evidence *ev, const char *path);
unsigned wfs_evidence_namesakes(struct wfs_evidence *ev, const char *path);
/* Flax: true where a norm (n, features) is below the module that holds this kernel's, or the one
 * above it, so that what is there are n layers. */
bool wfs_evidence_stacked(struct wfs_evidence *ev, const char *path, uint64_t n);
/* True where the last component is that word. */
bool wfs_evidence_is(const char *path, const char *last);

#endif
