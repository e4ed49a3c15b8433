/* fuzz_npz.c - any bytes as a npz file. */
#include "fuzz_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan(&wfs_format_npz, data, size);
    return 0;
}
