/* fuzz_index.c - any bytes as an index of shards; the shards are of any format. */
#include "fuzz_folder.h"

FUZZ_FOLDER_TARGET("model.safetensors.index.json", "model.safetensors.index.json", "1.safetensors",
                   "2.safetensors")
