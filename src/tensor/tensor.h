/*
 * tensor.h - element types, shapes, and tensor expressions.
 *
 * A tensor is an expression over bytes that already exist: an element type, a shape, and PIECES.
 * A piece is a box of the expression's axes together with the byte source that holds its elements
 * and, for each axis, FACTORS: (count, stride) pairs, outermost first, whose counts multiply to the
 * box's extent on that axis. One factor is the ordinary strided axis, none is an extent of one, and
 * several are axes that were merged (a reshape after a permute): keeping them un-merged never
 * changes row-major order, so transpose, permute, reshape, flip, slice, split, concat, stack,
 * squeeze, RoPE order, torch views and shards all only change strides, offsets and pieces. Only
 * element operations touch values.
 *
 * Pieces never overlap and cover the shape. Everything is immutable once built and lives in the
 * arena it was built in; byte sources are borrowed (the catalog's arena owns them).
 */
#ifndef WEIGHTFS_TENSOR_TENSOR_H
#define WEIGHTFS_TENSOR_TENSOR_H

#include "bytes/bytes.h"

/* ---- element types ------------------------------------------------------------------------- */

/* Order and names: safetensors' dtypes first, then torch's and ml_dtypes' own, then ggml's blocks. */
enum wfs_dtype {
    WFS_BOOL,
    WFS_F4_E2M1,
    WFS_F6_E2M3,
    WFS_F6_E3M2,
    WFS_U8,
    WFS_I8,
    WFS_F8_E5M2,
    WFS_F8_E4M3FN,
    WFS_F8_E8M0FNU,
    WFS_F8_E4M3FNUZ,
    WFS_F8_E5M2FNUZ,
    WFS_I16,
    WFS_U16,
    WFS_F16,
    WFS_BF16,
    WFS_I32,
    WFS_U32,
    WFS_F32,
    WFS_C64,
    WFS_F64,
    WFS_I64,
    WFS_U64,
    WFS_C32,  /* torch.complex32: two f16 */
    WFS_C128, /* two f64 */
    WFS_QI8,  /* torch quantised storage: the integers; scales are beside */
    WFS_QU8,
    WFS_QI32,
    WFS_F4_E2M1_X2, /* torch.float4_e2m1fn_x2: one byte, two values; shape counts bytes */
    WFS_I2_BYTE,    /* ml_dtypes int2/int4/uint2/uint4/float4...: one byte an element */
    WFS_U2_BYTE,
    WFS_I4_BYTE,
    WFS_U4_BYTE,
    WFS_F4_E2M1_BYTE,
    WFS_F6_E2M3_BYTE,
    WFS_F6_E3M2_BYTE,
    WFS_F8_E3M4,
    WFS_F8_E4M3, /* ml_dtypes float8_e4m3 (with infinities) */
    WFS_F8_E4M3B11FNUZ,
    WFS_BITS8, /* torch.bits8, bits16, bits1x8, bits2x4, bits4x2 and other opaque bytes */
    WFS_BITS16,
    /* Unsigned integers of n bits side by side, across bytes where they must: the fields that packed
     * weights are kept in. No file has a tensor of such a type; wfs_expr_fields makes pieces of them. */
    WFS_U1_PACKED,
    WFS_U2_PACKED,
    WFS_U3_PACKED,
    WFS_U4_PACKED,
    WFS_U5_PACKED,
    WFS_U6_PACKED,
    WFS_U7_PACKED,
    /* ggml's block types: so many elements of the last axis share so many bytes (block_elems, bits).
     * Such a tensor is one run of whole blocks: nothing but decoding it gives it another layout. */
    WFS_FIRST_BLOCK_DTYPE,
    WFS_Q4_0 = WFS_FIRST_BLOCK_DTYPE,
    WFS_Q4_1,
    WFS_Q5_0,
    WFS_Q5_1,
    WFS_Q8_0,
    WFS_Q8_1,
    WFS_Q2_K,
    WFS_Q3_K,
    WFS_Q4_K,
    WFS_Q5_K,
    WFS_Q6_K,
    WFS_Q8_K,
    WFS_IQ2_XXS,
    WFS_IQ2_XS,
    WFS_IQ3_XXS,
    WFS_IQ1_S,
    WFS_IQ4_NL,
    WFS_IQ3_S,
    WFS_IQ2_S,
    WFS_IQ4_XS,
    WFS_IQ1_M,
    WFS_TQ1_0,
    WFS_TQ2_0,
    WFS_MXFP4,
    WFS_NVFP4,
    WFS_Q1_0,
    WFS_N_DTYPES,
};

