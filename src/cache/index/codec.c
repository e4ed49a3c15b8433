/*
 * codec.c - byte planes and zstd.
 *
 * The level is far below zstd's fast ones, with Huffman forced: planes have skewed bytes and no
 * repeats worth searching for, so this is faster than level 1 both ways and no larger. What does
 * repeat (zeros, constants) is still found.
 */
#include "cache/index/codec.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "bytes/bytes.h"

#define LEVEL (-50)
/* ZSTD_c_literalCompressionMode = ZSTD_ps_enable, by the names that the stable header has. */
#define LITERALS_PARAMETER ZSTD_c_experimentalParam5
#define LITERALS_HUFFMAN   1
#define PLANE_RAW          (UINT32_C(1) << 31)
/* A plane that saves less than 1/32 is not worth decoding. */
#define WORTH_SHARE 32u
/* Chunks are the largest thing that is decoded: 2^19. */
#define WINDOW_LOG_MAX 19

struct wfs_encoder {
    ZSTD_CCtx *zstd;
    uint8_t planes[WFS_CODEC_CHUNK_BYTES];
    uint8_t out[WFS_CODEC_CHUNK_BYTES + WFS_CODEC_MAX_ELEM * 4];
};

struct wfs_decoder {
    ZSTD_DCtx *zstd;
    uint8_t planes[WFS_CODEC_CHUNK_BYTES];
};

struct wfs_encoder *wfs_encoder_new(void)
{
    struct wfs_encoder *encoder = malloc(sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->zstd = ZSTD_createCCtx();
    if (!encoder->zstd) {
        free(encoder);
        return NULL;
    }
    ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, LEVEL);
    /* A zstd library that does not know this parameter compresses less; that is no failure. */
    (void)ZSTD_CCtx_setParameter(encoder->zstd, LITERALS_PARAMETER, LITERALS_HUFFMAN);
    return encoder;
}

void wfs_encoder_free(struct wfs_encoder *encoder)
{
    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->zstd);
    free(encoder);
}

struct wfs_decoder *wfs_decoder_new(void)
{
    struct wfs_decoder *decoder = malloc(sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->zstd = ZSTD_createDCtx();
    if (!decoder->zstd) {
        free(decoder);
        return NULL;
    }
    ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return decoder;
}

void wfs_decoder_free(struct wfs_decoder *decoder)
{
    if (!decoder)
        return;
    ZSTD_freeDCtx(decoder->zstd);
    free(decoder);
}

/* ---- planes -------------------------------------------------------------------------------- */

static void split2(const uint8_t *raw, uint8_t *planes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x = wfs_load_u16le(raw + 2 * i);
        x = (uint16_t)(x << 1 | x >> 15);
        planes[i] = (uint8_t)x;
        planes[n + i] = (uint8_t)(x >> 8);
    }
}

static void join2(const uint8_t *planes, uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t x = (uint16_t)(planes[i] | planes[n + i] << 8);
        x = (uint16_t)(x >> 1 | x << 15);
        memcpy(raw + 2 * i, &(uint8_t[2]){(uint8_t)x, (uint8_t)(x >> 8)}, 2);
    }
}

static void split4(const uint8_t *raw, uint8_t *planes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x = wfs_load_u32le(raw + 4 * i);
        x = x << 1 | x >> 31;
        planes[i] = (uint8_t)x;
        planes[n + i] = (uint8_t)(x >> 8);
        planes[2 * n + i] = (uint8_t)(x >> 16);
        planes[3 * n + i] = (uint8_t)(x >> 24);
    }
}

static void join4(const uint8_t *planes, uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t x = (uint32_t)planes[i] | (uint32_t)planes[n + i] << 8 |
                     (uint32_t)planes[2 * n + i] << 16 | (uint32_t)planes[3 * n + i] << 24;
        wfs_store_u32le(raw + 4 * i, x >> 1 | x << 31);
    }
}

static void split8(const uint8_t *raw, uint8_t *planes, size_t n)
{
    for (size_t plane = 0; plane < 8; plane++)
        for (size_t i = 0; i < n; i++)
            planes[plane * n + i] = raw[8 * i + plane];
}

static void join8(const uint8_t *planes, uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t plane = 0; plane < 8; plane++)
            raw[8 * i + plane] = planes[plane * n + i];
}

static void split(uint32_t elem_bytes, const uint8_t *raw, uint8_t *planes, size_t n)
{
    if (elem_bytes == 2)
        split2(raw, planes, n);
    else if (elem_bytes == 4)
        split4(raw, planes, n);
    else if (elem_bytes == 8)
        split8(raw, planes, n);
    else
        memcpy(planes, raw, n);
}

