/*
 * scan_bytes.h - runs a format's scan over bytes in memory, for unit tests of readers.
 */
#ifndef TESTS_UNIT_SCAN_BYTES_H
#define TESTS_UNIT_SCAN_BYTES_H

#include "source/catalog.h"
#include "source/formats.h"

/* 0 and a catalog to be freed, or the scan's failure with its message in err. */
static inline int scan_bytes(const struct wfs_format *format, const void *data, size_t len,
                             struct wfs_catalog **ret, struct wfs_error *err)
{
    struct wfs_source_options options = {0};
    struct wfs_bytes *bytes = NULL;
    uint32_t file;
    struct wfs_catalog *catalog = wfs_catalog_new("test");
    int r = wfs_bytes_from_memory("test", data, len, &bytes, err);
    if (!r)
        r = wfs_catalog_add_file(catalog, "test", "test", bytes, &file, err);
    if (!r)
        r = wfs_source_scan_as(catalog, file, format, &options, err);
    wfs_bytes_unref(bytes);
    if (r)
        wfs_catalog_free(catalog);
    else
        *ret = catalog;
    return r;
}

#endif
