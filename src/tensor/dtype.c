/*
 * dtype.c - the table of element types: one row a type, one column a world that names it.
 *
 * Packed sub-byte types exist in safetensors only; ml_dtypes keeps the same values one to a byte
 * (the *_BYTE rows), and torch keeps two in a byte whose shape counts bytes (F4_E2M1_X2). No cell
 * is shared between rows of one column, so that a name finds its type.
 */
#include <string.h>

#include "tensor/tensor.h"

/* name, safetensors, npy, torch, torch storage, flax, bits, kind, elements of a block */
static const struct wfs_dtype_info table[WFS_N_DTYPES] = {
    [WFS_BOOL] = {"bool", "BOOL", "|b1", "bool", "BoolStorage", "bool", 8, WFS_KIND_BOOL},
    [WFS_F4_E2M1] = {"float4_e2m1", "F4", NULL, NULL, NULL, NULL, 4, WFS_KIND_FLOAT},
    [WFS_F6_E2M3] = {"float6_e2m3", "F6_E2M3", NULL, NULL, NULL, NULL, 6, WFS_KIND_FLOAT},
    [WFS_F6_E3M2] = {"float6_e3m2", "F6_E3M2", NULL, NULL, NULL, NULL, 6, WFS_KIND_FLOAT},
    [WFS_U8] = {"uint8", "U8", "|u1", "uint8", "ByteStorage", "uint8", 8, WFS_KIND_UINT},
    [WFS_I8] = {"int8", "I8", "|i1", "int8", "CharStorage", "int8", 8, WFS_KIND_INT},
    [WFS_F8_E5M2] = {"float8_e5m2", "F8_E5M2", "|V1", "float8_e5m2", NULL, "float8_e5m2", 8,
                     WFS_KIND_FLOAT},
    [WFS_F8_E4M3FN] = {"float8_e4m3fn", "F8_E4M3", "|V1", "float8_e4m3fn", NULL, "float8_e4m3fn", 8,
                       WFS_KIND_FLOAT},
    [WFS_F8_E8M0FNU] = {"float8_e8m0fnu", "F8_E8M0", "|V1", "float8_e8m0fnu", NULL,
                        "float8_e8m0fnu", 8, WFS_KIND_FLOAT},
    [WFS_F8_E4M3FNUZ] = {"float8_e4m3fnuz", "F8_E4M3FNUZ", "|V1", "float8_e4m3fnuz", NULL,
                         "float8_e4m3fnuz", 8, WFS_KIND_FLOAT},
    [WFS_F8_E5M2FNUZ] = {"float8_e5m2fnuz", "F8_E5M2FNUZ", "|V1", "float8_e5m2fnuz", NULL,
                         "float8_e5m2fnuz", 8, WFS_KIND_FLOAT},
    [WFS_I16] = {"int16", "I16", "<i2", "int16", "ShortStorage", "int16", 16, WFS_KIND_INT},
    [WFS_U16] = {"uint16", "U16", "<u2", "uint16", NULL, "uint16", 16, WFS_KIND_UINT},
    [WFS_F16] = {"float16", "F16", "<f2", "float16", "HalfStorage", "float16", 16, WFS_KIND_FLOAT},
    [WFS_BF16] = {"bfloat16", "BF16", "<V2", "bfloat16", "BFloat16Storage", "bfloat16", 16,
                  WFS_KIND_FLOAT},
    [WFS_I32] = {"int32", "I32", "<i4", "int32", "IntStorage", "int32", 32, WFS_KIND_INT},
    [WFS_U32] = {"uint32", "U32", "<u4", "uint32", NULL, "uint32", 32, WFS_KIND_UINT},
    [WFS_F32] = {"float32", "F32", "<f4", "float32", "FloatStorage", "float32", 32, WFS_KIND_FLOAT},
    [WFS_C64] = {"complex64", "C64", "<c8", "complex64", "ComplexFloatStorage", "complex64", 64,
                 WFS_KIND_COMPLEX},
    [WFS_F64] = {"float64", "F64", "<f8", "float64", "DoubleStorage", "float64", 64,
                 WFS_KIND_FLOAT},
    [WFS_I64] = {"int64", "I64", "<i8", "int64", "LongStorage", "int64", 64, WFS_KIND_INT},
    [WFS_U64] = {"uint64", "U64", "<u8", "uint64", NULL, "uint64", 64, WFS_KIND_UINT},
    [WFS_C32] = {"complex32", NULL, "<V4", "complex32", NULL, "complex32", 32, WFS_KIND_COMPLEX},
    [WFS_C128] = {"complex128", NULL, "<c16", "complex128", "ComplexDoubleStorage", "complex128",
                  128, WFS_KIND_COMPLEX},
    [WFS_QI8] = {"qint8", NULL, "|i1", "qint8", "QInt8Storage", NULL, 8, WFS_KIND_INT},
    [WFS_QU8] = {"quint8", NULL, "|u1", "quint8", "QUInt8Storage", NULL, 8, WFS_KIND_UINT},
    [WFS_QI32] = {"qint32", NULL, "<i4", "qint32", "QInt32Storage", NULL, 32, WFS_KIND_INT},
    [WFS_F4_E2M1_X2] = {"float4_e2m1fn_x2", NULL, "|V1", "float4_e2m1fn_x2", NULL, NULL, 8,
                        WFS_KIND_OPAQUE},
    [WFS_I2_BYTE] = {"int2", NULL, "|V1", NULL, NULL, "int2", 8, WFS_KIND_INT},
    [WFS_U2_BYTE] = {"uint2", NULL, "|V1", NULL, NULL, "uint2", 8, WFS_KIND_UINT},
    [WFS_I4_BYTE] = {"int4", NULL, "|V1", NULL, NULL, "int4", 8, WFS_KIND_INT},
    [WFS_U4_BYTE] = {"uint4", NULL, "|V1", NULL, NULL, "uint4", 8, WFS_KIND_UINT},
    [WFS_F4_E2M1_BYTE] = {"float4_e2m1fn", NULL, "|V1", NULL, NULL, "float4_e2m1fn", 8,
                          WFS_KIND_FLOAT},
    [WFS_F6_E2M3_BYTE] = {"float6_e2m3fn", NULL, "|V1", NULL, NULL, "float6_e2m3fn", 8,
                          WFS_KIND_FLOAT},
    [WFS_F6_E3M2_BYTE] = {"float6_e3m2fn", NULL, "|V1", NULL, NULL, "float6_e3m2fn", 8,
                          WFS_KIND_FLOAT},
    [WFS_F8_E3M4] = {"float8_e3m4", NULL, "|V1", NULL, NULL, "float8_e3m4", 8, WFS_KIND_FLOAT},
    [WFS_F8_E4M3] = {"float8_e4m3", NULL, "|V1", NULL, NULL, "float8_e4m3", 8, WFS_KIND_FLOAT},
    [WFS_F8_E4M3B11FNUZ] = {"float8_e4m3b11fnuz", NULL, "|V1", NULL, NULL, "float8_e4m3b11fnuz", 8,
                            WFS_KIND_FLOAT},
    [WFS_BITS8] = {"bits8", NULL, "|u1", "bits8", NULL, NULL, 8, WFS_KIND_OPAQUE},
    [WFS_BITS16] = {"bits16", NULL, "<u2", "bits16", NULL, NULL, 16, WFS_KIND_OPAQUE},
    [WFS_U1_PACKED] = {"uint1_packed", NULL, NULL, NULL, NULL, NULL, 1, WFS_KIND_UINT},
    [WFS_U2_PACKED] = {"uint2_packed", NULL, NULL, NULL, NULL, NULL, 2, WFS_KIND_UINT},
    [WFS_U3_PACKED] = {"uint3_packed", NULL, NULL, NULL, NULL, NULL, 3, WFS_KIND_UINT},
    [WFS_U4_PACKED] = {"uint4_packed", NULL, NULL, NULL, NULL, NULL, 4, WFS_KIND_UINT},
    [WFS_U5_PACKED] = {"uint5_packed", NULL, NULL, NULL, NULL, NULL, 5, WFS_KIND_UINT},
    [WFS_U6_PACKED] = {"uint6_packed", NULL, NULL, NULL, NULL, NULL, 6, WFS_KIND_UINT},
    [WFS_U7_PACKED] = {"uint7_packed", NULL, NULL, NULL, NULL, NULL, 7, WFS_KIND_UINT},
    /* ggml.h, ggml-common.h: block_q4_0 and so on. */
    [WFS_Q4_0] = {"q4_0", NULL, NULL, NULL, NULL, NULL, 144, WFS_KIND_OPAQUE, 32},
    [WFS_Q4_1] = {"q4_1", NULL, NULL, NULL, NULL, NULL, 160, WFS_KIND_OPAQUE, 32},
    [WFS_Q5_0] = {"q5_0", NULL, NULL, NULL, NULL, NULL, 176, WFS_KIND_OPAQUE, 32},
    [WFS_Q5_1] = {"q5_1", NULL, NULL, NULL, NULL, NULL, 192, WFS_KIND_OPAQUE, 32},
    [WFS_Q8_0] = {"q8_0", NULL, NULL, NULL, NULL, NULL, 272, WFS_KIND_OPAQUE, 32},
    [WFS_Q8_1] = {"q8_1", NULL, NULL, NULL, NULL, NULL, 288, WFS_KIND_OPAQUE, 32},
    [WFS_Q2_K] = {"q2_k", NULL, NULL, NULL, NULL, NULL, 672, WFS_KIND_OPAQUE, 256},
    [WFS_Q3_K] = {"q3_k", NULL, NULL, NULL, NULL, NULL, 880, WFS_KIND_OPAQUE, 256},
    [WFS_Q4_K] = {"q4_k", NULL, NULL, NULL, NULL, NULL, 1152, WFS_KIND_OPAQUE, 256},
    [WFS_Q5_K] = {"q5_k", NULL, NULL, NULL, NULL, NULL, 1408, WFS_KIND_OPAQUE, 256},
    [WFS_Q6_K] = {"q6_k", NULL, NULL, NULL, NULL, NULL, 1680, WFS_KIND_OPAQUE, 256},
    [WFS_Q8_K] = {"q8_k", NULL, NULL, NULL, NULL, NULL, 2336, WFS_KIND_OPAQUE, 256},
    [WFS_IQ2_XXS] = {"iq2_xxs", NULL, NULL, NULL, NULL, NULL, 528, WFS_KIND_OPAQUE, 256},
    [WFS_IQ2_XS] = {"iq2_xs", NULL, NULL, NULL, NULL, NULL, 592, WFS_KIND_OPAQUE, 256},
    [WFS_IQ3_XXS] = {"iq3_xxs", NULL, NULL, NULL, NULL, NULL, 784, WFS_KIND_OPAQUE, 256},
    [WFS_IQ1_S] = {"iq1_s", NULL, NULL, NULL, NULL, NULL, 400, WFS_KIND_OPAQUE, 256},
    [WFS_IQ4_NL] = {"iq4_nl", NULL, NULL, NULL, NULL, NULL, 144, WFS_KIND_OPAQUE, 32},
    [WFS_IQ3_S] = {"iq3_s", NULL, NULL, NULL, NULL, NULL, 880, WFS_KIND_OPAQUE, 256},
    [WFS_IQ2_S] = {"iq2_s", NULL, NULL, NULL, NULL, NULL, 656, WFS_KIND_OPAQUE, 256},
    [WFS_IQ4_XS] = {"iq4_xs", NULL, NULL, NULL, NULL, NULL, 1088, WFS_KIND_OPAQUE, 256},
    [WFS_IQ1_M] = {"iq1_m", NULL, NULL, NULL, NULL, NULL, 448, WFS_KIND_OPAQUE, 256},
    [WFS_TQ1_0] = {"tq1_0", NULL, NULL, NULL, NULL, NULL, 432, WFS_KIND_OPAQUE, 256},
    [WFS_TQ2_0] = {"tq2_0", NULL, NULL, NULL, NULL, NULL, 528, WFS_KIND_OPAQUE, 256},
    [WFS_MXFP4] = {"mxfp4", NULL, NULL, NULL, NULL, NULL, 136, WFS_KIND_OPAQUE, 32},
    [WFS_NVFP4] = {"nvfp4", NULL, NULL, NULL, NULL, NULL, 288, WFS_KIND_OPAQUE, 64},
    [WFS_Q1_0] = {"q1_0", NULL, NULL, NULL, NULL, NULL, 144, WFS_KIND_OPAQUE, 128},
};

