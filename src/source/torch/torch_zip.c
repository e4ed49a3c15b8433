/*
 * torch_zip.c - PyTorch's ZIP files (.pt, .pth, .bin, .ckpt since 1.6, and TorchScript archives).
 *
 *     PREFIX/data.pkl      the object, a pickle whose storages are persistent ids
 *     PREFIX/data/KEY      one storage each, stored (torch) or deflated (others)
 *     PREFIX/version       "3\n"; or PREFIX/.data/version
 *     PREFIX/byteorder     "little" or "big", optional
 *     PREFIX/constants.pkl, PREFIX/code/...   TorchScript
 *
 * PREFIX is the first entry's directory. A record is looked up by torch without regard to case, so
 * one that has a twin is refused. The directory decides; where a local header disagrees that is
 * noted. A record longer than its storage is noted, a shorter one refused.
 */
#include "source/torch/torch_zip.h"

#include <stdlib.h>
#include <string.h>

#include "source/archive/zip.h"
#include "source/torch/objects.h"
#include "source/torch/torch_object.h"
#include "source/torch/torch_storage.h"

#define TORCH_MAX_SMALL_RECORD 64
#define TORCH_MAX_PICKLE_BYTES (UINT64_C(1) << 32)
/* Of a deflated pickle: each byte may become a node of 40 bytes, and DEFLATE packs 1000 bytes of
 * one kind into one. */
#define TORCH_FREE_INFLATED (UINT64_C(4) << 20)
#define TORCH_MAX_INFLATION 64u
#define TORCH_MAX_VERSION   10
#define TORCH_HASH_CHUNK    (1u << 16)

struct torch_zip {
    struct wfs_zip *zip;
    const char *prefix;
    uint64_t pickle_off, pickle_bytes; /* data.pkl in t->pickle_bytes */
};

static int refuse(const struct wfs_torch *t, struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, EINVAL, "%s: %s", t->name, what);
}

/* PREFIX/name; NULL where there is none. -EINVAL: torch and others may read different ones. */
static int find_record(struct wfs_torch *t, const char *name, struct wfs_zip_member **ret,
                       struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    wfs_cleanup(wfs_buf_free) struct wfs_buf full = {0};
    wfs_buf_printf(&full, "%s/%s", z->prefix, name);
    if (!wfs_buf_ok(&full))
        return wfs_error_nomem(err, "a record's name");
    *ret = wfs_zip_find(z->zip, full.data);
    if (*ret && (*ret)->has_case_twin)
        return wfs_error_set(err, EINVAL,
                             "%s: record '%s' is ambiguous: another's name differs in case only",
                             t->name, full.data);
    return 0;
}

static int record_data(struct wfs_torch *t, struct wfs_zip_member *member, struct wfs_bytes **ret,
                       uint64_t *ret_off, struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    int r = wfs_zip_data(z->zip, member, ret, ret_off, err);
    /* Where a record's data is. The archive's directory lives in scratch; a record that is inflated
     * must live as long as the catalog. */
    if (!r && *ret != z->zip->bytes &&
        wfs_arena_on_free(t->catalog->arena, wfs_bytes_unref_void, wfs_bytes_ref(*ret)))
        return wfs_error_nomem(err, "a record");
    if (!r && member->local_differs)
        wfs_catalog_note(
            t->catalog, WFS_NOTE_WARNING, t->name,
            "record '%s': its local header at byte %llu contradicts the ZIP directory, "
            "which is followed",
            member->name, (unsigned long long)member->header_off);
    return r;
}

/* A small record as text; *ret NULL where it is not there. */
static int small_record(struct wfs_torch *t, const char *name, char **ret, struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    struct wfs_zip_member *member;
    size_t len;
    *ret = NULL;
    int r = find_record(t, name, &member, err);
    if (r || !member)
        return r;
    return wfs_zip_slurp(z->zip, member, TORCH_MAX_SMALL_RECORD, ret, &len, err);
}

/* ---- the archive's frame ------------------------------------------------------------------- */

