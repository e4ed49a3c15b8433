/*
 * fuzz_safetensors.c - any bytes as a safetensors file; and, so that mutations need not keep a
 * length right, the bytes after the first as the header of a file with as much data as the first
 * byte says.
 */
#include <string.h>

#include "fuzz_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan(&wfs_format_safetensors, data, size);
    if (size == 0)
        return 0;
    size_t n_data = data[0], len = 8 + (size - 1) + n_data;
    uint8_t *file = calloc(1, len);
    if (!file)
        return 0;
    wfs_store_u64le(file, size - 1);
    memcpy(file + 8, data + 1, size - 1);
    fuzz_scan(&wfs_format_safetensors, file, len);
    free(file);
    return 0;
}
