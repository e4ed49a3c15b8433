/*
 * sentencepiece.c - see sentencepiece.h. The numbers of fields are those of sentencepiece_model.proto.
 */
#include "gguf/tokenizer/read/sentencepiece.h"

#include <stdlib.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
/* Ten groups of seven bits hold 64. */
#define VARINT_MAX_BYTES 10

/* A message, or part of one: [pos, end) of the file. */
struct message {
    const char *name;
    const uint8_t *data;
    size_t pos, end;
};
struct field {
    uint64_t number;
    uint32_t wire;
    uint64_t value; /* WIRE_VARINT, and the bits of WIRE_32 and WIRE_64 */
    size_t off;     /* WIRE_BYTES: value bytes from here */
};

static int fail(const struct message *m, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: byte %zu: %s", m->name, m->pos, what);
}

static int take_varint(struct message *m, uint64_t *ret, struct wfs_error *err)
{
    uint64_t v = 0;
    for (int i = 0; i < VARINT_MAX_BYTES; i++) {
        if (m->pos == m->end)
            return fail(m, err, "the SentencePiece model is cut off in a number");
        uint8_t byte = m->data[m->pos++];
        v |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *ret = v;
            return 0;
        }
    }
    return fail(m, err, "a number of more than ten bytes: no SentencePiece model");
}

static int take_fixed(struct message *m, size_t n, uint64_t *ret, struct wfs_error *err)
{
    if (m->end - m->pos < n)
        return fail(m, err, "the SentencePiece model is cut off in a number");
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint64_t)m->data[m->pos + i] << 8 * i;
    m->pos += n;
    return 0;
}

static int take_bytes(struct message *m, struct field *f, struct wfs_error *err)
{
    int r = take_varint(m, &f->value, err);
    if (r)
        return r;
    if (f->value > m->end - m->pos)
        return fail(
            m, err,
            "a field that is longer than what it lies in: the SentencePiece model is cut off");
    f->off = m->pos;
    m->pos += (size_t)f->value;
    return 0;
}

static int take_field(struct message *m, struct field *ret, struct wfs_error *err)
{
    uint64_t key;
    int r = take_varint(m, &key, err);
    if (r)
        return r;
    *ret = (struct field){.number = key >> 3, .wire = key & 7};
    switch (ret->wire) {
    case WIRE_VARINT:
        return take_varint(m, &ret->value, err);
    case WIRE_64:
        return take_fixed(m, 8, &ret->value, err);
    case WIRE_32:
        return take_fixed(m, 4, &ret->value, err);
    case WIRE_BYTES:
        return take_bytes(m, ret, err);
    default:
        return fail(m, err, "no field of a protobuf message: no SentencePiece model");
    }
}

static struct message inside(const struct message *m, const struct field *f)
{
    return (struct message){
        .name = m->name, .data = m->data, .pos = f->off, .end = f->off + (size_t)f->value};
}

static struct wfs_gguf_str text_of(const struct message *m, const struct field *f)
{
    return (struct wfs_gguf_str){(const char *)m->data + f->off, (size_t)f->value};
}

/* ---- what is asked for --------------------------------------------------------------------- */