enum wfs_dtype_kind {
    WFS_KIND_BOOL,
    WFS_KIND_INT,
    WFS_KIND_UINT,
    WFS_KIND_FLOAT,
    WFS_KIND_COMPLEX,
    WFS_KIND_OPAQUE
};

/* What the worlds around call a type; NULL where one of them has no such type. */
struct wfs_dtype_info {
    const char *name;          /* what users see: "float32", "bfloat16", "float8_e4m3fn", "bool" */
    const char *safetensors;   /* "F32" */
    const char *npy_descr;     /* "<f4"; "<V2" for bf16, "|V1" for fp8 */
    const char *torch;         /* "float32" of torch.float32 */
    const char *torch_storage; /* "FloatStorage"; NULL: UntypedStorage with _rebuild_tensor_v3 */
    const char *flax;          /* np.dtype(...).name as flax msgpack writes it */
    uint16_t bits; /* per element: 4, 6, 8, 16, 32, 64, 128; per block of a block type */
    enum wfs_dtype_kind kind;
    uint16_t block_elems; /* elements that a block holds; 0: no block type */
};
const struct wfs_dtype_info *wfs_dtype_info(enum wfs_dtype dtype);
static inline uint32_t wfs_dtype_bits(enum wfs_dtype d)
{
    return wfs_dtype_info(d)->bits;
}
/* A type whose elements come in blocks: kind OPAQUE, and wfs_dtype_bits counts a whole block. */
static inline bool wfs_dtype_is_block(enum wfs_dtype d)
{
    return d >= WFS_FIRST_BLOCK_DTYPE;
}
/* A field of packed weights: WFS_U1_PACKED to WFS_U7_PACKED. */
static inline bool wfs_dtype_is_field(enum wfs_dtype d)
{
    return d >= WFS_U1_PACKED && d <= WFS_U7_PACKED;
}
static inline bool wfs_dtype_is_float(enum wfs_dtype d)
{
    return wfs_dtype_info(d)->kind == WFS_KIND_FLOAT;
}
/* Find a type by its name in one column, which must match exactly; false where there is none. */
bool wfs_dtype_by_name(const char *name, enum wfs_dtype *ret);
bool wfs_dtype_by_safetensors(const char *name, enum wfs_dtype *ret);
bool wfs_dtype_by_flax(const char *name, enum wfs_dtype *ret);
bool wfs_dtype_by_torch(const char *name, enum wfs_dtype *ret);
bool wfs_dtype_by_torch_storage(const char *name, enum wfs_dtype *ret);

/* ---- shapes -------------------------------------------------------------------------------- */

#define WFS_MAX_NDIM 64

/* Products are checked from the left, in bits, as the reference reader does: -EOVERFLOW (so a 0
 * hides what follows it, not what stands before). Sub-byte types must fill whole bytes, the last
 * axis of block types whole blocks: -EINVAL. */
int wfs_shape_size(enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                   uint64_t *ret_n_elems, uint64_t *ret_size_bytes, struct wfs_error *err);
bool wfs_shape_equal(uint32_t a_ndim, const uint64_t *a, uint32_t b_ndim, const uint64_t *b);
/* "(2, 3)", "(4,)", "()": Python's way. */
void wfs_shape_format(struct wfs_buf *out, uint32_t ndim, const uint64_t *shape);

/* ---- expressions --------------------------------------------------------------------------- */

