/*
 * file_types.c - see file_types.h.
 */
#include "gguf/tensors/file_types.h"

#include <string.h>
#include <strings.h>

#define TYPE(type, of, listed, converters)                                                         \
    {                                                                                              \
#type, "model-" #type ".gguf", WFS_GGUF_FTYPE_##type, WFS_##of, listed, converters         \
    }

static const struct wfs_gguf_file_type file_types[] = {
    TYPE(F32, F32, true, true),         TYPE(F16, F16, true, true),
    TYPE(BF16, BF16, true, true),       TYPE(Q8_0, Q8_0, true, true),
    TYPE(Q4_0, Q4_0, true, false),      TYPE(Q4_1, Q4_1, false, false),
    TYPE(Q5_0, Q5_0, false, false),     TYPE(Q5_1, Q5_1, false, false),
    TYPE(Q2_K, Q2_K, false, false),     TYPE(Q3_K_S, Q3_K, false, false),
    TYPE(Q3_K_M, Q3_K, false, false),   TYPE(Q3_K_L, Q3_K, false, false),
    TYPE(Q4_K_S, Q4_K, false, false),   TYPE(Q4_K_M, Q4_K, false, false),
    TYPE(Q5_K_S, Q5_K, false, false),   TYPE(Q5_K_M, Q5_K, false, false),
    TYPE(Q6_K, Q6_K, false, false),     TYPE(IQ4_NL, IQ4_NL, false, false),
    TYPE(IQ4_XS, IQ4_XS, false, false), TYPE(MXFP4_MOE, MXFP4, false, false),
};

/* llama-quantize takes these for others. */
static const struct {
    const char *name;
    enum wfs_gguf_ftype ftype;
} short_names[] = {
    {"Q3_K", WFS_GGUF_FTYPE_Q3_K_M},
    {"Q4_K", WFS_GGUF_FTYPE_Q4_K_M},
    {"Q5_K", WFS_GGUF_FTYPE_Q5_K_M},
};

const struct wfs_gguf_file_type *wfs_gguf_file_type(uint32_t i)
{
    return i < WFS_ARRAY_SIZE(file_types) ? &file_types[i] : NULL;
}

const struct wfs_gguf_file_type *wfs_gguf_file_type_of(enum wfs_gguf_ftype ftype)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(file_types); i++)
        if (file_types[i].ftype == ftype)
            return &file_types[i];
    return NULL;
}

static bool is_name(const char *name, const char *s, size_t len)
{
    return strlen(name) == len && strncasecmp(name, s, len) == 0;
}

const struct wfs_gguf_file_type *wfs_gguf_file_type_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(file_types); i++)
        if (is_name(file_types[i].name, name, len))
            return &file_types[i];
    for (size_t i = 0; i < WFS_ARRAY_SIZE(short_names); i++)
        if (is_name(short_names[i].name, name, len))
            return wfs_gguf_file_type_of(short_names[i].ftype);
    return NULL;
}

/* "Q4_K_M", "IQ2_XXS", "TQ1_0", "Q4" */
static bool looks_like_type(const char *name, size_t len)
{
    size_t prefix = len && strchr("iItT", name[0]) ? 1 : 0;
    return len > prefix + 1 && strchr("qQ", name[prefix]) && name[prefix + 1] >= '0' &&
           name[prefix + 1] <= '9';
}

bool wfs_gguf_file_type_in_name(const char *file_name, const struct wfs_gguf_file_type **ret)
{
    size_t len = strlen(file_name), suffix = strlen(".gguf"), begin;
    *ret = NULL;
    if (len <= suffix || strcmp(file_name + len - suffix, ".gguf") != 0)
        return true;
    len -= suffix;
    for (begin = len; begin > 0 && !strchr("-./", file_name[begin - 1]);)
        begin--;
    if (begin == 0 || file_name[begin - 1] == '/')
        return true;
    *ret = wfs_gguf_file_type_by_name(file_name + begin, len - begin);
    return *ret || !looks_like_type(file_name + begin, len - begin);
}
