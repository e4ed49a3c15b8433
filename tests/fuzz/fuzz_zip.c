/*
 * fuzz_zip.c - any bytes as a ZIP. A member that is found lies inside the archive, and no two
 * members share a byte.
 */
#include <stdlib.h>

#include "source/archive/zip.h"

#define FUZZ_READ_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_member(struct wfs_zip *zip, struct wfs_zip_member *member)
{
    struct wfs_bytes *bytes = NULL;
    struct wfs_error err = {0};
    uint8_t buf[FUZZ_READ_MAX];
    uint64_t off = 0;
    if (wfs_zip_find(zip, member->name) != member)
        abort();
    if (wfs_zip_data(zip, member, &bytes, &off, &err))
        return;
    if (bytes == zip->bytes &&
        (off < member->header_off || off + member->size_bytes > member->limit_off))
        abort();
    size_t len = (size_t)wfs_min_u64(sizeof(buf), member->size_bytes);
    if (wfs_bytes_read(bytes, buf, len, off, &err) && bytes == zip->bytes)
        abort(); /* what is stored is there */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wfs_arena *arena = wfs_arena_new();
    struct wfs_bytes *bytes = NULL;
    struct wfs_zip *zip = NULL;
    struct wfs_error err = {0};
    if (arena && !wfs_bytes_from_memory("fuzz", data, size, &bytes, &err)) {
        if (wfs_zip_open(arena, bytes, 0, size, &zip, &err)) {
            if (!err.message[0])
                abort();
        } else {
            for (uint32_t i = 0; i < zip->n_members; i++)
                read_member(zip, &zip->members[i]);
        }
    }
    wfs_arena_free(arena);
    wfs_bytes_unref(bytes);
    return 0;
}
