/*
 * test_gguf_tokenizer_faults.c - the tokenizer's keys while memory runs out: -ENOMEM with a message, or
 * what there is with all memory, never something else; and SHA-256. What the keys are is compared with
 * the converter's in tests/cli/test_gguf_tokenizer.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gguf/tokenizer/tokenizer.h"
#include "gguf/tokenizer/pre/sha256.h"

#include "failing_alloc.h"

/* ---- SHA-256 ------------------------------------------------------------------------------- */

static void check_sha256(const void *data, size_t len, const char *want)
{
    char hex[65];
    wfs_sha256_hex(data, len, hex);
    assert_string_equal(hex, want);
}

/* The examples of FIPS 180, and lengths around the ends of blocks. */
static void test_sha256__known_texts(void **state)
{
    (void)state;
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static const struct {
        size_t n;
        const char *hash;
    } as[] = {{55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
              {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
              {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
              {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
              {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
              {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
              {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
              {1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
    check_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256(two, strlen(two),
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *letters = malloc(1000000);
    assert_non_null(letters);
    memset(letters, 'a', 1000000);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(as); i++)
        check_sha256(letters, as[i].n, as[i].hash);
    free(letters);
}

/* ---- memory that runs out ------------------------------------------------------------------ */

/* A checkpoint of files in memory. */
struct source {
    struct wfs_side_file files[4];
    struct wfs_catalog catalog;
    json_t *config;
    struct wfs_gguf_tokenizer_inputs in;
};

static void add_file(struct source *s, const char *name, const void *data, size_t len)
{
    struct wfs_side_file *file = &s->files[s->catalog.n_side_files++];
    *file = (struct wfs_side_file){.name = name, .path = name};
    assert_int_equal(wfs_bytes_from_memory(name, data, len, &file->bytes, NULL), 0);
}

static void open_source(struct source *s, const char *arch, const char *const *set)
{
    *s = (struct source){.config = json_loads("{\"vocab_size\": 8}", 0, NULL)};
    assert_non_null(s->config);
    s->catalog.side_files = s->files;
    s->in = (struct wfs_gguf_tokenizer_inputs){.catalog = &s->catalog,
                                               .config = s->config,
                                               .hparams = s->config,
                                               .arch = arch,
                                               .class_name = "X",
                                               .set = set};
}

static void close_source(struct source *s)
{
    for (uint32_t i = 0; i < s->catalog.n_side_files; i++)
        wfs_bytes_unref(s->files[i].bytes);
    json_decref(s->config);
}

/* The keys, encoded into *ret. */
static int keys(const struct source *s, struct wfs_buf *ret, struct wfs_error *err)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_gguf_kv *kv = arena ? wfs_gguf_kv_new(arena) : NULL;
    int r = kv ? wfs_gguf_tokenizer(kv, &s->in, err) : wfs_error_nomem(err, "keys");
    if (!r)
        r = wfs_gguf_kv_encode(kv, ret);
    if (r == -ENOMEM)
        wfs_error_nomem(err, "keys");
    wfs_arena_free(arena);
    return r;
}

/* `want` is the result with all memory; where that is a refusal, its message. */
static void fail_each(const struct source *s, int want_r, const struct wfs_buf *want,
                      const char *message, bool once)
{
    for (long n = 0, left = 0; left == 0; n++) {
        wfs_cleanup(wfs_buf_free) struct wfs_buf got = {0};
        struct wfs_error err = {0};
        fail_once = once;
        allocations_left = n;
        int r = keys(s, &got, &err);
        left = allocations_left > 0;
        allocations_left = -1;
        if (r == -ENOMEM && err.message[0])
            continue;
        if (r != want_r || (r && strcmp(err.message, message) != 0) ||
            (!r && (got.len != want->len || memcmp(got.data, want->data, got.len) != 0)))
            fail_msg("%d \"%s\" where allocation %ld fails", r, err.message, n);
    }
}

static void check_faults(const struct source *s, int want_r)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf want = {0};
    struct wfs_error err = {0};
    int r = keys(s, &want, &err);
    if (r != want_r)
        fail_msg("%d \"%s\"", r, err.message);
    fail_each(s, r, &want, err.message, true);
    fail_each(s, r, &want, err.message, false);
}

static const char bpe[] =
    "{\"added_tokens\": [{\"id\": 5, \"content\": \"<s>\", \"special\": true}, {\"id\": 6, "
    "\"content\": \"x\"}],"
    "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
    "\"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"<s>\", 5], \"sep\": "
    "[\"<s>\", 5]},"
    "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a "
    "b\", [\"a c\", \"b\"]]}}";
static const char config[] =
    "{\"bos_token\": \"<s>\", \"tokenizer_class\": \"X\", \"chat_template\": "
    "[{\"name\": \"default\", \"template\": \"t\"}, {\"name\": \"a\", \"template\": \"u\"}]}";

static void test_faults__bpe(void **state)
{
    (void)state;
    static const char *const set[] = {"tokenizer.pre=qwen2", NULL};
    struct source s;
    open_source(&s, "qwen3", set);
    add_file(&s, "tokenizer.json", bpe, strlen(bpe));
    add_file(&s, "tokenizer_config.json", config, strlen(config));
    check_faults(&s, 0);
    close_source(&s);
}

/* The check itself: its vocabulary lacks bytes, which every run must say that has the memory. */
static void test_faults__pre_tokenizer(void **state)
{
    (void)state;
    struct source s;
    open_source(&s, "qwen3", NULL);
    add_file(&s, "tokenizer.json", bpe, strlen(bpe));
    add_file(&s, "tokenizer_config.json", config, strlen(config));
    check_faults(&s, -EINVAL);
    close_source(&s);
}

static void test_faults__sentencepiece(void **state)
{
    (void)state;
    static const char model[] = "\x0a\x05\x0a\x03<s>\x0a\x03\x0a\x01"
                                "a\x0a\x03\x0a\x01\x62";
    static const char added[] =
        "{\"added_tokens_decoder\": {\"3\": {\"content\": \"\xe2\x96\x81x\"}}, \"a\": 1}";
    struct source s;
    open_source(&s, "llama", NULL);
    add_file(&s, "tokenizer.model", model, sizeof(model) - 1);
    add_file(&s, "tokenizer_config.json", added, strlen(added));
    add_file(&s, "chat_template.jinja", "one\r\n", 5);
    add_file(&s, "additional_chat_templates/two.jinja", "two", 3);
    check_faults(&s, 0);
    close_source(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256__known_texts), cmocka_unit_test(test_faults__bpe),
        cmocka_unit_test(test_faults__pre_tokenizer), cmocka_unit_test(test_faults__sentencepiece)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
