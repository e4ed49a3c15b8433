/*
 * fuzz_gguf.c - any bytes as a GGUF file; and, so that mutations need not keep counts right, the bytes
 * after the first three as the keys and the descriptions of as many tensors as the first bytes say.
 */
#include <string.h>

#include "fuzz_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan(&wfs_format_gguf, data, size);
    if (size < 3)
        return 0;
    /* Behind the description stands enough for a few small tensors. */
    size_t n_data = (size_t)(data[2] >> 1) * 16, len = 24 + (size - 3) + n_data;
    bool is_big_endian = data[2] & 1;
    uint8_t *file = calloc(1, len);
    if (!file)
        return 0;
    memcpy(file, "GGUF", 4);
    file[is_big_endian ? 7 : 4] = 3;
    file[is_big_endian ? 15 : 8] = data[0] & 7;
    file[is_big_endian ? 23 : 16] = data[1] & 7;
    memcpy(file + 24, data + 3, size - 3);
    fuzz_scan(&wfs_format_gguf, file, len);
    free(file);
    return 0;
}
