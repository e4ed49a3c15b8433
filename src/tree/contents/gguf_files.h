/*
 * gguf_files.h - the GGUF files of a view of GGUF's names: model.gguf and one for each type.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_GGUF_FILES_H
#define WEIGHTFS_TREE_CONTENTS_GGUF_FILES_H

#include "tree/nodes/builder.h"

/* Those that every view lists; -o files=all: of all types. Where there can be none, or one of a type
 * cannot be, the report says why. */
int wfs_tree_add_gguf_files(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                            struct wfs_error *err);

#endif
