/*
 * ggml_types.c - enum ggml_type of ggml.h, whose numbers GGUF files hold. The sizes of blocks are
 * with the dtypes (src/tensor/dtype.c).
 */
#include "source/gguf/ggml_types.h"

#define WIDE true

static const struct wfs_ggml_type types[] = {
    [0] = {"F32", WFS_F32},
    [1] = {"F16", WFS_F16},
    [2] = {"Q4_0", WFS_Q4_0, WIDE},
    [3] = {"Q4_1", WFS_Q4_1, WIDE},
    [6] = {"Q5_0", WFS_Q5_0, WIDE},
    [7] = {"Q5_1", WFS_Q5_1, WIDE},
    [8] = {"Q8_0", WFS_Q8_0, WIDE},
    [9] = {"Q8_1", WFS_Q8_1, WIDE},
    [10] = {"Q2_K", WFS_Q2_K, WIDE},
    [11] = {"Q3_K", WFS_Q3_K, WIDE},
    [12] = {"Q4_K", WFS_Q4_K, WIDE},
    [13] = {"Q5_K", WFS_Q5_K, WIDE},
    [14] = {"Q6_K", WFS_Q6_K, WIDE},
    [15] = {"Q8_K", WFS_Q8_K, WIDE},
    [16] = {"IQ2_XXS", WFS_IQ2_XXS, WIDE},
    [17] = {"IQ2_XS", WFS_IQ2_XS, WIDE},
    [18] = {"IQ3_XXS", WFS_IQ3_XXS, WIDE},
    [19] = {"IQ1_S", WFS_IQ1_S, WIDE},
    [20] = {"IQ4_NL", WFS_IQ4_NL, WIDE},
    [21] = {"IQ3_S", WFS_IQ3_S, WIDE},
    [22] = {"IQ2_S", WFS_IQ2_S, WIDE},
    [23] = {"IQ4_XS", WFS_IQ4_XS, WIDE},
    [24] = {"I8", WFS_I8},
    [25] = {"I16", WFS_I16},
    [26] = {"I32", WFS_I32},
    [27] = {"I64", WFS_I64},
    [28] = {"F64", WFS_F64},
    [29] = {"IQ1_M", WFS_IQ1_M, WIDE},
    [30] = {"BF16", WFS_BF16},
    [34] = {"TQ1_0", WFS_TQ1_0, WIDE},
    [35] = {"TQ2_0", WFS_TQ2_0, WIDE},
    [39] = {"MXFP4", WFS_MXFP4},
    [40] = {"NVFP4", WFS_NVFP4},
    [41] = {"Q1_0", WFS_Q1_0, WIDE},
};

/* Layouts that ggml dropped; llama.cpp refuses files that hold them. */
static const struct {
    uint32_t number;
    const char *name;
} removed[] = {
    {4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
};

const struct wfs_ggml_type *wfs_ggml_type(uint32_t number, const char **ret_removed)
{
    if (number < WFS_ARRAY_SIZE(types) && types[number].name)
        return &types[number];
    for (size_t i = 0; ret_removed && i < WFS_ARRAY_SIZE(removed); i++)
        if (removed[i].number == number)
            *ret_removed = removed[i].name;
    return NULL;
}

bool wfs_ggml_number(enum wfs_dtype dtype, uint32_t *ret)
{
    for (uint32_t i = 0; i < WFS_ARRAY_SIZE(types); i++)
        if (types[i].name && types[i].dtype == dtype) {
            *ret = i;
            return true;
        }
    return false;
}
