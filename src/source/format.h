/*
 * format.h - what the files of src/source share: building a catalog, scanning one weight
 * file into it, and the ways a source path is opened. Readers of formats need only the public
 * header; they are declared here so that formats.c can list them.
 */
#ifndef WEIGHTFS_SOURCE_FORMAT_H
#define WEIGHTFS_SOURCE_FORMAT_H

#include "source/source.h"

/* ---- catalogs under construction (catalog.c) ----------------------------------------------- */

/* An empty catalog for `source`; NULL when out of memory. Freed with wfs_catalog_free. */
struct wfs_catalog *wfs_catalog_new(const char *source);
/* Counts a file that is read but not shown (an index) into times, mode, owner and identity. */
int wfs_catalog_merge_file(struct wfs_catalog *catalog, const struct wfs_bytes *bytes,
                           struct wfs_error *err);
/* Merges an object of plain values (one that a reader wrote, without arrays) into objects_json; a
 * conflict is noted with the file's name (objects_merge.c). */
int wfs_objects_merge(struct wfs_catalog *catalog, const char *json, const char *file,
                      struct wfs_error *err);
/* Adds one file's plain values to objects_json: as they are, or by the names of several files.
 * Beyond 64 MiB in all they are left out with a note. `file` lives as long as the catalog. */
int wfs_catalog_add_objects(struct wfs_catalog *catalog, const char *file, const char *json,
                            struct wfs_error *err);
/* Settles what needs every file: roots, identity, the whole-file flag. Call once, last. */
int wfs_catalog_finish(struct wfs_catalog *catalog, const struct wfs_source_options *options,
                       struct wfs_error *err);

/* ---- one weight file (formats.c) ----------------------------------------------------------- */

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

extern const struct wfs_format wfs_format_safetensors;
extern const struct wfs_format wfs_format_npy;
extern const struct wfs_format wfs_format_npz;
extern const struct wfs_format wfs_format_flax_msgpack;
extern const struct wfs_format wfs_format_torch_zip;
extern const struct wfs_format wfs_format_torch_legacy;
extern const struct wfs_format wfs_format_torch_tar;

/* ---- paths (open.c) ------------------------------------------------------------------------ */

const char *wfs_source_base_name(const char *path);
/* In the catalog's arena; "." for a bare name. */
int wfs_source_dir_name(struct wfs_catalog *catalog, const char *path, const char **ret,
                        struct wfs_error *err);
/* Sets config_path where `dir` holds config.json or params.json. */
int wfs_source_find_config(struct wfs_catalog *catalog, const char *dir, struct wfs_error *err);

#endif