/* Strides and bases count BITS, so that sub-byte types need no second representation. */
struct wfs_factor {
    uint64_t count;
    int64_t stride_bits;
};

enum wfs_elem_op_kind {
    WFS_ELEM_CAST,     /* to `dtype`, round to nearest even; exact only when widening */
    WFS_ELEM_SCALE,    /* x * value, computed in float64, rounded once */
    WFS_ELEM_ADD,      /* x + value, likewise */
    WFS_ELEM_NEG,      /* sign bit of floats; two's complement of integers */
    WFS_ELEM_CONJ,     /* complex types */
    WFS_ELEM_BYTESWAP, /* each component's bytes reversed (big-endian sources) */
    WFS_ELEM_EXP,      /* e^x of float32, rounded correctly: the same bits everywhere */
    WFS_ELEM_LOG,      /* its inverse, likewise */
};
struct wfs_elem_op {
    enum wfs_elem_op_kind kind;
    enum wfs_dtype dtype; /* the type after this operation */
    double value;
};

struct wfs_piece {
    struct wfs_bytes *bytes;
    uint64_t base_bits;   /* of the box's first element */
    enum wfs_dtype dtype; /* as stored, before ops */
    uint32_t n_ops;
    const struct wfs_elem_op *ops;    /* applied in order to every element */
    const uint64_t *start;            /* [ndim] the box: start[i] <= index < start[i] + count[i] */
    const uint64_t *count;            /* [ndim] */
    const uint32_t *first_factor;     /* [ndim + 1] into factors */
    const struct wfs_factor *factors; /* n = first_factor[ndim] */
};

struct wfs_expr {
    enum wfs_dtype dtype;
    uint32_t ndim;
    const uint64_t *shape;
    uint64_t n_elems, size_bytes;
    uint32_t n_pieces; /* 0 only when n_elems is 0 */
    /* Pieces are sorted by start[sort_axis], and none of them is longer than sort_max_count there:
     * a read finds its pieces among many by bisection. */
    uint32_t sort_axis;
    uint64_t sort_max_count;
    const struct wfs_piece *pieces;
};

/* True where every element of the result is an element of a source as it is: moved, repeated or
 * left out, never computed. */
bool wfs_expr_only_moves(const struct wfs_expr *expr);

/* A guard against hostile expressions (a merge of un-mergeable axes splits pieces); beyond it the
 * operation nests: the inner expression becomes a byte source (wfs_expr_as_bytes). */
#define WFS_EXPR_MAX_PIECES 65536

/* Leaves. Bounds are checked against bytes->size_bytes: -EINVAL naming the source. */
int wfs_expr_contiguous(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                        enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                        const struct wfs_expr **ret, struct wfs_error *err);
/* Strides in elements, 0 and negative allowed; every reachable element must lie inside. Block types
 * have no strides: -ENOTSUP. */
int wfs_expr_strided(struct wfs_arena *arena, struct wfs_bytes *bytes, uint64_t off,
                     enum wfs_dtype dtype, uint32_t ndim, const uint64_t *shape,
                     const int64_t *strides, const struct wfs_expr **ret, struct wfs_error *err);
/* Every element is `value` (zeros, ones, full). */
int wfs_expr_fill(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                  const uint64_t *shape, double value, const struct wfs_expr **ret,
                  struct wfs_error *err);
/* True where it is made of filled zeros alone (of +0, where there are two). This is told by its
 * structure: no element is read, and zeros in a file do not count. */
bool wfs_expr_is_zeros(const struct wfs_expr *e);
/* Element i, in row-major order, is start + step * i. */
int wfs_expr_arange(struct wfs_arena *arena, enum wfs_dtype dtype, uint32_t ndim,
                    const uint64_t *shape, double start, double step, const struct wfs_expr **ret,
                    struct wfs_error *err);

/* Structure: nothing is copied. numpy's semantics; a bad axis or size is -EINVAL saying which. A
 * tensor of a block type is refused by all of them, and by the operations on values: -ENOTSUP. */
