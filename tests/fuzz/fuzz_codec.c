/*
 * fuzz_codec.c - any bytes as a stored chunk of the index. The first says how large an element is,
 * the next two how long the chunk should be. The same bytes encoded come back as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/index/codec.h"
#include "bytes/bytes.h"

#define FUZZ_HEAD_BYTES 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(struct wfs_decoder *decoder, uint32_t elem_bytes, const uint8_t *data,
                   size_t size, size_t len)
{
    uint8_t *raw = malloc(len ? len : 1); /* of its own: a byte too many is seen */
    if (!raw)
        abort();
    wfs_decode_chunk(decoder, elem_bytes, data, size, raw, len);
    free(raw);
}

static void there_and_back(struct wfs_encoder *encoder, struct wfs_decoder *decoder,
                           uint32_t elem_bytes, const uint8_t *raw, size_t len)
{
    uint8_t *back = malloc(len ? len : 1);
    const uint8_t *stored = NULL;
    size_t n = wfs_encode_chunk(encoder, elem_bytes, raw, len, &stored);
    if (!back || n == 0 || !wfs_decode_chunk(decoder, elem_bytes, stored, n, back, len) ||
        memcmp(back, raw, len) != 0)
        abort();
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wfs_encoder *encoder;
    static struct wfs_decoder *decoder;
    if (!encoder)
        encoder = wfs_encoder_new();
    if (!decoder)
        decoder = wfs_decoder_new();
    if (!encoder || !decoder)
        abort();
    if (size < FUZZ_HEAD_BYTES || size > WFS_CODEC_CHUNK_BYTES)
        return 0;
    uint32_t elem_bytes = 1u << (data[0] & 3);
    size_t len = wfs_load_u16le(data + 1);
    data += FUZZ_HEAD_BYTES;
    size -= FUZZ_HEAD_BYTES;
    decode(decoder, elem_bytes, data, size, len);
    if (size)
        there_and_back(encoder, decoder, elem_bytes, data, size);
    return 0;
}
