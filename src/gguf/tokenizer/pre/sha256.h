/*
 * sha256.h - SHA-256 (FIPS 180-4) of a text in memory: llama.cpp's converter compares tokenizers by it.
 * Not for secrets.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_PRE_SHA256_H
#define WEIGHTFS_GGUF_TOKENIZER_PRE_SHA256_H

#include "base/base.h"

/* 64 lowercase hex digits and a NUL. */
void wfs_sha256_hex(const void *data, size_t len, char ret_hex[65]);

#endif
