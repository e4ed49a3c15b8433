/*
 * folders.c - the table of formats that are whole folders.
 */
#include "source/folders.h"

#define WFS_FOLDER_ADDRESS(row) &wfs_folder_##row,
static const struct wfs_folder_format *const formats[] = {WFS_FOLDER_FORMATS(WFS_FOLDER_ADDRESS)};

int wfs_source_open_folder(struct wfs_catalog *catalog, const struct wfs_listing *listing,
                           const struct wfs_source_options *options, bool *ret_done,
                           struct wfs_error *err)
{
    *ret_done = false;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(formats); i++) {
        if ((options && options->weights) || !formats[i]->probe(listing))
            continue;
        *ret_done = true;
        catalog->format = formats[i]->name;
        return formats[i]->open(catalog, listing, options, err);
    }
    return 0;
}
