/*
 * weight_names.c - which files of a model's folder hold weights, of any format, also of those that
 * weightfs does not read: a second copy of the weights or a stale index beside a view makes loaders
 * load twice or drop tensors, so none of them may pass through. Names decide where they are
 * telling; the first bytes decide elsewhere (weight_content.c).
 */
#include "source/folder/weight_names.h"

#include <fnmatch.h>
#include <string.h>

#include "source/formats.h"
#include "source/paths.h"

struct row {
    const char *pattern;
    unsigned flags;
};

/* Names that say more than the format of a file. The first row that matches counts. */
static const struct row special[] = {
    /* Never weights, whatever their ending. */
    {"tokenizer*.bin", 0},
    {"vocab*.bin", 0},
    {"tokenizer*.model", 0},
    /* What trainers leave beside the weights. */
    {"training_args.bin", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"optimizer*.pt", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"optimizer*.bin", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"scheduler*.pt", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"scheduler*.bin", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"scaler*.pt", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"rng_state*.pth", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    {"random_states*.pkl", WFS_NAME_WEIGHTS | WFS_NAME_STATE},
    /* Indices. */
    {"*.index.json", WFS_NAME_INDEX | WFS_NAME_READ},
    {"*.index.*.json", WFS_NAME_INDEX | WFS_NAME_READ},
    {"*.weights.json", WFS_NAME_INDEX},
    {"*.index", WFS_NAME_INDEX},
    {".metadata", WFS_NAME_INDEX},
};

/* Formats that weightfs has no reader for. */
static const struct row foreign[] = {
    {"*.h5", WFS_NAME_WEIGHTS},
    {"*.hdf5", WFS_NAME_WEIGHTS},
    {"*.keras", WFS_NAME_WEIGHTS},
    {"*.ggml", WFS_NAME_WEIGHTS},
    {"*.ggmf", WFS_NAME_WEIGHTS},
    {"*.llamafile", WFS_NAME_WEIGHTS},
    {"*.onnx", WFS_NAME_WEIGHTS},
    {"*.onnx_data*", WFS_NAME_WEIGHTS},
    {"*.onnx.data", WFS_NAME_WEIGHTS},
    {"*.ort", WFS_NAME_WEIGHTS},
    {"*.pb", WFS_NAME_WEIGHTS},
    {"*.tflite", WFS_NAME_WEIGHTS},
    {"*.mlmodel", WFS_NAME_WEIGHTS},
    {"*.ot", WFS_NAME_WEIGHTS},
    {"*.params", WFS_NAME_WEIGHTS},
    {"*.pdparams", WFS_NAME_WEIGHTS},
    {"*.pdiparams", WFS_NAME_WEIGHTS},
    {"*.caffemodel", WFS_NAME_WEIGHTS},
    {"*.nemo", WFS_NAME_WEIGHTS},
    {"*.mar", WFS_NAME_WEIGHTS},
    {"*.pte", WFS_NAME_WEIGHTS},
    {"*.engine", WFS_NAME_WEIGHTS},
    {"*.t7", WFS_NAME_WEIGHTS},
    {"*.dduf", WFS_NAME_WEIGHTS},
    {"*.distcp", WFS_NAME_WEIGHTS},
    {"*.data-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]", WFS_NAME_WEIGHTS},
};

static bool matches(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
}

static const struct row *find_row(const struct row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (matches(rows[i].pattern, name))
            return &rows[i];
    return NULL;
}

static bool matches_any(const char *const *patterns, const char *name)
{
    for (; patterns && *patterns; patterns++)
        if (matches(*patterns, name))
            return true;
    return false;
}

/* A sharp name of any format counts before a vague one. */
static unsigned flags_of_formats(const char *name)
{
    unsigned flags = 0;
    for (const struct wfs_format *const *f = wfs_formats(); *f; f++) {
        if (matches_any((*f)->names, name))
            return WFS_NAME_WEIGHTS | WFS_NAME_READ;
        if (matches_any((*f)->vague_names, name))
            flags = WFS_NAME_WEIGHTS | WFS_NAME_READ | WFS_NAME_VAGUE;
    }
    return flags;
}

unsigned wfs_weight_name_flags(const char *name)
{
    const struct row *row = find_row(special, WFS_ARRAY_SIZE(special), name);
    unsigned flags = row ? row->flags : flags_of_formats(name);
    if (!row && !flags)
        row = find_row(foreign, WFS_ARRAY_SIZE(foreign), name);
    return row ? row->flags : flags;
}

bool wfs_source_is_index(const char *path)
{
    const unsigned want = WFS_NAME_INDEX | WFS_NAME_READ;
    return (wfs_weight_name_flags(wfs_source_base_name(path)) & want) == want;
}
