/* fuzz_dcp.c - any bytes as the metadata of a torch.distributed.checkpoint folder, and its files.
 */
#include "fuzz_folder.h"

FUZZ_FOLDER_TARGET(NULL, ".metadata", "__0_0.distcp", "__1_0.distcp")
