/*
 * gguf_texts.h - the files that a GGUF source's keys make for other loaders: tokenizer.json and
 * tokenizer_config.json, in the views whose names a Hugging Face directory has.
 */
#ifndef WEIGHTFS_TREE_CONTENTS_GGUF_TEXTS_H
#define WEIGHTFS_TREE_CONTENTS_GGUF_TEXTS_H

#include "tree/nodes/builder.h"

/* After the loader files, before what is passed through: a file of that name beside the source is shown
 * instead. */
int wfs_tree_add_gguf_texts(struct wfs_tree_builder *b, uint32_t dir, uint32_t plan,
                            struct wfs_error *err);

#endif