int wfs_expr_permute(struct wfs_arena *arena, const struct wfs_expr *in, const uint32_t *perm,
                     const struct wfs_expr **ret, struct wfs_error *err);
int wfs_expr_reverse_axes(struct wfs_arena *arena, const struct wfs_expr *in,
                          const struct wfs_expr **ret, struct wfs_error *err);
int wfs_expr_flip(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                  const struct wfs_expr **ret, struct wfs_error *err);
/* [start, stop) in steps of step >= 1. */
int wfs_expr_slice(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                   uint64_t start, uint64_t stop, uint64_t step, const struct wfs_expr **ret,
                   struct wfs_error *err);
int wfs_expr_squeeze_all(struct wfs_arena *arena, const struct wfs_expr *in,
                         const struct wfs_expr **ret, struct wfs_error *err);
/* The axis must have size 1. */
int wfs_expr_squeeze(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                     const struct wfs_expr **ret, struct wfs_error *err);
/* The new axis stands at `axis` (0..ndim). */
int wfs_expr_unsqueeze(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis,
                       const struct wfs_expr **ret, struct wfs_error *err);
int wfs_expr_reshape(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t ndim,
                     const uint64_t *shape, const struct wfs_expr **ret, struct wfs_error *err);
/* All inputs have the same dtype and the same other axes. */
int wfs_expr_concat(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                    uint32_t axis, const struct wfs_expr **ret, struct wfs_error *err);
int wfs_expr_stack(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                   uint32_t axis, const struct wfs_expr **ret, struct wfs_error *err);
/* The whole repeated n times along axis (numpy.tile on one axis). */
int wfs_expr_tile(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t n,
                  const struct wfs_expr **ret, struct wfs_error *err);
/* Each index repeated n times along axis (numpy.repeat). */
int wfs_expr_repeat(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t n,
                    const struct wfs_expr **ret, struct wfs_error *err);
int wfs_expr_pad(struct wfs_arena *arena, const struct wfs_expr *in, uint32_t axis, uint64_t before,
                 uint64_t after, double value, const struct wfs_expr **ret, struct wfs_error *err);
/* The same bits as another type of the same width (a stored U8 known to be float8). */
int wfs_expr_bitcast(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                     const struct wfs_expr **ret, struct wfs_error *err);

/* Operations on values. */
int wfs_expr_elementwise(struct wfs_arena *arena, const struct wfs_expr *in,
                         const struct wfs_elem_op *op, const struct wfs_expr **ret,
                         struct wfs_error *err);
/* Element by element in float64 (integers exactly), rounded once to the common dtype. */
int wfs_expr_sum(struct wfs_arena *arena, uint32_t n, const struct wfs_expr *const *in,
                 const struct wfs_expr **ret, struct wfs_error *err);
/* The values of a tensor of a block type, as float16, bfloat16, float32 or float64: decoded to float32,
 * rounded once. The same bits on every CPU, NaNs included. -ENOTSUP: the type has no decoder. */
int wfs_expr_decode(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype dtype,
                    const struct wfs_expr **ret, struct wfs_error *err);
/* A tensor of floats as blocks of `code`, rounded to float32 first. The last axis divides into blocks:
 * -EINVAL. -ENOTSUP: the type has no encoder. A read of a block with an element that is infinite or NaN,
 * or too large for the code's scale, is -ERANGE and names the element. */
int wfs_expr_encode(struct wfs_arena *arena, const struct wfs_expr *in, enum wfs_dtype code,
                    const struct wfs_expr **ret, struct wfs_error *err);
/* Packed fields, laid out by bits. `words` is read as one row-major run of bytes (little-endian words are
 * what they are as bytes); element (i, j, ...) lies at first_bit + the sum of its axes' offsets, an
 * axis being up to three factors, outermost first, whose counts multiply to its extent. A field is of
 * a sub-byte type: of WFS_U1_PACKED to WFS_U7_PACKED, or a float of 4 or 6 bits, or it is one byte. The
 * elements get the type `as`, which holds all values of the field's: WFS_U8 for integers. -EINVAL
 * where a field lies outside of `words`. */
