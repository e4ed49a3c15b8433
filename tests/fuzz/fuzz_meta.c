/* fuzz_meta.c - any bytes as the files of Meta's tensor-parallel ranks. */
#include "fuzz_folder.h"

FUZZ_FOLDER_TARGET(NULL, "consolidated.00.pth", "consolidated.01.pth")
