/*
 * file_types.h - kinds of GGUF files by the types of their tensors: what the names of files end in
 * ("-Q4_K_M.gguf") and general.file_type holds (enum llama_ftype of llama.h). Public to the stages
 * above.
 */
#ifndef WEIGHTFS_GGUF_TENSORS_FILE_TYPES_H
#define WEIGHTFS_GGUF_TENSORS_FILE_TYPES_H

#include "tensor/tensor.h"

/* Numbers are llama_ftype's. Those that need an importance matrix (IQ1, IQ2, IQ3_XXS, Q2_K_S), and
 * those whose encoders are not here, are left out. */
enum wfs_gguf_ftype {
    WFS_GGUF_FTYPE_F32 = 0,
    WFS_GGUF_FTYPE_F16 = 1,
    WFS_GGUF_FTYPE_Q4_0 = 2,
    WFS_GGUF_FTYPE_Q4_1 = 3,
    WFS_GGUF_FTYPE_Q8_0 = 7,
    WFS_GGUF_FTYPE_Q5_0 = 8,
    WFS_GGUF_FTYPE_Q5_1 = 9,
    WFS_GGUF_FTYPE_Q2_K = 10,
    WFS_GGUF_FTYPE_Q3_K_S = 11,
    WFS_GGUF_FTYPE_Q3_K_M = 12,
    WFS_GGUF_FTYPE_Q3_K_L = 13,
    WFS_GGUF_FTYPE_Q4_K_S = 14,
    WFS_GGUF_FTYPE_Q4_K_M = 15,
    WFS_GGUF_FTYPE_Q5_K_S = 16,
    WFS_GGUF_FTYPE_Q5_K_M = 17,
    WFS_GGUF_FTYPE_Q6_K = 18,
    WFS_GGUF_FTYPE_IQ4_NL = 25,
    WFS_GGUF_FTYPE_IQ4_XS = 30,
    WFS_GGUF_FTYPE_BF16 = 32,
    WFS_GGUF_FTYPE_MXFP4_MOE = 38,
};

struct wfs_gguf_file_type {
    const char *name;      /* "Q4_K_M" */
    const char *file_name; /* "model-Q4_K_M.gguf" */
    enum wfs_gguf_ftype ftype;
    enum wfs_dtype dtype; /* of most matrices */
    bool is_listed;       /* shown in every view of GGUF's names; others where they are asked for */
    /* convert_hf_to_gguf.py --outtype makes such files, and its rules say which tensor gets which type;
     * else llama-quantize's do. */
    bool is_converters;
};

/* NULL past the last. */
const struct wfs_gguf_file_type *wfs_gguf_file_type(uint32_t i);
const struct wfs_gguf_file_type *wfs_gguf_file_type_of(enum wfs_gguf_ftype ftype);
/* By name in any case ("q8_0", and llama-quantize's short "Q4_K"); NULL: there is none. */
const struct wfs_gguf_file_type *wfs_gguf_file_type_by_name(const char *name, size_t len);
/* The type that a file's name ends in ("x-Q8_0.gguf", "x.q8_0.gguf"); *ret is NULL where it ends in
 * none. False where it ends in what looks like a type (a Q and a digit) and is none of these. */
bool wfs_gguf_file_type_in_name(const char *file_name, const struct wfs_gguf_file_type **ret);

#endif
