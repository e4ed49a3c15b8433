/*
 * formats.h - the table of formats, and what happens to every weight file whatever its format.
 */
#ifndef WEIGHTFS_SOURCE_FORMATS_H
#define WEIGHTFS_SOURCE_FORMATS_H

#include "source/source.h"

/* One row a format, in the order in which they are asked: content decides, and the first whose probe
 * takes the first bytes is the format. So a sharp magic stands before a vague one: npz before
 * torch_zip, both being ZIPs that the first member's name tells apart, and msgpack, which has no
 * magic, last. A row stands for `const struct wfs_format wfs_format_ROW` at the bottom of the
 * reader, which needs no other declaration. */
#define WFS_FORMATS(ROW)                                                                           \
    ROW(safetensors)                                                                               \
    ROW(gguf)                                                                                      \
    ROW(npy)                                                                                       \
    ROW(npz)                                                                                       \
    ROW(torch_zip)                                                                                 \
    ROW(torch_legacy)                                                                              \
    ROW(torch_tar)                                                                                 \
    ROW(flax_msgpack)

#define WFS_DECLARE_FORMAT(row) extern const struct wfs_format wfs_format_##row;
WFS_FORMATS(WFS_DECLARE_FORMAT)

/* The rows, NULL-terminated. */
const struct wfs_format *const *wfs_formats(void);
/* The format of these bytes, or NULL. */
const struct wfs_format *wfs_format_probe(struct wfs_bytes *bytes, struct wfs_error *err);
/* The format of a weight file by its content; a name is used only to say precisely what is wrong
 * with a file of no known format. -EINVAL naming the file when there is none. */
int wfs_source_recognise(struct wfs_bytes *bytes, const char *name, const struct wfs_format **ret,
                         struct wfs_error *err);
/* Scans a file that was added as `file`, and sets what the format says of names. */
int wfs_source_scan_as(struct wfs_catalog *catalog, uint32_t file, const struct wfs_format *format,
                       const struct wfs_source_options *options, struct wfs_error *err);
/* Opens, recognises, adds and scans one weight file. Every file of a catalog has one format:
 * another one is -EINVAL. */
int wfs_source_scan_file(struct wfs_catalog *catalog, const char *path, const char *name,
                         const struct wfs_source_options *options, uint32_t *ret_file,
                         struct wfs_error *err);

/* The catalog of one file that is a part of a checkpoint, as sharded folders open them. Links to it
 * are judged as those of `whole`, before a byte is parsed. Whoever puts the parts together settles
 * the separator of flat names. Freed with wfs_catalog_free, before `whole` is. */
int wfs_source_open_part(const struct wfs_catalog *whole, const char *path,
                         const struct wfs_source_options *options, struct wfs_catalog **ret,
                         struct wfs_error *err);

#endif
