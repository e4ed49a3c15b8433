/*
 * weight_names.c - which files of a model's folder hold weights, of any format, also of those that
 * weightfs does not read: a second copy of the weights or a stale index beside a view makes loaders
 * load twice or drop tensors, so none of them may pass through. Names decide where they are
 * telling; the first bytes decide elsewhere.
 */
#include "source/directory.h"

#include <fnmatch.h>
#include <string.h>

static const struct {
    const char *pattern;
    unsigned flags;
} names[] = {
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
    /* Weights in formats that weightfs reads or will say that it was built without. */
    {"*.safetensors", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.bin", WFS_NAME_WEIGHTS | WFS_NAME_READ | WFS_NAME_VAGUE},
    {"*.pt", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.pth", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.pt.tar", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.pth.tar", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.ckpt", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.msgpack", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.npz", WFS_NAME_WEIGHTS | WFS_NAME_READ},
    {"*.npy", WFS_NAME_WEIGHTS | WFS_NAME_READ | WFS_NAME_VAGUE},
    /* Weights of the others. */
    {"*.h5", WFS_NAME_WEIGHTS},
    {"*.hdf5", WFS_NAME_WEIGHTS},
    {"*.keras", WFS_NAME_WEIGHTS},
    {"*.gguf", WFS_NAME_WEIGHTS},
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

unsigned wfs_weight_name_flags(const char *name)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(names); i++)
        if (fnmatch(names[i].pattern, name, FNM_CASEFOLD) == 0)
            return names[i].flags;
    return 0;
}

/* First bytes of formats that weightfs has no reader for, or whose reader may be left out. */
static const struct {
    size_t off;
    const char *bytes;
    size_t len;
} magics[] = {
    {0, "\x89HDF\r\n\x1a\n", 8},
    {0, "GGUF", 4},
    {0, "ggml", 4},
    {0, "lmgg", 4},
    {0, "tjgg", 4},
    {0, "\x93NUMPY", 6},
    {4, "TFL3", 4},
    {0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15},
};

/* The name of a ZIP archive's first member, as its local header has it. */
static bool zip_holds_weights(const uint8_t *head, size_t len)
{
    static const char *const endings[] = {"data.pkl", ".npy", ".weights.h5"};
    if (len < 30 || memcmp(head, "PK\3\4", 4) != 0)
        return false;
    size_t n = wfs_load_u16le(head + 26);
    if (n > len - 30)
        return false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(endings); i++) {
        size_t k = strlen(endings[i]);
        if (n >= k && memcmp(head + 30 + n - k, endings[i], k) == 0)
            return true;
    }
    return false;
}

int wfs_weight_content(struct wfs_bytes *bytes, bool *ret_is_weights, struct wfs_error *err)
{
    uint8_t head[WFS_PROBE_BYTES];
    size_t len = (size_t)wfs_min_u64(sizeof(head), bytes->size_bytes);
    int r = wfs_bytes_read(bytes, head, len, 0, err);
    if (r)
        return r;
    bool is_weights = zip_holds_weights(head, len);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(magics); i++)
        is_weights |= magics[i].off + magics[i].len <= len &&
                      memcmp(head + magics[i].off, magics[i].bytes, magics[i].len) == 0;
    for (const struct wfs_format *const *f = wfs_formats(); *f; f++)
        is_weights |= (*f)->probe(head, len, bytes->size_bytes);
    *ret_is_weights = is_weights;
    return 0;
}