struct wfs_field_axis {
    uint32_t n_factors;
    struct wfs_factor factors[3];
};
int wfs_expr_fields(struct wfs_arena *arena, const struct wfs_expr *words, enum wfs_dtype field,
                    enum wfs_dtype as, uint64_t first_bit, uint32_t ndim,
                    const struct wfs_field_axis *axes, const struct wfs_expr **ret,
                    struct wfs_error *err);
/* out[i, ...] = in[index[i], ...]. `index` has one axis and an integer type; a number outside of in's
 * first axis is -ERANGE when it is read, and names the row. */
int wfs_expr_take(struct wfs_arena *arena, const struct wfs_expr *in, const struct wfs_expr *index,
                  const struct wfs_expr **ret, struct wfs_error *err);

/* ---- formulas ------------------------------------------------------------------------------ */

/* What is done to the numbers of one element: a stack machine over float32, each operation rounded to
 * nearest even, without contraction; so the bits are the same on every CPU (NaNs by wfs_code_nan's
 * rule). */
enum wfs_formula_kind {
    WFS_FORMULA_INPUT,  /* pushes input `at` */
    WFS_FORMULA_CONST,  /* pushes `value` */
    WFS_FORMULA_LOOKUP, /* replaces the top, a whole number, by that element of table `at` */
    WFS_FORMULA_ADD,    /* replaces the two topmost a, b by a + b */
    WFS_FORMULA_SUB,    /* ... a - b */
    WFS_FORMULA_MUL,    /* ... a * b */
    WFS_FORMULA_DIV,    /* ... a / b */
    WFS_FORMULA_SCALB,  /* ... a * 2^b, b a whole number */
    WFS_FORMULA_MOD,    /* ... a modulo b, whole numbers of one sign */
    WFS_FORMULA_ROUND,  /* rounds the top to `dtype`, a float of 16 bits */
};
struct wfs_formula_step {
    enum wfs_formula_kind kind;
    uint32_t at;
    float value;
    enum wfs_dtype dtype;
};
#define WFS_FORMULA_MAX_DEPTH  4
#define WFS_FORMULA_MAX_INPUTS 6
struct wfs_formula {
    const char *name;     /* "gptq": with the steps, part of every hash above it */
    enum wfs_dtype dtype; /* of the result: what is left on the stack, rounded once */
    uint32_t n_steps;
    const struct wfs_formula_step *steps;
    uint32_t n_inputs; /* of one shape, and of types that float32 holds exactly */
    const struct wfs_expr *inputs[WFS_FORMULA_MAX_INPUTS];
    uint32_t n_tables; /* of one axis and at most 256 elements */
    const struct wfs_expr *tables[2];
};
/* The result has the inputs' shape. -EINVAL for a formula that is none: nothing that a file says can
 * cause it but inputs of different shapes and types, which the message names. A read that looks up
 * what a table does not have is -ERANGE. */
int wfs_expr_formula(struct wfs_arena *arena, const struct wfs_formula *formula,
                     const struct wfs_expr **ret, struct wfs_error *err);
/* The row-major bytes of an expression as a byte source (registered with the arena). */
int wfs_expr_as_bytes(struct wfs_arena *arena, const struct wfs_expr *in, struct wfs_bytes **ret,
                      struct wfs_error *err);

/* ---- reading ------------------------------------------------------------------------------- */

/* The row-major bytes [off, off + len) of the expression, by one gather. Thread-safe; scratch is
 * bounded (WFS_READ_SCRATCH_MAX a call, from the heap). Sources are checked after the gather:
 * -EIO and a message when one changed, is short or was truncated. Sub-byte types pack the first
 * element into the low bits, as safetensors does. */
#define WFS_READ_SCRATCH_MAX (1u << 20)
int wfs_expr_read(const struct wfs_expr *expr, void *buf, size_t len, uint64_t off,
                  struct wfs_error *err);

