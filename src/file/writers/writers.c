/*
 * writers.c - the table of loader files: one row a format.
 */
#include <string.h>

#include "file/file.h"
#include "file/writers/gguf.h"
#include "file/writers/msgpack.h"
#include "file/writers/npz.h"
#include "file/writers/safetensors.h"
#include "file/writers/torch.h"

static const struct wfs_writer writers[] = {
    {
        .name = "safetensors",
        .file_name = "model.safetensors",
        .extensions = {".safetensors"},
        .refuses = wfs_safetensors_refuses,
        .plan = wfs_safetensors_plan,
    },
    {
        .name = "msgpack",
        .file_name = "flax_model.msgpack",
        .extensions = {".msgpack"},
        .refuses = wfs_msgpack_refuses,
        .plan = wfs_msgpack_plan,
    },
    {
        .name = "torch",
        .file_name = "pytorch_model.bin",
        .extensions = {".bin", ".pt", ".pth"},
        .refuses = wfs_torch_refuses,
        .plan = wfs_torch_plan,
    },
    {
        .name = "npz",
        .file_name = "tensors.npz",
        .extensions = {".npz"},
        .refuses = wfs_npz_refuses,
        .plan = wfs_npz_plan,
    },
    {
        .name = "gguf",
        .file_name = "model.gguf",
        .extensions = {".gguf"},
        .refuses = wfs_gguf_refuses,
        .plan = wfs_gguf_plan,
    },
};

const struct wfs_writer *wfs_writer(uint32_t i)
{
    return i < WFS_ARRAY_SIZE(writers) ? &writers[i] : NULL;
}

const struct wfs_writer *wfs_writer_by_name(const char *name)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(writers); i++)
        if (strcmp(writers[i].name, name) == 0 || strcmp(writers[i].file_name, name) == 0)
            return &writers[i];
    return NULL;
}

const struct wfs_writer *wfs_writer_by_extension(const char *file_name)
{
    const char *dot = strrchr(file_name, '.');
    for (size_t i = 0; dot && i < WFS_ARRAY_SIZE(writers); i++)
        for (size_t e = 0; e < WFS_WRITER_EXTENSIONS && writers[i].extensions[e]; e++)
            if (strcmp(writers[i].extensions[e], dot) == 0)
                return &writers[i];
    return NULL;
}

int wfs_writers_check(const char *const *names, const char *view, struct wfs_error *err)
{
    for (; names && *names; names++)
        if (!wfs_writer_by_name(*names))
            return wfs_error_set(err, EINVAL, "view %s: files %s: there is no such loader file",
                                 view, *names);
    return 0;
}
