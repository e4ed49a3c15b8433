/*
 * fuzz_scan.h - runs one format's scan over a fuzzer's bytes, and reads what it let through: a
 * tensor that was accepted must be readable, since it lies in memory whole.
 */
#ifndef TESTS_FUZZ_FUZZ_SCAN_H
#define TESTS_FUZZ_FUZZ_SCAN_H

#include <stdlib.h>

#include "source/catalog.h"
#include "source/formats.h"

#define FUZZ_READ_MAX 4096

static inline void fuzz_read_tensors(const struct wfs_catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->n_tensors; i++) {
        const struct wfs_expr *expr = catalog->tensors[i].expr;
        uint8_t buf[FUZZ_READ_MAX];
        size_t len = (size_t)wfs_min_u64(sizeof(buf), expr->size_bytes);
        uint64_t off = expr->size_bytes > len ? (expr->size_bytes - len) / 2 : 0;
        wfs_expr_read(expr, buf, len, off, NULL);
    }
}

static inline void fuzz_scan(const struct wfs_format *format, const uint8_t *data, size_t size)
{
    struct wfs_source_options options = {0};
    struct wfs_error err = {0};
    struct wfs_bytes *bytes = NULL;
    uint32_t file;
    struct wfs_catalog *catalog = wfs_catalog_new("fuzz");
    if (catalog && !wfs_bytes_from_memory("fuzz", data, size, &bytes, &err) &&
        !wfs_catalog_add_file(catalog, "fuzz", "fuzz", bytes, &file, &err)) {
        if (!wfs_source_scan_as(catalog, file, format, &options, &err))
            fuzz_read_tensors(catalog);
        else if (!err.code || !err.message[0])
            abort(); /* a failure without a message */
    }
    wfs_bytes_unref(bytes);
    wfs_catalog_free(catalog);
}

#endif
