/*
 * item.h - the tensors on their way through a chain of sets, and those within one rule. An item's
 * expression grows from set to set; no byte moves.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_ITEM_H
#define WEIGHTFS_MAPPING_ITEMS_ITEM_H

#include "mapping/mapping.h"

/* Which convolution a weight belongs to (convolution.c). */
enum wfs_convolution {
    WFS_CONVOLUTION_NONE,
    WFS_CONVOLUTION_OPEN, /* nothing tells: an ordinary one */
    WFS_CONVOLUTION_ORDINARY,
    WFS_CONVOLUTION_TRANSPOSED,
    WFS_CONVOLUTION_GROUPED, /* transposed, in groups */
    WFS_CONVOLUTION_DOUBTFUL,
};

/* What a weight of two or more axes is (src/mapping/roles). */
enum wfs_role {
    WFS_ROLE_NONE,
    WFS_ROLE_DENSE,    /* (out, in) */
    WFS_ROLE_DENSE_IO, /* (in, out), as Hugging Face's Conv1D stores it */
    WFS_ROLE_EMBEDDING,
    WFS_ROLE_NORM,
    WFS_ROLE_CONVOLUTION, /* which: wfs_convolution */
    WFS_ROLE_DEPTHWISE,   /* (channels, 1, *k): one output a channel */
    WFS_ROLE_TRANSPOSED,  /* said so, or by its bias: not all transposed ones have this role */
    WFS_ROLE_STACKED,     /* dense layers of several experts */
    WFS_ROLE_SCANNED,     /* Flax: layers stacked by nn.scan */
    WFS_ROLE_BILINEAR,
    WFS_ROLE_OPAQUE,      /* keeps its axes */
    WFS_ROLE_FLATTENED,   /* dense, behind a flattened (channels, sides): wfs_item.channels */
    WFS_ROLE_UNFLATTENED, /* dense, its outputs becoming (channels, sides); its bias as well */
    WFS_ROLE_DENSE_OR_EMBEDDING, /* from here on doubts: which two it may be, */
    WFS_ROLE_DENSE_OR_IO,
    WFS_ROLE_DENSE_OR_FLATTENED,
    WFS_ROLE_DENSE_OR_UNFLATTENED,
    WFS_ROLE_CONVOLUTION_OR_STACKED,   /* or bilinear */
    WFS_ROLE_CONVOLUTION_OR_DEPTHWISE, /* (n, 1, *k): of one channel, in groups, or depthwise */
    WFS_ROLE_DOUBTFUL,                 /* or that evidence contradicts itself */
    WFS_N_ROLES,
};

/* A tensor on its way. */
struct wfs_item {
    const char *path;
    const struct wfs_expr *expr;
    enum wfs_status status; /* as wfs_target's */
    bool unexpected;        /* to some set of the chain */
    bool packed;            /* never gets a layout */
    bool tied;              /* its storage is another item's too */
    enum wfs_convolution convolution;
    enum wfs_role role;
    bool role_known;          /* the table of architectures says it */
    uint64_t channels;        /* of FLATTENED and UNFLATTENED */
    enum wfs_role shown_role; /* of what it was made of: that the last set which asked gave it */
    const char *role_reason;  /* who or what says so, of either */
    uint32_t tie;             /* equal for items of one storage; WFS_NO_INDEX: none */
    uint32_t n_sources;
    const uint32_t *sources; /* indices into the catalog's tensors */
    const char *operations;
    const char *rule;
    const struct wfs_rule *named_by; /* the last that gave it a name, or NULL */
    const char *collection;          /* that its target named, or NULL */
    const char *read_from;           /* an inverse: the collection taken off its path, or NULL */
    const char *as_written;          /* its path before '/' separated its components, or NULL */
};
struct wfs_table {
    struct wfs_item *items;
    size_t n, cap; /* malloc'd */
};
int wfs_table_add(struct wfs_table *table, const struct wfs_item *item, struct wfs_error *err);
/* The role that tables show of what is made of an item. */
static inline enum wfs_role wfs_shown_role(const struct wfs_item *item)
{
    return item->role != WFS_ROLE_NONE ? item->role : item->shown_role;
}
/* One that has a kernel with sides. */
static inline bool wfs_role_is_convolution(enum wfs_role role)
{
    return role == WFS_ROLE_CONVOLUTION || role == WFS_ROLE_DEPTHWISE ||
           role == WFS_ROLE_TRANSPOSED || role == WFS_ROLE_CONVOLUTION_OR_DEPTHWISE;
}
/* Appends all items of `from`. */
int wfs_table_add_all(struct wfs_table *table, const struct wfs_table *from, struct wfs_error *err);

/* One tensor within a rule. */
struct wfs_val {
    struct wfs_match m;
    const struct wfs_expr *expr;
    uint32_t tag;  /* which & part, or which piece of a split */
    uint32_t item; /* the first of `sources`, as an item; for rank and name in expressions */
    uint32_t n_sources;
    const uint32_t *sources;
};
struct wfs_vals {
    struct wfs_val *v;
    size_t n, cap; /* malloc'd */
};
int wfs_vals_add(struct wfs_vals *vals, const struct wfs_val *val, struct wfs_error *err);
/* An item that a rule's pattern matched. */
struct wfs_val wfs_val_of(const struct wfs_item *item, uint32_t index,
                          const struct wfs_match *match);

/* Orders what two matches bind to a capture: numbers and alternatives by value, as a number may
 * have been solved for and not read. */
int wfs_binding_compare(const struct wfs_cap *cap, const struct wfs_binding *x,
                        const struct wfs_binding *y);
/* The same function of the same bytes. */
bool wfs_same_expr(const struct wfs_expr *a, const struct wfs_expr *b);

#endif
