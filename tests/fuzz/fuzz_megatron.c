/* fuzz_megatron.c - any bytes as the files of two tensor-parallel ranks of two pipeline stages. */
#include "fuzz_folder.h"

FUZZ_FOLDER_TARGET(NULL, "mp_rank_00_000/model_optim_rng.pt", "mp_rank_01_000/model_optim_rng.pt",
                   "mp_rank_00_001/model_optim_rng.pt", "mp_rank_01_001/model_optim_rng.pt")
