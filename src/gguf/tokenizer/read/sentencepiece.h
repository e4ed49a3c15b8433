/*
 * sentencepiece.h - a SentencePiece model: a protobuf message ModelProto with the pieces (field 1),
 * the trainer's settings (2) and the normalizer's (3). Fields that are not asked for are passed over.
 *
 * Refused: a message that is cut off or whose lengths contradict each other, a number of more than ten
 * bytes, a wire type that protobuf does not have, a piece that is no UTF-8, empty or there twice.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_READ_SENTENCEPIECE_H
#define WEIGHTFS_GGUF_TOKENIZER_READ_SENTENCEPIECE_H

#include "gguf/tokenizer/read/texts.h"

/* SentencePiece.Type */
enum wfs_piece_type {
    WFS_PIECE_NORMAL = 1,
    WFS_PIECE_UNKNOWN,
    WFS_PIECE_CONTROL,
    WFS_PIECE_USER_DEFINED,
    WFS_PIECE_UNUSED,
    WFS_PIECE_BYTE,
};
/* TrainerSpec.ModelType */
enum wfs_sentencepiece_model {
    WFS_SENTENCEPIECE_UNIGRAM = 1,
    WFS_SENTENCEPIECE_BPE = 2,
};

struct wfs_sentencepiece {
    uint32_t n_pieces;
    struct wfs_gguf_str *pieces; /* in the file's bytes */
    float *scores;
    uint8_t *types; /* enum wfs_piece_type */
    uint64_t model; /* enum wfs_sentencepiece_model */
    bool adds_dummy_prefix, removes_extra_whitespaces;
    struct wfs_gguf_str charsmap; /* precompiled; len 0: none */
    size_t pieces_cap, scores_cap, types_cap;
};

/* `file` must stay; *ret is to be freed also after a failure. */
int wfs_sentencepiece_parse(const char *name, struct wfs_gguf_str file,
                            struct wfs_sentencepiece *ret, struct wfs_error *err);
void wfs_sentencepiece_free(struct wfs_sentencepiece *sp);

#endif
