/*
 * scheme.h - what the schemes of quantisation share: the module at hand, the formula of its values, and
 * what becomes of its tensors.
 *
 * A scheme keeps a weight as codes, scales and whatever else in several tensors of one module. It knows
 * one of them (the anchor) by its name, asks for the others by theirs, and gives one tensor of plain
 * values. Shapes, types and names decide; of the checkpoint's bytes nothing is read but a scheme's own
 * description where it is stored as a tensor (at most WFS_SCHEME_MAX_TEXT bytes). Formulas are those
 * of the libraries, bit for bit: each file names its own.
 */
#ifndef WEIGHTFS_MAPPING_SCHEMES_SCHEME_H
#define WEIGHTFS_MAPPING_SCHEMES_SCHEME_H

#include "mapping/items/mapper.h"

#define WFS_SCHEME_MAX_TEXT 4096

/* The items of one tree while their weights are dequantised. */
struct wfs_dequant {
    const struct wfs_mapper *mapper;
    struct wfs_sink *sink;
    struct wfs_error *err; /* of the module at hand: a finding of the report, unless -ENOMEM */
    const struct wfs_table *in;
    struct wfs_table *out;
    struct wfs_strmap index; /* path -> number in `in` */
    bool *taken;             /* by item: it is part of something in `out`, or left out */
    const char *scheme;      /* the row's name, for texts */
    const char *method;      /* quant_method of the config, or what -o set=quant= says; or NULL */
};

struct wfs_scheme {
    const char *name;
    /* Is this item the anchor of a module of this scheme? */
    bool (*is_anchor)(const struct wfs_dequant *d, const struct wfs_item *item);
    /* Adds the module's plain weight. -EINVAL or -ENOTSUP: the module is none that can be computed; it
     * stays packed, and the message becomes a problem of the report. */
    int (*decode)(struct wfs_dequant *d, const struct wfs_item *anchor);
};

/* ---- names --------------------------------------------------------------------------------- */

/* The path without its last n components, in the arena; NULL when out of memory. */
const char *wfs_scheme_parent(const struct wfs_dequant *d, const char *path, unsigned n);
const char *wfs_scheme_last(const char *path);
/* The item MODULE.NAME (MODULE may be ""), or NULL; -ENOMEM is kept in the error. */
const struct wfs_item *wfs_scheme_find(const struct wfs_dequant *d, const char *module,
                                       const char *name);
/* The same of one that must be there: -EINVAL names it. */
int wfs_scheme_need(const struct wfs_dequant *d, const char *module, const char *name,
                    const struct wfs_item **ret);

/* ---- configuration ------------------------------------------------------------------------- */

/* KEY of the config's quantization_config (also in text_config, compression_config). */
struct wfs_value wfs_scheme_config(const struct wfs_dequant *d, const char *key);
/* The same as a whole number in [1, max]; `missing` where there is none. */
int wfs_scheme_config_int(const struct wfs_dequant *d, const char *key, uint64_t max,
                          uint64_t missing, uint64_t *ret);
bool wfs_scheme_config_is(const struct wfs_dequant *d, const char *key, const char *value);
/* The type of values that a scheme leaves open: the config's dtype (torch_dtype), else bfloat16;
 * float32 where -o dtype= casts it afterwards, so that they are rounded once. */
enum wfs_dtype wfs_scheme_open_dtype(const struct wfs_dequant *d);

/* ---- descriptions that are tensors --------------------------------------------------------- */

/* n integers of a small tensor. */
int wfs_scheme_read_ints(const struct wfs_dequant *d, const struct wfs_item *item, uint32_t n,
                         int64_t *ret);
/* A uint8 tensor as text; in the arena. */
int wfs_scheme_read_text(const struct wfs_dequant *d, const struct wfs_item *item,
                         const char **ret);

/* ---- results ------------------------------------------------------------------------------- */

/* Adds `expr` under MODULE.NAME, made of these items, which are taken. parts[0] is the codes. */
int wfs_scheme_emit(struct wfs_dequant *d, const char *module, const char *name,
                    const struct wfs_expr *expr, uint32_t n_parts,
                    const struct wfs_item *const *parts);
/* Leaves out MODULE.NAME where there is one: what a scheme keeps beside the codes for other uses. */
void wfs_scheme_leave_out(struct wfs_dequant *d, const char *module, const char *name);

/* ---- formulas ------------------------------------------------------------------------------ */

/* A formula that is being written. */
struct wfs_recipe {
    struct wfs_formula formula;
    struct wfs_formula_step steps[16];
};
/* Pushes an input; of a table the operation is wfs_recipe_lookup. */
void wfs_recipe_input(struct wfs_recipe *recipe, const struct wfs_expr *in);
void wfs_recipe_const(struct wfs_recipe *recipe, float value);
void wfs_recipe_lookup(struct wfs_recipe *recipe, const struct wfs_expr *table);
void wfs_recipe_do(struct wfs_recipe *recipe, enum wfs_formula_kind kind);
/* Rounds the top to a float of 16 bits; nothing for float32. */
void wfs_recipe_round(struct wfs_recipe *recipe, enum wfs_dtype dtype);
int wfs_recipe_make(const struct wfs_dequant *d, struct wfs_recipe *recipe, enum wfs_dtype dtype,
                    const struct wfs_expr **ret);

#endif