static int find_prefix(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    const char *first = z->zip->n_members ? z->zip->members[0].name : "";
    const char *slash = strchr(first, '/');
    if (!slash || slash == first)
        return refuse(t, err, "a ZIP, but none of torch's: its first member lies in no directory");
    z->prefix = wfs_arena_strndup(t->scratch, first, (size_t)(slash - first));
    return z->prefix ? 0 : wfs_error_nomem(err, "a PyTorch file");
}

static int check_version(struct wfs_torch *t, struct wfs_error *err)
{
    char *text = NULL, *end;
    int r = small_record(t, "version", &text, err);
    if (!r && !text)
        r = small_record(t, ".data/version", &text, err);
    if (r)
        return r;
    if (!text)
        return refuse(t, err, "a ZIP without the record 'version': none of torch's");
    long version = strtol(text, &end, 10);
    if (end == text || version < 1 || version > TORCH_MAX_VERSION)
        return wfs_error_set(err, EINVAL, "%s: version '%.16s' of torch's ZIP files is not known",
                             t->name, text);
    return 0;
}

static int check_byteorder(struct wfs_torch *t, struct wfs_error *err)
{
    char *text = NULL;
    int r = small_record(t, "byteorder", &text, err);
    if (r || !text)
        return r;
    t->is_big_endian = strcmp(text, "big") == 0;
    if (!t->is_big_endian && strcmp(text, "little") != 0)
        return refuse(t, err, "its byteorder is neither little nor big");
    return 0;
}

static int note_script(struct wfs_torch *t, struct wfs_error *err)
{
    struct wfs_zip_member *constants = NULL, *first = NULL;
    int r = find_record(t, "constants.pkl", &constants, err);
    if (!r)
        r = find_record(t, "constants/0", &first, err);
    if (!r && first)
        wfs_catalog_note(t->catalog, WFS_NOTE_WARNING, t->name,
                         "tensors among the constants of its code are not shown: a frozen module "
                         "keeps its weights there");
    if (!r && constants)
        wfs_catalog_note(t->catalog, WFS_NOTE_INFO, t->name,
                         "a TorchScript archive: its parameters and attributes are shown, its code "
                         "is not run");
    return r;
}

/* ---- the pickle ---------------------------------------------------------------------------- */

/* The header's part of the file's identity: where every record lies, and the pickle. */
static int hash_header(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    uint64_t off = z->pickle_off, len = z->pickle_bytes;
    struct wfs_hash chain = {{0}};
    wfs_cleanup(wfs_freep) uint8_t *buf = malloc(TORCH_HASH_CHUNK + sizeof(chain));
    if (!buf)
        return wfs_error_nomem(err, "a PyTorch file");
    for (uint64_t at = 0; at < len; at += TORCH_HASH_CHUNK) {
        size_t n = (size_t)wfs_min_u64(TORCH_HASH_CHUNK, len - at);
        memcpy(buf, chain.bytes, sizeof(chain));
        int r = wfs_bytes_read(t->pickle_bytes, buf + sizeof(chain), n, off + at, err);
        if (r)
            return r;
        chain = wfs_hash_bytes(buf, n + sizeof(chain));
    }
    for (uint32_t i = 0; i < z->zip->n_members; i++) {
        const struct wfs_zip_member *m = &z->zip->members[i];
        uint64_t facts[] = {0, 0, m->header_off, m->size_bytes, m->stored_bytes, m->crc32};
        memcpy(facts, chain.bytes, sizeof(chain));
        chain = wfs_hash_bytes(facts, sizeof(facts));
    }
    wfs_bytes_mix_id(t->catalog->files[t->file].bytes, &chain);
    return 0;
}

