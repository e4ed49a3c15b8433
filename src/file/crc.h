/*
 * crc.h - CRC-32 (the one of ZIP) of bytes and of concatenations; and why ZIP members need none of
 * it before their last four bytes are read.
 *
 * The four bytes after any data that hold the data's own CRC, little-endian, bring the CRC of data
 * and bytes together to WFS_CRC_RESIDUE, whatever the data is. So a ZIP member that ends with its
 * own CRC has a CRC that is known before the data is: the directory is a literal.
 */
#ifndef WEIGHTFS_FILE_CRC_H
#define WEIGHTFS_FILE_CRC_H

#include "bytes/bytes.h"

#define WFS_CRC_RESIDUE UINT32_C(0x2144df1c)

/* zlib's convention: start with 0, feed the result of the piece before. */
uint32_t wfs_crc32(uint32_t crc, const void *data, size_t len);
/* CRC of A followed by B, from the two and B's length. */
uint32_t wfs_crc32_combine(uint32_t a, uint32_t b, uint64_t b_len);
/* CRC of `len` zero bytes. */
uint32_t wfs_crc32_zeros(uint64_t len);

#endif
