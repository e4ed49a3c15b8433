/* fuzz_msgpack.c - any bytes as a msgpack file. */
#include "fuzz_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_scan(&wfs_format_flax_msgpack, data, size);
    return 0;
}
