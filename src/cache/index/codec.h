/*
 * codec.h - a block's bytes as the index stores them, in chunks of at most WFS_CODEC_CHUNK_BYTES.
 *
 * A chunk is its elements byte by byte, each byte position a PLANE of its own:
 *
 *   u32 LE length of plane 0 .. elem_bytes - 1 (top bit set: stored as it is)
 *   plane 0 | plane 1 | ...           each one zstd frame, or the plane itself
 *   the last len % elem_bytes bytes   as they are
 *
 * Elements of 2 and 4 bytes are rotated left by one bit first, so that the exponent of bf16 and f32
 * fills the highest plane. Refused when decoding: lengths that do not add up, a frame that does not
 * declare exactly the plane's size, or gives another.
 *
 * Why planes: exponents of weights compress to a third, mantissas not at all. One frame a plane
 * gives each its own Huffman table whatever the block's size, and makes mantissas a memcpy.
 * Measured (one core, N(0, .02), 512 KiB chunks): bf16 .68 at .85 GB/s in and 2.6 out; f32 .84 at
 * 1.5 and 4; int8 .88 at 1.2 and 1.6.
 */
#ifndef WEIGHTFS_CACHE_INDEX_CODEC_H
#define WEIGHTFS_CACHE_INDEX_CODEC_H

#include "cache/pool/pool.h"

#define WFS_CODEC_CHUNK_BYTES (512u << 10)
#define WFS_CODEC_MAX_ELEM    8u

/* Neither is thread-safe: every user has one of its own. An encoder takes about 1.5 MiB of memory,
 * a decoder 0.7 MiB. */
struct wfs_encoder;
struct wfs_decoder;

struct wfs_encoder *wfs_encoder_new(void); /* NULL when out of memory */
void wfs_encoder_free(struct wfs_encoder *encoder);
/* Encodes one chunk; elem_bytes 1, 2, 4 or 8. *ret_data is the encoder's until the next call.
 * 0: zstd failed (out of memory). */
size_t wfs_encode_chunk(struct wfs_encoder *encoder, uint32_t elem_bytes, const uint8_t *raw,
                        size_t len, const uint8_t **ret_data);

struct wfs_decoder *wfs_decoder_new(void);
void wfs_decoder_free(struct wfs_decoder *decoder);
/* True where data[0..data_len) is a chunk of exactly len bytes. */
bool wfs_decode_chunk(struct wfs_decoder *decoder, uint32_t elem_bytes, const uint8_t *data,
                      size_t data_len, uint8_t *raw, size_t len);

/* The checksum covers the key as well as the raw bytes: the bytes of another block are as bad as
 * damaged ones. */
struct wfs_hash wfs_block_checksum(const struct wfs_block_key *key, const uint8_t *raw,
                                   uint64_t len);
struct wfs_hash wfs_fact_checksum(const char *kind, const struct wfs_hash *hash, const void *value,
                                  size_t size_bytes);

#endif
