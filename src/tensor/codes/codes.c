/*
 * codes.c - all families of block codes as one table.
 */
#include "tensor/codes/codes.h"

#include <stdio.h>

#include "tensor/codes/float4.h"
#include "tensor/codes/i.h"
#include "tensor/codes/k.h"
#include "tensor/codes/legacy.h"
#include "tensor/codes/ternary.h"

static const struct wfs_code_family *const families[] = {
    &wfs_codes_legacy, &wfs_codes_k, &wfs_codes_i, &wfs_codes_float4, &wfs_codes_ternary,
};

const struct wfs_code *wfs_code_of(enum wfs_dtype dtype)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(families); i++)
        for (size_t k = 0; k < families[i]->n; k++)
            if (families[i]->rows[k].dtype == dtype)
                return &families[i]->rows[k];
    return NULL;
}

struct wfs_hash wfs_code_key(const char *verb, const struct wfs_code *code, enum wfs_dtype to,
                             const struct wfs_expr *in)
{
    struct {
        char verb[8], code[16], to[16];
        uint64_t version;
        struct wfs_hash in;
    } key = {.version = code->version, .in = wfs_expr_hash(in)};
    snprintf(key.verb, sizeof(key.verb), "%s", verb);
    snprintf(key.code, sizeof(key.code), "%s", wfs_dtype_info(code->dtype)->name);
    snprintf(key.to, sizeof(key.to), "%s", wfs_dtype_info(to)->name);
    return wfs_hash_bytes(&key, sizeof(key));
}