static void join(uint32_t elem_bytes, const uint8_t *planes, uint8_t *raw, size_t n)
{
    if (elem_bytes == 2)
        join2(planes, raw, n);
    else if (elem_bytes == 4)
        join4(planes, raw, n);
    else if (elem_bytes == 8)
        join8(planes, raw, n);
    else
        memcpy(raw, planes, n);
}

static bool elem_is_known(uint32_t elem_bytes)
{
    return elem_bytes == 1 || elem_bytes == 2 || elem_bytes == 4 || elem_bytes == 8;
}

/* ---- chunks -------------------------------------------------------------------------------- */

/* Writes one plane and returns its length as the header has it. A frame that would not be smaller
 * than the plane does not fit the room it is given, and zstd says so. */
static uint32_t put_plane(struct wfs_encoder *encoder, const uint8_t *plane, size_t n, uint8_t *out)
{
    size_t room = n - n / WORTH_SHARE;
    size_t stored = ZSTD_compress2(encoder->zstd, out, room, plane, n);
    if (!ZSTD_isError(stored))
        return (uint32_t)stored;
    memcpy(out, plane, n);
    return (uint32_t)n | PLANE_RAW;
}

size_t wfs_encode_chunk(struct wfs_encoder *encoder, uint32_t elem_bytes, const uint8_t *raw,
                        size_t len, const uint8_t **ret_data)
{
    if (!elem_is_known(elem_bytes) || len == 0 || len > WFS_CODEC_CHUNK_BYTES)
        return 0;
    size_t n = len / elem_bytes, at = 4u * elem_bytes;
    split(elem_bytes, raw, encoder->planes, n);
    for (uint32_t plane = 0; plane < elem_bytes; plane++) {
        uint32_t length = put_plane(encoder, encoder->planes + plane * n, n, encoder->out + at);
        wfs_store_u32le(encoder->out + 4 * plane, length);
        at += length & ~PLANE_RAW;
    }
    size_t tail = len - n * elem_bytes;
    memcpy(encoder->out + at, raw + len - tail, tail);
    *ret_data = encoder->out;
    return at + tail;
}

static bool get_plane(struct wfs_decoder *decoder, const uint8_t *data, uint32_t length,
                      uint8_t *plane, size_t n)
{
    size_t stored = length & ~PLANE_RAW;
    if (length & PLANE_RAW) {
        if (stored != n)
            return false;
        memcpy(plane, data, n);
        return true;
    }
    return ZSTD_getFrameContentSize(data, stored) == n &&
           ZSTD_decompressDCtx(decoder->zstd, plane, n, data, stored) == n;
}

bool wfs_decode_chunk(struct wfs_decoder *decoder, uint32_t elem_bytes, const uint8_t *data,
                      size_t data_len, uint8_t *raw, size_t len)
{
    if (!elem_is_known(elem_bytes) || len == 0 || len > WFS_CODEC_CHUNK_BYTES)
        return false;
    size_t n = len / elem_bytes, tail = len - n * elem_bytes, at = 4u * elem_bytes;
    if (data_len < at + tail)
        return false;
    size_t end = data_len - tail;
    for (uint32_t plane = 0; plane < elem_bytes; plane++) {
        uint32_t length = wfs_load_u32le(data + 4 * plane);
        size_t stored = length & ~PLANE_RAW;
        if (stored > end - at ||
            !get_plane(decoder, data + at, length, decoder->planes + plane * n, n))
            return false;
        at += stored;
    }
    if (at != end)
        return false;
    join(elem_bytes, decoder->planes, raw, n);
    memcpy(raw + len - tail, data + end, tail);
    return true;
}

struct wfs_hash wfs_block_checksum(const struct wfs_block_key *key, const uint8_t *raw,
                                   uint64_t len)
{
    struct wfs_hash inner = wfs_hash_bytes(raw, (size_t)len);
    uint8_t text[2 * sizeof inner.bytes + 8];
    memcpy(text, key->hash.bytes, sizeof inner.bytes);
    wfs_store_u64le(text + sizeof inner.bytes, key->number);
    memcpy(text + sizeof inner.bytes + 8, inner.bytes, sizeof inner.bytes);
    return wfs_hash_bytes(text, sizeof text);
}

struct wfs_hash wfs_fact_checksum(const char *kind, const struct wfs_hash *hash, const void *value,
                                  size_t size_bytes)
{
    struct wfs_hash parts[3] = {wfs_hash_bytes(kind, strlen(kind)), *hash,
                                wfs_hash_bytes(value, size_bytes)};
    return wfs_hash_bytes(parts, sizeof parts);
}
