/* fuzz_torch.c - any bytes as a PyTorch file of the kind that its first bytes tell, else a ZIP. */
#include "fuzz_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wfs_format *const formats[] = {&wfs_format_torch_legacy,
                                                       &wfs_format_torch_tar};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(formats); i++) {
        if (formats[i]->probe(data, size < WFS_PROBE_BYTES ? size : WFS_PROBE_BYTES, size)) {
            fuzz_scan(formats[i], data, size);
            return 0;
        }
    }
    fuzz_scan(&wfs_format_torch_zip, data, size);
    return 0;
}