/* Says what an archive without data.pkl is: torch has other archives, which are programs. */
static int refuse_no_pickle(struct wfs_torch *t, struct wfs_error *err)
{
    struct wfs_zip_member *exported = NULL, *package = NULL;
    int r = find_record(t, "archive_format", &exported, err);
    if (!r)
        r = find_record(t, ".data/extern_modules", &package, err);
    if (r)
        return r;
    if (exported || package)
        return wfs_error_set(err, ENOTSUP, "%s: an archive of %s, not of torch.save: not supported",
                             t->name, exported ? "torch.export" : "torch.package");
    return refuse(t, err, "a ZIP without the record 'data.pkl': none of torch's");
}

static int parse_pickle(struct wfs_torch *t, struct wfs_error *err)
{
    struct torch_zip *z = t->format;
    struct wfs_zip_member *member = NULL;
    struct wfs_bytes *bytes = NULL;
    uint64_t off = 0;
    wfs_cleanup(wfs_freep) struct wfs_cursor *cur = malloc(sizeof(*cur));
    int r = cur ? find_record(t, "data.pkl", &member, err) : wfs_error_nomem(err, "a pickle");
    if (r)
        return r;
    if (!member)
        return refuse_no_pickle(t, err);
    if (member->size_bytes > TORCH_MAX_PICKLE_BYTES)
        return refuse(t, err, "its pickle is larger than 4 GiB");
    if (member->size_bytes > TORCH_FREE_INFLATED &&
        (member->size_bytes - TORCH_FREE_INFLATED) / TORCH_MAX_INFLATION > member->stored_bytes)
        return refuse(t, err, "its pickle is deflated to less than a 64th: none of torch's");
    r = record_data(t, member, &bytes, &off, err);
    if (!r)
        r = wfs_cursor_init(cur, bytes, off, member->size_bytes, err);
    if (!r)
        r = wfs_pickle_parse(t->scratch, cur, &t->pickle, err);
    if (r)
        return r;
    t->pickle_bytes = bytes;
    if (t->pickle.end_off != off + member->size_bytes)
        wfs_catalog_note(t->catalog, WFS_NOTE_WARNING, t->name,
                         "%llu bytes after the end of its pickle are not read",
                         (unsigned long long)(off + member->size_bytes - t->pickle.end_off));
    z->pickle_off = off;
    z->pickle_bytes = member->size_bytes;
    return 0;
}

/* ---- storages ------------------------------------------------------------------------------ */

static int locate(struct wfs_torch *t, struct wfs_torch_storage *s, struct wfs_error *err)
{
    struct wfs_zip_member *member = NULL;
    struct wfs_bytes *bytes = NULL;
    struct wfs_error why = {0};
    uint64_t off = 0;
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0};
    wfs_buf_printf(&name, "data/%s", s->key);
    if (!wfs_buf_ok(&name))
        return wfs_error_nomem(err, "a record's name");
    int r = find_record(t, name.data, &member, &why);
    if (!r && !member)
        r = wfs_error_set(&why, EINVAL, "its storage is missing: no record '%s'", name.data);
    if (!r)
        r = record_data(t, member, &bytes, &off, &why);
    if (wfs_torch_is_refusal(r)) {
        s->why = wfs_arena_strdup(t->scratch, why.message);
        return s->why ? 0 : wfs_error_nomem(err, "a storage");
    }
    if (r)
        return wfs_error_set(err, -r, "%s", why.message);
    wfs_torch_storage_place(t, s, bytes, off, member->size_bytes);
    return 0;
}

/* Everything up to the object: the archive at bytes[off, off + len). */
static int open_archive(struct wfs_torch *t, uint64_t off, uint64_t len, struct wfs_error *err)
{
    struct torch_zip *z = wfs_arena_alloc(t->scratch, sizeof(*z));
    if (!z)
        return wfs_error_nomem(err, "a PyTorch file");
    t->format = z;
    t->locate = locate;
    int r = wfs_zip_open(t->scratch, t->catalog->files[t->file].bytes, off, len, &z->zip, err);
    if (!r)
        r = find_prefix(t, err);
    if (!r)
        r = parse_pickle(t, err);
    if (!r)
        r = check_version(t, err);
    return r ? r : check_byteorder(t, err);
}

