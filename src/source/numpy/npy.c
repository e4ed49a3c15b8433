/*
 * npy.c - .npy files (one tensor, named after the file) and .npz archives (a ZIP of .npy members,
 * stored or deflated; a member's name without ".npy" is the tensor's).
 *
 * Members that hold no numbers are refused one by one and reported; the others are shown. The
 * directory decides; where a local header disagrees that is noted.
 */
#include <stdlib.h>
#include <string.h>

#include "source/archive/zip.h"
#include "source/numpy/npy_header.h"
#include "source/paths.h"
#include "source/source.h"

/* The file that is scanned; zip is that of a .npz. */
struct scan {
    struct wfs_catalog *catalog;
    uint32_t file;
    struct wfs_zip *zip;
};

/* Where one array's .npy lies: at bytes[off..), which is the file itself or an inflated member. */
struct place {
    struct wfs_bytes *bytes;
    uint64_t off;
    bool is_in_file;
};

static int add_array(const struct scan *s, const struct place *place, const char *name,
                     const struct wfs_npy_header *header, struct wfs_error *err)
{
    struct wfs_catalog *catalog = s->catalog;
    uint64_t data_off = place->off + header->data_off;
    struct wfs_tensor tensor =
        wfs_tensor_init(name, wfs_path_from_name(catalog->arena, name, catalog->sep));
    tensor.file = s->file;
    if (place->is_in_file)
        tensor.file_off = data_off;
    if (!tensor.path)
        return wfs_error_nomem(err, name);
    int r = wfs_npy_expr(catalog->arena, place->bytes, data_off, header, &tensor.expr, err);
    if (r)
        return r;
    if (header->is_guess)
        wfs_catalog_note(catalog, WFS_NOTE_WARNING, name,
                         "two-byte elements without a type: taken for bfloat16, as jax does");
    return wfs_catalog_add_tensor(catalog, &tensor, NULL, err);
}

/* ---- .npy ---------------------------------------------------------------------------------- */

/* The file's name without its folder and ".npy". */
static char *stem_of(struct wfs_catalog *catalog, uint32_t file)
{
    const char *base = wfs_source_base_name(catalog->files[file].name);
    size_t len = strlen(base);
    if (len > 4 && strcmp(base + len - 4, ".npy") == 0)
        len -= 4;
    return wfs_arena_strndup(catalog->arena, base, len);
}

static int npy_scan(struct wfs_catalog *catalog, uint32_t file,
                    const struct wfs_source_options *options, struct wfs_error *err)
{
    (void)options;
    struct wfs_bytes *bytes = catalog->files[file].bytes;
    struct wfs_npy_header header;
    char *name = stem_of(catalog, file);
    if (!name)
        return wfs_error_nomem(err, "a name");
    if (!wfs_utf8_valid(name, strlen(name)))
        return wfs_error_set(err, EINVAL, "%s: the file's name is not UTF-8", bytes->name);
    int r = wfs_npy_parse_header(bytes, 0, bytes->size_bytes, bytes->name, &header, err);
    struct place whole = {.bytes = bytes, .is_in_file = true};
    return r ? r : add_array(&(struct scan){catalog, file, NULL}, &whole, name, &header, err);
}

static bool npy_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    (void)size_bytes;
    return wfs_npy_is_magic(head, len);
}

const struct wfs_format wfs_format_npy = {
    .name = "npy",
    .sep = '.',
    .is_flat = true,
    .vague_names = (const char *const[]){"*.npy", NULL},
    .probe = npy_probe,
    .scan = npy_scan,
};

/* ---- .npz ---------------------------------------------------------------------------------- */

static bool is_npy_name(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".npy") == 0;
}

/* numpy refuses to read a member whose two names differ, since nothing says which array it is. Here
 * the directory's name counts, and the doubt is noted. */
static int note_local(const struct scan *s, const struct wfs_zip_member *member,
                      struct wfs_error *err)
{
    const char *name;
    int r = wfs_zip_local_name(s->zip, member, &name, err);
    if (!r)
        wfs_catalog_note(s->catalog, WFS_NOTE_WARNING, s->catalog->files[s->file].name,
                         "member '%s': its local header at byte %llu, of '%s', contradicts the ZIP "
                         "directory, which is followed",
                         member->name, (unsigned long long)member->header_off, name);
    return r;
}

/* A member that is broken as an archive fails the file; one that holds no numbers is left out. */
static int add_member(const struct scan *s, struct wfs_zip_member *member, struct wfs_error *err)
{
    const char *file_name = s->catalog->files[s->file].name;
    struct place place;
    struct wfs_npy_header header;
    struct wfs_error why = {0};
    int r = wfs_zip_data(s->zip, member, &place.bytes, &place.off, err);
    if (!r && member->local_differs)
        r = note_local(s, member, err);
    if (r)
        return r;
    place.is_in_file = place.bytes == s->zip->bytes;
    r = wfs_npy_parse_header(place.bytes, place.off, member->size_bytes, member->name, &header,
                             &why);
    if (r == -ENOTSUP) {
        wfs_catalog_note(s->catalog, WFS_NOTE_REFUSED, file_name, "%s", why.message);
        return 0;
    }
    if (r)
        return wfs_error_set(err, why.code, "%s: %s", file_name, why.message);
    char *name = wfs_arena_strndup(s->catalog->arena, member->name, strlen(member->name) - 4);
    return name ? add_array(s, &place, name, &header, err) : wfs_error_nomem(err, "a name");
}

static int npz_scan(struct wfs_catalog *catalog, uint32_t file,
                    const struct wfs_source_options *options, struct wfs_error *err)
{
    (void)options;
    struct wfs_bytes *bytes = catalog->files[file].bytes;
    struct scan s = {.catalog = catalog, .file = file};
    int r = wfs_zip_open(catalog->arena, bytes, 0, bytes->size_bytes, &s.zip, err);
    if (!r)
        s.zip->checks_crc = true;
    for (uint32_t i = 0; !r && i < s.zip->n_members; i++) {
        if (is_npy_name(s.zip->members[i].name))
            r = add_member(&s, &s.zip->members[i], err);
        else
            wfs_catalog_note(catalog, WFS_NOTE_INFO, s.zip->members[i].name,
                             "no .npy: left out of the tensors");
    }
    return r;
}

/* A ZIP whose first member is a .npy; an empty archive is one too. */
static bool npz_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    if (len >= 22 && memcmp(head, "PK\5\6", 4) == 0)
        return size_bytes == 22;
    if (len < 30 || memcmp(head, "PK\3\4", 4) != 0)
        return false;
    size_t name_len = wfs_load_u16le(head + 26);
    return name_len > 4 && 30 + name_len <= len && memcmp(head + 30 + name_len - 4, ".npy", 4) == 0;
}

const struct wfs_format wfs_format_npz = {
    .name = "npz",
    .sep = '/',
    .is_flat = true,
    .names = (const char *const[]){"*.npz", NULL},
    .probe = npz_probe,
    .scan = npz_scan,
};