/* Other names of torch.<name>; a pickle may hold any of them. */
static const struct {
    const char *name;
    enum wfs_dtype dtype;
} torch_aliases[] = {
    {"float", WFS_F32},    {"double", WFS_F64},    {"half", WFS_F16},      {"cfloat", WFS_C64},
    {"cdouble", WFS_C128}, {"chalf", WFS_C32},     {"int", WFS_I32},       {"long", WFS_I64},
    {"short", WFS_I16},    {"bits1x8", WFS_BITS8}, {"bits2x4", WFS_BITS8}, {"bits4x2", WFS_BITS8},
};

const struct wfs_dtype_info *wfs_dtype_info(enum wfs_dtype dtype)
{
    return &table[dtype];
}

/* `column`: the offset of a name in struct wfs_dtype_info. */
static bool find(const char *name, size_t column, enum wfs_dtype *ret)
{
    for (size_t i = 0; i < WFS_N_DTYPES; i++) {
        const char *cell;
        memcpy(&cell, (const char *)&table[i] + column, sizeof(cell));
        if (cell && strcmp(cell, name) == 0) {
            *ret = (enum wfs_dtype)i;
            return true;
        }
    }
    return false;
}

bool wfs_dtype_by_name(const char *name, enum wfs_dtype *ret)
{
    return find(name, offsetof(struct wfs_dtype_info, name), ret);
}

bool wfs_dtype_by_safetensors(const char *name, enum wfs_dtype *ret)
{
    return find(name, offsetof(struct wfs_dtype_info, safetensors), ret);
}

bool wfs_dtype_by_flax(const char *name, enum wfs_dtype *ret)
{
    return find(name, offsetof(struct wfs_dtype_info, flax), ret);
}

bool wfs_dtype_by_torch(const char *name, enum wfs_dtype *ret)
{
    if (find(name, offsetof(struct wfs_dtype_info, torch), ret))
        return true;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(torch_aliases); i++) {
        if (strcmp(torch_aliases[i].name, name) == 0) {
            *ret = torch_aliases[i].dtype;
            return true;
        }
    }
    return false;
}

bool wfs_dtype_by_torch_storage(const char *name, enum wfs_dtype *ret)
{
    return find(name, offsetof(struct wfs_dtype_info, torch_storage), ret);
}
