/*
 * source_fixture.h - what the tests of src/source share: scratch folders, files written into them,
 * and safetensors files made from a header's text.
 */
#ifndef TESTS_UNIT_SOURCE_FIXTURE_H
#define TESTS_UNIT_SOURCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/catalog.h"
#include "source/formats.h"

struct scratch {
    char dir[64];
    char path[512]; /* what scratch_path gave last */
};

static inline void scratch_make(struct scratch *s)
{
    snprintf(s->dir, sizeof(s->dir), "/tmp/weightfs-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void scratch_remove(struct scratch *s)
{
    nftw(s->dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_path(struct scratch *s, const char *name)
{
    snprintf(s->path, sizeof(s->path), "%s/%s", s->dir, name);
    return s->path;
}

/* Folders of the name are made. */
static inline void scratch_write(struct scratch *s, const char *name, const void *data, size_t len)
{
    char *path = (char *)scratch_path(s, name);
    for (char *p = path + strlen(s->dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(path, 0755);
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline void scratch_text(struct scratch *s, const char *name, const char *text)
{
    scratch_write(s, name, text, strlen(text));
}

/* malloc'd: length, header, and data_len bytes of 0, 1, 2, ... */
static inline uint8_t *make_safetensors(const char *header, size_t header_len, size_t data_len,
                                        size_t *ret_len)
{
    uint8_t *file = malloc(8 + header_len + data_len);
    assert_non_null(file);
    wfs_store_u64le(file, header_len);
    memcpy(file + 8, header, header_len);
    for (size_t i = 0; i < data_len; i++)
        file[8 + header_len + i] = (uint8_t)i;
    *ret_len = 8 + header_len + data_len;
    return file;
}

static inline void scratch_safetensors(struct scratch *s, const char *name, const char *header,
                                       size_t data_len)
{
    size_t len;
    uint8_t *file = make_safetensors(header, strlen(header), data_len, &len);
    scratch_write(s, name, file, len);
    free(file);
}

/* The catalog of one safetensors file in memory. */
static inline int scan_memory(const void *file, size_t len, struct wfs_catalog **ret,
                              struct wfs_error *err)
{
    struct wfs_bytes *bytes = NULL;
    struct wfs_catalog *catalog = wfs_catalog_new("memory");
    uint32_t index;
    assert_non_null(catalog);
    assert_int_equal(wfs_bytes_from_memory("x.safetensors", file, len, &bytes, err), 0);
    catalog->format = "safetensors";
    int r = wfs_catalog_add_file(catalog, "x.safetensors", "x.safetensors", bytes, &index, err);
    wfs_bytes_unref(bytes);
    if (!r)
        r = wfs_source_scan_as(catalog, index, &wfs_format_safetensors, NULL, err);
    if (!r)
        r = wfs_catalog_finish(catalog, NULL, err);
    if (r) {
        wfs_catalog_free(catalog);
        return r;
    }
    *ret = catalog;
    return 0;
}

static inline int scan_header(const char *header, size_t data_len, struct wfs_catalog **ret,
                              struct wfs_error *err)
{
    size_t len;
    uint8_t *file = make_safetensors(header, strlen(header), data_len, &len);
    int r = scan_memory(file, len, ret, err);
    free(file);
    return r;
}

#endif
