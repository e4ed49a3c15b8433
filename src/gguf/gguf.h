/*
 * gguf.h - what a GGUF file says beside its tensors: the key-value pairs that llama.cpp's converter
 * would write for a checkpoint, computed from its config.json, its tokenizer files and its tensors.
 *
 * A pure function of metadata: no tensor byte is read. What a key needs and the checkpoint does not
 * say is an error that names the file and the key, never a default that changes results.
 */
#ifndef WEIGHTFS_GGUF_GGUF_H
#define WEIGHTFS_GGUF_GGUF_H

#include "gguf/kv/kv.h"

#endif
