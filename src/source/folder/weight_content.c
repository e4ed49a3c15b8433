/*
 * weight_content.c - does a file hold weights, by its first bytes? Also of formats that weightfs does
 * not read (weight_names.c says why).
 */
#include "source/folder/weight_content.h"

#include <string.h>

#include "source/formats.h"

/* First bytes of formats that weightfs has no reader for, or whose reader may be left out. */
static const struct {
    size_t off;
    const char *bytes;
    size_t len;
} magics[] = {
    {0, "\x89HDF\r\n\x1a\n", 8},
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