static int take_piece(struct wfs_sentencepiece *sp, struct message m, struct wfs_error *err)
{
    size_t need = (size_t)sp->n_pieces + 1, begin = m.pos;
    if (need > INT32_MAX)
        return fail(&m, err, "more than 2^31 - 1 pieces");
    if (wfs_grow(&sp->pieces, &sp->pieces_cap, need, sizeof(*sp->pieces)) ||
        wfs_grow(&sp->scores, &sp->scores_cap, need, sizeof(*sp->scores)) ||
        wfs_grow(&sp->types, &sp->types_cap, need, sizeof(*sp->types)))
        return wfs_error_nomem(err, "the pieces of a SentencePiece model");
    struct wfs_gguf_str piece = {"", 0};
    uint32_t bits = 0;
    uint64_t type = WFS_PIECE_NORMAL;
    while (m.pos < m.end) {
        struct field f;
        int r = take_field(&m, &f, err);
        if (r)
            return r;
        if (f.number == 1 && f.wire == WIRE_BYTES)
            piece = text_of(&m, &f);
        else if (f.number == 2 && f.wire == WIRE_32)
            bits = (uint32_t)f.value;
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            type = f.value;
    }
    m.pos = begin;
    if (piece.len == 0 || !wfs_utf8_valid(piece.ptr, piece.len))
        return fail(&m, err, piece.len ? "a piece that is not valid UTF-8" : "an empty piece");
    if (type < WFS_PIECE_NORMAL || type > WFS_PIECE_BYTE)
        return fail(&m, err, "a piece of no known type");
    sp->pieces[sp->n_pieces] = piece;
    memcpy(&sp->scores[sp->n_pieces], &bits, sizeof(bits));
    sp->types[sp->n_pieces++] = (uint8_t)type;
    return 0;
}

static int take_trainer(struct wfs_sentencepiece *sp, struct message m, struct wfs_error *err)
{
    int r = 0;
    while (!r && m.pos < m.end) {
        struct field f;
        r = take_field(&m, &f, err);
        if (!r && f.number == 3 && f.wire == WIRE_VARINT)
            sp->model = f.value;
    }
    return r;
}

static int take_normalizer(struct wfs_sentencepiece *sp, struct message m, struct wfs_error *err)
{
    int r = 0;
    while (!r && m.pos < m.end) {
        struct field f;
        r = take_field(&m, &f, err);
        if (r)
            break;
        if (f.number == 2 && f.wire == WIRE_BYTES)
            sp->charsmap = text_of(&m, &f);
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            sp->adds_dummy_prefix = f.value != 0;
        else if (f.number == 4 && f.wire == WIRE_VARINT)
            sp->removes_extra_whitespaces = f.value != 0;
    }
    return r;
}

static int check(const char *name, const struct wfs_sentencepiece *sp, struct wfs_error *err)
{
    wfs_cleanup(wfs_text_index_free) struct wfs_text_index index = {0};
    uint32_t first, second;
    if (!sp->n_pieces)
        return wfs_error_set(err, EINVAL, "%s: a SentencePiece model without pieces", name);
    int r = wfs_text_index_build(&index, sp->pieces, sp->n_pieces, &first, &second);
    if (r == -ENOMEM)
        return wfs_error_nomem(err, name);
    if (r)
        return wfs_error_set(err, EINVAL, "%s: the pieces %u and %u are the same text", name, first,
                             second);
    return 0;
}

int wfs_sentencepiece_parse(const char *name, struct wfs_gguf_str file,
                            struct wfs_sentencepiece *ret, struct wfs_error *err)
{
    struct message m = {.name = name, .data = (const uint8_t *)file.ptr, .end = file.len};
    *ret = (struct wfs_sentencepiece){.model = WFS_SENTENCEPIECE_UNIGRAM,
                                      .adds_dummy_prefix = true,
                                      .removes_extra_whitespaces = true};
    int r = 0;
    while (!r && m.pos < m.end) {
        struct field f;
        r = take_field(&m, &f, err);
        if (r || f.wire != WIRE_BYTES)
            continue;
        if (f.number == 1)
            r = take_piece(ret, inside(&m, &f), err);
        else if (f.number == 2)
            r = take_trainer(ret, inside(&m, &f), err);
        else if (f.number == 3)
            r = take_normalizer(ret, inside(&m, &f), err);
    }
    return r ? r : check(name, ret, err);
}

void wfs_sentencepiece_free(struct wfs_sentencepiece *sp)
{
    free(sp->pieces);
    free(sp->scores);
    free(sp->types);
    *sp = (struct wfs_sentencepiece){0};
}
