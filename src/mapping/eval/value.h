/*
 * value.h - values of the rules language by themselves: arithmetic, comparison, text. Whole numbers
 * stay whole and are checked. What goes wrong is said as a text; who evaluates knows the place.
 */
#ifndef WEIGHTFS_MAPPING_EVAL_VALUE_H
#define WEIGHTFS_MAPPING_EVAL_VALUE_H

#include "rules/rules.h"

/* FALSE, TRUE, and what an inverse cannot decide yet. */
enum wfs_truth { WFS_FALSE, WFS_TRUE, WFS_MAYBE };

struct wfs_value wfs_value_none(void);
struct wfs_value wfs_value_maybe(void);
struct wfs_value wfs_value_bool(bool b);
struct wfs_value wfs_value_int(int64_t i);
struct wfs_value wfs_value_truth(enum wfs_truth t);
/* Text; with is_path a name, or components of one. */
struct wfs_value wfs_value_str(const char *s, size_t len, bool is_path);

bool wfs_value_is_int(const struct wfs_value *v);
bool wfs_value_is_number(const struct wfs_value *v);
double wfs_value_as_real(const struct wfs_value *v);
/* NONE or MAYBE. */
bool wfs_value_is_unknown(const struct wfs_value *v);

/* These answer NULL, or what is wrong with the operands. NONE and MAYBE give the same. */
const char *wfs_value_arith(enum wfs_binop op, const struct wfs_value *a, const struct wfs_value *b,
                            struct wfs_value *ret);
const char *wfs_value_negate(const struct wfs_value *v, struct wfs_value *ret);
/* <, <=, >, >= */
const char *wfs_value_order(enum wfs_binop op, const struct wfs_value *a, const struct wfs_value *b,
                            bool *ret);
/* sqrt, log (natural), pow: the result is finite; and float32. */
const char *wfs_value_real(enum wfs_fn fn, double a, double b, double *ret);
/* min, max, ceildiv, roundup */
const char *wfs_value_whole(enum wfs_fn fn, int64_t a, int64_t b, int64_t *ret);

/* Of known values; a name equals the text that it is written as. Fails with -ENOMEM only. */
int wfs_value_equal(const struct wfs_value *a, const struct wfs_value *b, bool *ret,
                    struct wfs_error *err);
/* A text as rules see it, '.' between components; `buf` holds it where it had to be written. */
int wfs_value_text(const struct wfs_value *v, struct wfs_buf *buf, struct wfs_value *ret,
                   struct wfs_error *err);
/* A text into a path: what wfs_value_text wrote comes back as it was. */
void wfs_value_add_as_path(struct wfs_buf *out, const struct wfs_value *v);
/* contains, starts, ends, replace, lower, last of `n` texts. Results live in the arena. */
int wfs_value_call(struct wfs_arena *arena, enum wfs_fn fn, const struct wfs_value *args,
                   uint32_t n, struct wfs_value *ret, struct wfs_error *err);

#endif
