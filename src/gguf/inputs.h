/*
 * inputs.h - what the keys of a GGUF file are computed from. Public to the stages above.
 */
#ifndef WEIGHTFS_GGUF_INPUTS_H
#define WEIGHTFS_GGUF_INPUTS_H

#include "gguf/kv/kv.h"
#include "source/source.h"

/* A tensor of the file. */
struct wfs_gguf_target {
    const char *name; /* "blk.0.attn_q.weight" */
    uint32_t ndim;
    const uint64_t *shape; /* outermost axis first, of logical elements */
};

struct wfs_gguf_inputs {
    struct wfs_arena *arena; /* of what is made */
    const struct wfs_catalog *catalog;
    const char *const *set; /* -o set=NAME=VALUE, NULL-terminated, or NULL */
    uint32_t
        file_type; /* general.file_type: what most tensors are (0 F32, 1 F16, 7 Q8_0, 32 BF16) */
    uint32_t n_targets; /* for general.size_label */
    const struct wfs_gguf_target *targets;
};

#endif
