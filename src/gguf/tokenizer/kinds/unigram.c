/*
 * unigram.c - see unigram.h.
 */
#include "gguf/tokenizer/kinds/unigram.h"

#include <string.h>

#include "gguf/tokenizer/kinds/spm.h"
#include "gguf/tokenizer/special/special.h"

/* fairseq's own four, which stand before the pieces of an XLM-RoBERTa. */
#define N_FAIRSEQ 4

/* tokens[3], tokens[4], ... become tokens[4], tokens[5], ...: fairseq's four take the place of three
 * pieces, and the last token is dropped. */
static int put_fairseq_first(const char *name, struct wfs_vocabulary *v, struct wfs_error *err)
{
    static const char *const first[N_FAIRSEQ] = {"<s>", "<pad>", "</s>", "<unk>"};
    if (v->n < N_FAIRSEQ)
        return wfs_error_set(err, EINVAL, "%s: %u pieces are no vocabulary of an XLM-RoBERTa", name,
                             v->n);
    for (uint32_t i = v->n - 1; i >= N_FAIRSEQ; i--) {
        v->tokens[i] = v->tokens[i - 1];
        v->scores[i] = v->scores[i - 1];
        v->types[i] = v->types[i - 1];
    }
    for (uint32_t i = 0; i < N_FAIRSEQ; i++) {
        v->tokens[i] = wfs_gguf_text(first[i]);
        v->scores[i] = 0;
        v->types[i] = i == 3 ? WFS_TOKEN_UNKNOWN : WFS_TOKEN_CONTROL;
    }
    return 0;
}

static int make(const struct wfs_tokenizer_files *files, const char *name, bool is_xlmr,
                struct wfs_sentencepiece *sp, struct wfs_vocabulary *v, struct wfs_error *err)
{
    uint32_t n = files->vocab_size;
    int r = wfs_spm_read(files, name, sp, err);
    if (!r && sp->model != WFS_SENTENCEPIECE_UNIGRAM)
        r = wfs_error_set(err, EINVAL, "%s: no Unigram model, and llama.cpp's 't5' is one", name);
    if (!r && is_xlmr && sp->n_pieces > n)
        n = sp->n_pieces;
    if (!r)
        r = wfs_spm_vocabulary(files, name, sp, n, v, err);
    return !r && is_xlmr ? put_fairseq_first(name, v, err) : r;
}

static int put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files, const char *name,
               bool is_xlmr, struct wfs_error *err)
{
    wfs_cleanup(wfs_sentencepiece_free) struct wfs_sentencepiece sp = {0};
    struct wfs_vocabulary v = {0};
    struct wfs_special_tokens tokens;
    uint32_t n_types = 0;
    int r = make(files, name, is_xlmr, &sp, &v, err);
    if (!r && is_xlmr)
        r = wfs_tokenizer_number(files, "type_vocab_size", 1, &n_types, err);
    if (!r)
        r = wfs_special_read(files, v.n, &tokens, err);
    if (r)
        return r;
    wfs_vocabulary_put(kv, "t5", "default", &v, true);
    wfs_gguf_put_bool(kv, "tokenizer.ggml.add_space_prefix", sp.adds_dummy_prefix);
    if (is_xlmr)
        wfs_gguf_put_u32(kv, "tokenizer.ggml.token_type_count", n_types);
    wfs_gguf_put_bool(kv, "tokenizer.ggml.remove_extra_whitespaces", sp.removes_extra_whitespaces);
    if (sp.charsmap.len)
        wfs_gguf_put_array(kv, "tokenizer.ggml.precompiled_charsmap", WFS_GGUF_U8, sp.charsmap.len,
                           sp.charsmap.ptr);
    return wfs_special_put(kv, files, &tokens, err);
}

int wfs_t5_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
               struct wfs_error *err)
{
    bool has_model = wfs_side_has(files->in->catalog, WFS_TOKENIZER_MODEL);
    return put(kv, files, has_model ? WFS_TOKENIZER_MODEL : "spiece.model", false, err);
}

int wfs_xlmr_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                 struct wfs_error *err)
{
    return put(kv, files, "sentencepiece.bpe.model", true, err);
}
