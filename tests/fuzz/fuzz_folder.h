/*
 * fuzz_folder.h - a fuzzer's bytes as a checkpoint of several files: FUZZ_CUT stands between them,
 * since a length would not survive mutation. A file that has no bytes of its own is a copy of the
 * one before. The header of a safetensors file stands for the file: its length and data are added.
 */
#ifndef TESTS_FUZZ_FUZZ_FOLDER_H
#define TESTS_FUZZ_FUZZ_FOLDER_H

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_scan.h"

#define FUZZ_CUT         "\n--8<--\n"
#define FUZZ_DATA_BYTES  64u
#define FUZZ_FILES_MAX   8u
#define FUZZ_FOLDER_PATH 256

struct fuzz_folder {
    char dir[64];
    uint32_t n_files;
    const char *files[FUZZ_FILES_MAX]; /* relative; at most one folder deep */
};

struct fuzz_part {
    const uint8_t *data;
    size_t size;
};

static inline void fuzz_path(const struct fuzz_folder *folder, const char *name, char *ret)
{
    if (snprintf(ret, FUZZ_FOLDER_PATH, "%s/%s", folder->dir, name) >= FUZZ_FOLDER_PATH)
        abort();
}

/* In memory where there is such a place. */
static inline void fuzz_folder_make(struct fuzz_folder *folder)
{
    strcpy(folder->dir,
           access("/dev/shm", W_OK) ? "/tmp/fuzz-folder-XXXXXX" : "/dev/shm/fuzz-folder-XXXXXX");
    if (!mkdtemp(folder->dir))
        abort();
    for (uint32_t i = 0; i < folder->n_files; i++) {
        char path[FUZZ_FOLDER_PATH];
        const char *slash = strchr(folder->files[i], '/');
        fuzz_path(folder, folder->files[i], path);
        if (slash) {
            path[strlen(path) - strlen(slash)] = '\0';
            mkdir(path, 0700);
        }
    }
}

static inline void fuzz_folder_remove(struct fuzz_folder *folder)
{
    for (uint32_t i = 0; i < folder->n_files; i++) {
        char path[FUZZ_FOLDER_PATH];
        const char *slash = strchr(folder->files[i], '/');
        fuzz_path(folder, folder->files[i], path);
        remove(path);
        if (slash) {
            path[strlen(path) - strlen(slash)] = '\0';
            rmdir(path);
        }
    }
    rmdir(folder->dir);
}

static inline bool fuzz_is_header(const char *name, struct fuzz_part part)
{
    size_t len = strlen(name);
    return len > 12 && strcmp(name + len - 12, ".safetensors") == 0 && part.size &&
           part.data[0] == '{';
}

static inline void fuzz_write(const struct fuzz_folder *folder, const char *name,
                              struct fuzz_part part)
{
    static const uint8_t data[FUZZ_DATA_BYTES];
    char path[FUZZ_FOLDER_PATH];
    uint8_t length[8];
    bool is_header = fuzz_is_header(name, part);
    fuzz_path(folder, name, path);
    FILE *f = fopen(path, "wb");
    if (!f)
        abort();
    wfs_store_u64le(length, part.size);
    if ((is_header && fwrite(length, 1, sizeof(length), f) != sizeof(length)) ||
        fwrite(part.data, 1, part.size, f) != part.size ||
        (is_header && fwrite(data, 1, sizeof(data), f) != sizeof(data)) || fclose(f))
        abort();
}

static inline void fuzz_folder_write(const struct fuzz_folder *folder, const uint8_t *data,
                                     size_t size)
{
    struct fuzz_part part = {data, 0};
    for (uint32_t i = 0; i < folder->n_files; i++) {
        if (data) {
            const uint8_t *cut = memmem(data, size, FUZZ_CUT, strlen(FUZZ_CUT));
            part = (struct fuzz_part){data, cut ? (size_t)(cut - data) : size};
            size -= cut ? part.size + strlen(FUZZ_CUT) : size;
            data = cut ? cut + strlen(FUZZ_CUT) : NULL;
        }
        fuzz_write(folder, folder->files[i], part);
    }
}

/* Opens a file of the folder, or the folder itself (name NULL), and reads what is in it. */
static inline void fuzz_folder_open(const struct fuzz_folder *folder, const char *name)
{
    struct wfs_catalog *catalog = NULL;
    struct wfs_error err = {0};
    char path[FUZZ_FOLDER_PATH];
    fuzz_path(folder, name ? name : ".", path);
    if (!wfs_catalog_open(path, NULL, &catalog, &err))
        fuzz_read_tensors(catalog);
    else if (!err.code || !err.message[0] || catalog)
        abort(); /* a failure without a message */
    wfs_catalog_free(catalog);
}

/* What most targets are: these files, opened as `name` says. */
static inline void fuzz_folder_run(struct fuzz_folder *folder, const char *name,
                                   const uint8_t *data, size_t size, void (*at_exit)(void))
{
    if (!folder->dir[0]) {
        fuzz_folder_make(folder);
        atexit(at_exit);
    }
    fuzz_folder_write(folder, data, size);
    fuzz_folder_open(folder, name);
}

/* The target of a kind of folder. */
#define FUZZ_FOLDER_TARGET(NAME, ...)                                                              \
    static struct fuzz_folder folder = {.files = {__VA_ARGS__},                                    \
                                        .n_files = sizeof((const char *[]){__VA_ARGS__}) /         \
                                                   sizeof(const char *)};                          \
    static void remove_folder(void)                                                                \
    {                                                                                              \
        fuzz_folder_remove(&folder);                                                               \
    }                                                                                              \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                                  \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        fuzz_folder_run(&folder, NAME, data, size, remove_folder);                                 \
        return 0;                                                                                  \
    }

#endif
