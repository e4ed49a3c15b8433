/*
 * zip.h - a ZIP archive of stored members as a virtual file: what .npz and torch share.
 */
#ifndef WEIGHTFS_FILE_ARCHIVE_ZIP_H
#define WEIGHTFS_FILE_ARCHIVE_ZIP_H

#include "file/file.h"

#define WFS_ZIP_CORRECTION_BYTES 4
#define WFS_ZIP_NAME_MAX         65535

/* Zero-initialise with b.arena; add members in order; finish. */
struct wfs_zip {
    struct wfs_vfile_builder b;
    bool is_dense; /* no zeros around corrections: nobody reads the archive before they are known */
    struct wfs_buf directory;
    uint64_t n_members;
    uint64_t clear_off; /* headers, data and the directory all begin at this offset or after */
    struct wfs_crc_table *crcs;
};

/* A member of literal bytes, with its own CRC. The name is raw bytes of at most WFS_ZIP_NAME_MAX.
 */
void wfs_zip_add_literal(struct wfs_zip *zip, const char *name, size_t name_len, const void *data,
                         size_t len);
/* A member of head, the expression's bytes, n_zeros zeros and the correction. */
void wfs_zip_add_tensor(struct wfs_zip *zip, const char *name, size_t name_len, const void *head,
                        size_t head_len, const struct wfs_expr *expr, uint64_t n_zeros);
/* Writes the directory. The zip is empty after that, whatever happened. */
int wfs_zip_finish(struct wfs_zip *zip, const struct wfs_vfile **ret, struct wfs_error *err);

/* True where the part is a member's correction: the CRC of the file's [*ret_off, + *ret_len),
 * little-endian. For export, which has that CRC from writing those bytes. */
bool wfs_zip_correction(const struct wfs_part *part, uint64_t *ret_off, uint64_t *ret_len);

#endif
