/*
 * test_gguf_back.c - tokenizer.json of a GGUF file's keys: what is refused, and what is written where keys
 * are lacking. That ids are llama.cpp's is for tests/loaders/test_gguf_tokenizer_back.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/back/back.h"

static struct wfs_arena *arena;
static struct wfs_gguf_kv *kv;

static void put_list(const char *key, const char *const *texts, size_t n)
{
    struct wfs_gguf_str strs[8];
    for (size_t i = 0; i < n; i++)
        strs[i] = (struct wfs_gguf_str){texts[i], strlen(texts[i])};
    wfs_gguf_put_array(kv, key, WFS_GGUF_STR, n, strs);
}

/* A vocabulary of four tokens, which a test spoils or completes. */
static void start(const char *model)
{
    static const char *const tokens[] = {"<unk>", "a", "b", "ab"};
    static const int32_t types[] = {2, 1, 1, 1};
    static const float scores[] = {0, -2, -3, -1};
    wfs_arena_freep(&arena);
    arena = wfs_arena_new();
    assert_non_null(arena);
    kv = wfs_gguf_kv_new(arena);
    assert_non_null(kv);
    wfs_gguf_put_str(kv, "tokenizer.ggml.model", model);
    wfs_gguf_put_str(kv, "tokenizer.ggml.pre", "qwen2");
    put_list("tokenizer.ggml.tokens", tokens, 4);
    wfs_gguf_put_array(kv, "tokenizer.ggml.token_type", WFS_GGUF_I32, 4, types);
    wfs_gguf_put_array(kv, "tokenizer.ggml.scores", WFS_GGUF_F32, 4, scores);
}

static void refuse(const char *words)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    struct wfs_error err = {0};
    if (wfs_tokenizer_back_json(kv, &out, &err) == 0)
        fail_msg("not refused, and it was to say \"%s\"", words);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static json_t *parsed(int (*make)(const struct wfs_gguf_kv *, struct wfs_buf *, struct wfs_error *))
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf out = {0};
    struct wfs_error err = {0};
    json_error_t at;
    if (make(kv, &out, &err))
        fail_msg("%s", err.message);
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        fail_msg("line %d: %s in\n%s", at.line, at.text, out.data);
    return root;
}

static void test_back__refusals(void **state)
{
    (void)state;
    static const char *const twice[] = {"a", "b", "a", "c"}, *const invalid[] = {"a", "\xff", "b",
                                                                                 "c"};
    static const char *const merges[] = {"a b", "ab"}, *const blanks[] = {"a b c"};
    const float scores[] = {0, -1, NAN, -2};
    start("rwkv");
    refuse("tokenizer.ggml.model: 'rwkv'");
    start("gpt2");
    wfs_gguf_put_str(kv, "tokenizer.ggml.pre", "nobody's");
    refuse("tokenizer.ggml.pre: how 'nobody's' cuts text");
    start("gpt2");
    put_list("tokenizer.ggml.tokens", twice, 4);
    refuse("0 and 2 are the same text");
    start("gpt2");
    put_list("tokenizer.ggml.tokens", invalid, 4);
    refuse("number 1 is not valid UTF-8");
    start("gpt2");
    wfs_gguf_put_u32(kv, "tokenizer.ggml.tokens", 1);
    refuse("tokenizer.ggml.tokens: no list of texts");
    start("gpt2");
    put_list("tokenizer.ggml.tokens", merges, 2);
    refuse("tokenizer.ggml.token_type: not one of each");
    start("gpt2");
    put_list("tokenizer.ggml.token_type", twice, 4);
    refuse("tokenizer.ggml.token_type: not one of each");
    start("gpt2");
    put_list("tokenizer.ggml.merges", merges, 2);
    refuse("tokenizer.ggml.merges: number 1 is no pair");
    start("gpt2");
    put_list("tokenizer.ggml.merges", blanks, 1);
    refuse("tokenizer.ggml.merges: number 0 is no pair");
    start("gpt2");
    wfs_gguf_put_bool(kv, "tokenizer.ggml.add_bos_token", true);
    refuse("tokenizer.ggml.bos_token_id: no token");
    start("t5");
    wfs_gguf_put_array(kv, "tokenizer.ggml.scores", WFS_GGUF_F32, 4, scores);
    refuse("tokenizer.ggml.scores: number 2");
    start("bert");
    refuse("tokenizer.ggml.bos_token_id: no token");
}

/* "ab" may be made of "a" and "b"; token 0 is the unknown one, whatever the keys do not say. */
static void test_back__merges_of_scores(void **state)
{
    (void)state;
    start("llama");
    json_t *root = parsed(wfs_tokenizer_back_json), *model = json_object_get(root, "model");
    json_t *merges = json_object_get(model, "merges");
    assert_int_equal(json_array_size(merges), 1);
    assert_string_equal(json_string_value(json_array_get(json_array_get(merges, 0), 0)), "a");
    assert_string_equal(json_string_value(json_array_get(json_array_get(merges, 0), 1)), "b");
    assert_string_equal(json_string_value(json_object_get(model, "unk_token")), "<unk>");
    assert_int_equal(json_array_size(json_object_get(root, "added_tokens")), 1);
    json_decref(root);
}

/* Control characters, quotes and what is no ASCII come through. */
static void test_back__texts_are_escaped(void **state)
{
    (void)state;
    static const char *const tokens[] = {"\"\\", "\n\x01", "\xf0\x9f\x9a\x80", "ab"};
    start("gpt2");
    put_list("tokenizer.ggml.tokens", tokens, 4);
    wfs_gguf_put_str(kv, "tokenizer.chat_template", "\"\n");
    wfs_gguf_put_u32(kv, "tokenizer.ggml.eos_token_id", 1);
    wfs_gguf_put_u32(kv, "tokenizer.ggml.bos_token_id", 4);
    json_t *root = parsed(wfs_tokenizer_back_json), *config = parsed(wfs_tokenizer_back_config);
    json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(json_integer_value(json_object_get(vocab, tokens[i])), i);
    assert_string_equal(json_string_value(json_object_get(config, "chat_template")), "\"\n");
    assert_string_equal(json_string_value(json_object_get(config, "eos_token")), "\n\x01");
    /* An id without a token is none. */
    assert_null(json_object_get(config, "bos_token"));
    json_decref(root);
    json_decref(config);
}

static void test_back__named_templates(void **state)
{
    (void)state;
    static const char *const names[] = {"rag", "tool"};
    start("gpt2");
    wfs_gguf_put_str(kv, "tokenizer.chat_template", "d");
    wfs_gguf_put_str(kv, "tokenizer.chat_template.rag", "r");
    put_list("tokenizer.chat_templates", names, 2);
    json_t *config = parsed(wfs_tokenizer_back_config);
    char *text = json_dumps(json_object_get(config, "chat_template"), JSON_COMPACT);
    assert_string_equal(text, "[{\"name\":\"default\",\"template\":\"d\"},"
                              "{\"name\":\"rag\",\"template\":\"r\"}]");
    free(text);
    json_decref(config);
    wfs_arena_freep(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_back__refusals),
                                       cmocka_unit_test(test_back__merges_of_scores),
                                       cmocka_unit_test(test_back__texts_are_escaped),
                                       cmocka_unit_test(test_back__named_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
