/*
 * fuzz_pickle.c - any bytes as a pickle. What was parsed is walked, since every node must be whole.
 */
#include <stdlib.h>

#include "source/torch/pickle/pickle.h"

#define FUZZ_MAX_VISITS 100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void visit(const struct wfs_node *node, unsigned depth, unsigned *visits)
{
    if (!node || depth > 64 || (*visits)++ > FUZZ_MAX_VISITS)
        return;
    uint32_t n = 0;
    switch (node->kind) {
    case WFS_NODE_STR:
    case WFS_NODE_BYTES:
    case WFS_NODE_LONG:
        /* Text ends with a NUL, which is read, too. */
        for (uint64_t i = 0; node->str->data && i < node->str->len + (node->kind == WFS_NODE_STR);
             i++)
            sink += (uint8_t)node->str->data[i];
        break;
    case WFS_NODE_DICT:
        n = 2 * node->n;
        break;
    case WFS_NODE_TUPLE:
    case WFS_NODE_LIST:
    case WFS_NODE_SET:
    case WFS_NODE_PERSID:
        n = node->n;
        break;
    case WFS_NODE_CALL:
        visit(node->call->callee, depth + 1, visits);
        visit(node->call->args, depth + 1, visits);
        visit(node->call->state, depth + 1, visits);
        visit(node->call->items, depth + 1, visits);
        visit(node->call->entries, depth + 1, visits);
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < n; i++)
        visit(node->items[i], depth + 1, visits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_cursor *cur = malloc(sizeof(*cur));
    struct wfs_bytes *bytes = NULL;
    struct wfs_pickle pickle;
    struct wfs_error err = {0};
    unsigned visits = 0;
    if (arena && cur && !wfs_bytes_from_memory("fuzz", data, size, &bytes, &err) &&
        !wfs_cursor_init(cur, bytes, 0, size, &err)) {
        if (!wfs_pickle_parse(arena, cur, &pickle, &err))
            visit(pickle.root, 0, &visits);
        else if (!err.message[0])
            abort(); /* a failure without a message */
    }
    wfs_bytes_unref(bytes);
    wfs_arena_free(arena);
    free(cur);
    return 0;
}