static int scan_archive(struct wfs_torch *t, struct wfs_error *err)
{
    int r = open_archive(t, 0, t->catalog->files[t->file].bytes->size_bytes, err);
    if (!r)
        r = hash_header(t, err);
    if (!r)
        r = note_script(t, err);
    return r ? r : wfs_torch_catalog(t, err);
}

static int torch_zip_scan(struct wfs_catalog *catalog, uint32_t file,
                          const struct wfs_source_options *options, struct wfs_error *err)
{
    struct wfs_torch t;
    int r = wfs_torch_init(&t, catalog, file, options, err);
    if (!r)
        r = scan_archive(&t, err);
    wfs_torch_close(&t);
    return r;
}

/* ---- items of DCP files -------------------------------------------------------------------- */

static int item_tensor(struct wfs_torch *t, struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    enum wfs_torch_what what = WFS_TORCH_OTHER;
    const struct wfs_node *rest;
    struct wfs_torch_tensor tensor = {0};
    int r = wfs_torch_object(t, t->pickle.root, &what, &tensor, &rest, err);
    if (!r && (what != WFS_TORCH_TENSOR || rest))
        r = refuse(t, err, "an item that is no plain tensor");
    if (!r) {
        tensor.view = NULL; /* of the scratch that ends here */
        *ret = tensor;
    }
    return r;
}

int wfs_torch_zip_item(struct wfs_catalog *catalog, uint32_t file, uint64_t off, uint64_t len,
                       struct wfs_torch_tensor *ret, struct wfs_error *err)
{
    struct wfs_torch t;
    int r = wfs_torch_init(&t, catalog, file, NULL, err);
    if (!r)
        r = open_archive(&t, off, len, err);
    if (!r)
        r = wfs_torch_note_dangers(&t, &t.pickle, err);
    if (!r)
        r = item_tensor(&t, ret, err);
    wfs_torch_close(&t);
    return r;
}

int wfs_torch_zip_object(struct wfs_torch *into, uint32_t file, uint64_t off, uint64_t len,
                         const struct wfs_node **ret_root, struct wfs_error *err)
{
    struct wfs_torch t = *into;
    t.file = file;
    int r = open_archive(&t, off, len, err);
    if (!r)
        r = wfs_torch_note_dangers(&t, &t.pickle, err);
    if (r)
        return r;
    into->pickle.n_nodes += t.pickle.n_nodes;
    *ret_root = t.pickle.root;
    return 0;
}

/* ---- the format ---------------------------------------------------------------------------- */

/* A first member of one of torch's names, in a directory of any name. */
static bool torch_zip_probe(const uint8_t *head, size_t len, uint64_t size_bytes)
{
    static const char *const records[] = {"data.pkl",  "data/",           "version",
                                          "byteorder", ".format_version", ".storage_alignment",
                                          ".data/",    "constants.pkl",   "constants/",
                                          "code/",     "extra/"};
    (void)size_bytes;
    if (len < 30 || memcmp(head, "PK\3\4", 4) != 0)
        return false;
    size_t n = wfs_load_u16le(head + 26);
    const uint8_t *name = head + 30;
    const uint8_t *slash = n <= len - 30 ? memchr(name, '/', n) : NULL;
    if (!slash || slash == name)
        return false;
    size_t rest = n - (size_t)(slash + 1 - name);
    for (size_t i = 0; i < WFS_ARRAY_SIZE(records); i++) {
        size_t k = strlen(records[i]);
        bool is_folder = records[i][k - 1] == '/';
        if ((is_folder ? rest >= k : rest == k) && memcmp(slash + 1, records[i], k) == 0)
            return true;
    }
    return false;
}

const struct wfs_format wfs_format_torch_zip = {
    .name = "torch-zip",
    .sep = '.',
    .names = (const char *const[]){"*.pt", "*.pth", "*.pt.tar", "*.pth.tar", "*.ckpt", NULL},
    .vague_names = (const char *const[]){"*.bin", NULL},
    .probe = torch_zip_probe,
    .scan = torch_zip_scan,
};
