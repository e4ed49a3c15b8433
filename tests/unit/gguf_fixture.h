/*
 * gguf_fixture.h - GGUF files put together field by field, right ones and wrong ones, in either byte
 * order.
 */
#ifndef TESTS_UNIT_GGUF_FIXTURE_H
#define TESTS_UNIT_GGUF_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Large enough for every file of these tests. */
#define GGUF_FILE_MAX 65536

struct gguf {
    bool is_big_endian;
    size_t len;
    uint8_t data[GGUF_FILE_MAX];
};

enum gguf_type { G_U8, G_I8, G_U16, G_I16, G_U32, G_I32, G_F32, G_BOOL, G_STR, G_ARR, G_U64 };

static inline void g_number(struct gguf *g, unsigned n_bytes, uint64_t value)
{
    for (unsigned i = 0; i < n_bytes; i++)
        g->data[g->len++] = (uint8_t)(value >> 8 * (g->is_big_endian ? n_bytes - 1 - i : i));
}

static inline void g_text(struct gguf *g, const char *text)
{
    g_number(g, 8, strlen(text));
    memcpy(g->data + g->len, text, strlen(text));
    g->len += strlen(text);
}

static inline void g_start(struct gguf *g, bool is_big_endian, uint32_t version, uint64_t n_tensors,
                           uint64_t n_keys)
{
    memset(g, 0, sizeof(*g));
    g->is_big_endian = is_big_endian;
    memcpy(g->data, "GGUF", 4);
    g->len = 4;
    g_number(g, 4, version);
    g_number(g, 8, n_tensors);
    g_number(g, 8, n_keys);
}

static inline void g_key(struct gguf *g, const char *name, uint32_t type)
{
    g_text(g, name);
    g_number(g, 4, type);
}

static inline void g_key_u32(struct gguf *g, const char *name, uint32_t value)
{
    g_key(g, name, G_U32);
    g_number(g, 4, value);
}

static inline void g_key_text(struct gguf *g, const char *name, const char *value)
{
    g_key(g, name, G_STR);
    g_text(g, value);
}

/* The sizes as the file has them: the fastest axis first. */
static inline void g_tensor(struct gguf *g, const char *name, uint32_t n_axes,
                            const uint64_t *sizes, uint32_t type, uint64_t off)
{
    g_text(g, name);
    g_number(g, 4, n_axes);
    for (uint32_t i = 0; i < n_axes; i++)
        g_number(g, 8, sizes[i]);
    g_number(g, 4, type);
    g_number(g, 8, off);
}

/* Pads to the alignment and adds n bytes of 0, 1, 2, ... */
static inline void g_data(struct gguf *g, size_t alignment, size_t n)
{
    g->len = (g->len + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < n; i++)
        g->data[g->len++] = (uint8_t)i;
}

#define SIZES(...)                                                                                 \
    sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[])                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#endif