/* Checks that all files are as they were, also those below sums and nested expressions. -EIO with a
 * message where one is not: what was computed of it must not be shown. */
int wfs_expr_check(const struct wfs_expr *expr, struct wfs_error *err);

/* True where all bytes are one run of one source, in order and untouched: read it directly. */
bool wfs_expr_is_run(const struct wfs_expr *expr, struct wfs_bytes **ret_bytes, uint64_t *ret_off);

/* How the expression wants to be computed: contiguous output ranges of block_bytes (the last may be
 * shorter), each reading a panel of (rows x 512-1024 bytes of source columns), clamped to 1-32 MiB.
 * 0: its runs are long enough that a range read costs no more than its bytes (facts: limits.md). */
uint64_t wfs_expr_block_bytes(const struct wfs_expr *expr);

/* Canonical: equal for expressions that are the same function of the same source bytes, however
 * they were built; covers the sources' ids and WFS_ENGINE_VERSION. */
#define WFS_ENGINE_VERSION 3
struct wfs_hash wfs_expr_hash(const struct wfs_expr *expr);

/* ---- values -------------------------------------------------------------------------------- */

/* Converts n elements (any numeric type, fp8/fp6/fp4 included) to float64; complex types give
 * 2 n doubles. `in` is packed as files are. -EINVAL for opaque types. */
int wfs_convert_to_f64(enum wfs_dtype dtype, const void *in, uint64_t n, double *out,
                       struct wfs_error *err);
/* n elements from one type to another, round to nearest even, overflow as ml_dtypes does
 * (to inf, or NaN where the type has no inf). Between integers: wraps. A float to an integer is cut
 * towards zero and saturates, NaN is 0 (undefined in numpy and torch). To bool: is not 0. Complex
 * to real drops the imaginary part. In-place is allowed where sizes are equal. */
int wfs_convert(enum wfs_dtype from, const void *in, enum wfs_dtype to, void *out, uint64_t n,
                struct wfs_error *err);
/* True where every value of `from` is a value of `to`. */
bool wfs_convert_is_exact(enum wfs_dtype from, enum wfs_dtype to);
/* True where `to` ends at less than half of what `from` reaches, both floating: float32 to float16
 * or float8, not to bfloat16 (which ends at the same power of two). */
bool wfs_convert_narrows(enum wfs_dtype from, enum wfs_dtype to);
/* The largest finite value of a numeric type; complex: of a component. */
double wfs_dtype_max(enum wfs_dtype dtype);
/* How many finite elements casts have made infinite or NaN in this thread: who reads takes the
 * difference. One that is computed again is counted again. */
uint64_t wfs_convert_n_overflowed(void);

/* ---- statistics ---------------------------------------------------------------------------- */

/* Zero-initialise; add numbers in any number of stretches; merge what several threads added.
 * sum, sum_squares and m2 (of squared deviations from the mean) follow IEEE, so that one NaN makes
 * them NaN, as numpy's mean, std and norm do; min and max leave NaN out (numpy's nanmin) and mean
 * nothing until n > n_nan. Complex numbers count by their modulus. */
struct wfs_stats {
    uint64_t n, n_zero, n_nan, n_inf;
    double sum, sum_low, sum_squares, sum_squares_low; /* *_low: what rounding lost; add it last */
    double m2;
    double min, max;
};
/* n packed elements of any numeric type; -EINVAL for opaque types. */
int wfs_stats_add(struct wfs_stats *stats, enum wfs_dtype dtype, const void *data, uint64_t n,
                  struct wfs_error *err);
void wfs_stats_merge(struct wfs_stats *stats, const struct wfs_stats *more);
/* Of nothing: 0 for the norm, NaN for mean and standard deviation (of the population). */
double wfs_stats_l2(const struct wfs_stats *stats);
double wfs_stats_mean(const struct wfs_stats *stats);
double wfs_stats_std(const struct wfs_stats *stats);

#endif
