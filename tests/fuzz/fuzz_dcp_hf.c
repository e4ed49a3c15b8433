/* fuzz_dcp_hf.c - any bytes as the ranks' files of DCP's safetensors flavour. */
#include "fuzz_folder.h"

FUZZ_FOLDER_TARGET(NULL, "shard-00001-model-00001-of-00001.safetensors",
                   "shard-00002-model-00001-of-00001.safetensors")
