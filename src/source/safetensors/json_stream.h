/*
 * json_stream.h - a pull parser for JSON in a byte range: one pass, a fixed buffer, no tree. Public to
 * the stages above. What it takes is strict RFC 8259: UTF-8 without a BOM, no raw control characters, no lone
 * surrogates, no leading zeros, nothing after the value but white space.
 *
 * Use: open, then next/string/uint/skip in the order the caller's grammar asks for, then end, then
 * close (also after a failure). Every function returns 0 or -errno with a message that names the
 * file and the byte.
 */
#ifndef WEIGHTFS_SOURCE_SAFETENSORS_JSON_STREAM_H
#define WEIGHTFS_SOURCE_SAFETENSORS_JSON_STREAM_H

#include "bytes/bytes.h"

/* How deep a value that nobody wants may nest; the reference reader's limit is near. */
#define WFS_JSON_MAX_DEPTH 128

struct wfs_json {
    struct wfs_cursor *cur;
    void *hash;          /* XXH3 state over every byte taken */
    uint8_t *chunk;      /* taken from the cursor, not yet parsed */
    size_t pos, len;     /* in chunk */
    uint64_t chunk_off;  /* offset of chunk[0] in the file */
    struct wfs_buf text; /* the last string, where it did not lie in the chunk as it is */
};

/* Begins at bytes[off, off + len). */
int wfs_json_open(struct wfs_json *js, struct wfs_bytes *bytes, uint64_t off, uint64_t len,
                  struct wfs_error *err);
void wfs_json_close(struct wfs_json *js);

/* Skips white space and shows the next byte without taking it; -EINVAL at the end. */
int wfs_json_peek(struct wfs_json *js, uint8_t *ret, struct wfs_error *err);
/* Offset in the file of the next byte to be parsed: after wfs_json_peek, where a value begins. */
static inline uint64_t wfs_json_tell(const struct wfs_json *js)
{
    return js->chunk_off + js->pos;
}
/* Takes the next byte that is not white space; it must be `want`. */
int wfs_json_expect(struct wfs_json *js, char want, struct wfs_error *err);
/* Between the members of an object or array: takes ',' (*ret_more) or `close` (not more). With
 * is_first nothing but `close` is taken. */
int wfs_json_more(struct wfs_json *js, bool is_first, char close, bool *ret_more,
                  struct wfs_error *err);
/* A string, decoded: valid UTF-8, may hold NUL. Valid until the next call. */
int wfs_json_string(struct wfs_json *js, const char **ret, size_t *ret_len, struct wfs_error *err);
/* An integer of 0 to 2^64 - 1; no sign, fraction or exponent. */
int wfs_json_uint(struct wfs_json *js, uint64_t *ret, struct wfs_error *err);
/* The word `null`. */
int wfs_json_null(struct wfs_json *js, struct wfs_error *err);
/* Any value, checked and forgotten. */
int wfs_json_skip(struct wfs_json *js, struct wfs_error *err);
/* Nothing but white space is left. */
int wfs_json_end(struct wfs_json *js, struct wfs_error *err);
/* Of all bytes taken so far; after wfs_json_end: of the range. */
struct wfs_hash wfs_json_hash(const struct wfs_json *js);

/* "FILE: byte N: ..." at the next byte to be parsed. */
int wfs_json_fail(const struct wfs_json *js, struct wfs_error *err, const char *fmt, ...)
    WFS_PRINTF(3, 4);

#endif
