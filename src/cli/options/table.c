/*
 * table.c - the keys of -o, one row each: ours, what FUSE takes, and what fstab lines hold. The
 * keys that every view takes have their rows in views.c; anything else belongs to one view or is an
 * error that names it.
 */
#include "cli/options/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options/size.h"
#include "cli/options/views.h"

#define MODE_MAX 0777
#define SELINUX  "/sys/fs/selinux/enforce" /* is there where SELinux is active */

typedef int (*apply_fn)(struct wfs_options *o, const char *value, struct wfs_error *err);

struct row {
    const char *key;
    enum { FLAG, VALUE, FUSE_FLAG, FUSE_VALUE, ACCEPTED } kind;
    apply_fn apply;
};

/* Adds to the list that libfuse gets, which splits it at commas: those in values are escaped. */
static void pass_to_fuse(struct wfs_options *o, const char *key, const char *value)
{
    wfs_buf_printf(&o->fuse, "%s%s%s", o->fuse.len ? "," : "", key, value ? "=" : "");
    for (const char *p = value; p && *p; p++) {
        if (*p == ',' || *p == '\\')
            wfs_buf_char(&o->fuse, '\\');
        wfs_buf_char(&o->fuse, *p);
    }
}

static int apply_weights(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return wfs_options_set_string(o->arena, &o->mount.session.source_options.weights, value, err);
}

static int apply_root(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return wfs_strings_add(&o->roots, o->arena, value, err);
}

static int check_file(void *ctx, char *name, struct wfs_error *err)
{
    (void)ctx;
    return wfs_writer_by_name(name)
               ? 0
               : wfs_error_set(err, EINVAL, "-o files: %s: there is no such loader file", name);
}

static int apply_files(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    char *list = wfs_arena_strdup(o->arena, value), *names = wfs_arena_strdup(o->arena, value);
    if (!list || !names)
        return wfs_error_nomem(err, "options");
    for (size_t i = 0; list[i]; i++)
        if (list[i] == ':') /* names are joined by ':', since -o itself splits at commas */
            list[i] = names[i] = ',';
    o->mount.session.files = list;
    bool is_word = strcmp(list, "all") == 0 || strcmp(list, "none") == 0;
    return is_word ? 0 : wfs_options_split(names, check_file, o, err);
}

static int apply_index(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    if (strcmp(value, "none") == 0)
        return wfs_options_set_string(o->arena, &o->mount.cache.index_path, value, err);
    return wfs_options_set_path(o->arena, &o->mount.cache.index_path, value, err);
}

static int apply_cache(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    static const struct {
        const char *name;
        enum wfs_cache_mode mode;
    } modes[] = {{"auto", WFS_CACHE_AUTO}, {"always", WFS_CACHE_ALWAYS}, {"off", WFS_CACHE_OFF}};
    for (size_t i = 0; i < WFS_ARRAY_SIZE(modes); i++)
        if (strcmp(modes[i].name, value) == 0) {
            o->mount.cache.mode = modes[i].mode;
            return 0;
        }
    return wfs_error_set(err, EINVAL, "-o cache=%s: auto, always or off is expected", value);
}

static int apply_format(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    if (strcmp(value, "npy") && strcmp(value, "raw"))
        return wfs_error_set(err, EINVAL, "-o format=%s: npy or raw is expected", value);
    o->mount.session.format = strcmp(value, "raw") ? WFS_FORMAT_NPY : WFS_FORMAT_RAW;
    return 0;
}

static int apply_size(const char *key, const char *value, uint64_t *field, struct wfs_error *err)
{
    int r = wfs_options_parse_size(value, field, err);
    if (r)
        wfs_error_prefix(err, "-o %s", key);
    return r;
}

static int apply_cache_size(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return apply_size("cache_size", value, &o->mount.cache.index_bytes, err);
}

static int apply_memory(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return apply_size("memory", value, &o->mount.cache.memory_bytes, err);
}

static int apply_shards(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return apply_size("shards", value, &o->mount.session.shard_bytes, err);
}

static int apply_strict(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->mount.session.strict = true;
    return 0;
}

static int apply_partial(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->mount.session.partial = true;
    return 0;
}

/* Of all views, where -o dtype= or a view's own dtype= asks for it. */
static int apply_narrow(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->every.narrow = true;
    return 0;
}

static int apply_packed(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->every.packed = true;
    return 0;
}

static int parse_number(const char *key, const char *value, int base, unsigned long max,
                        unsigned long *ret, struct wfs_error *err)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, base);
    if (errno || end == value || *end || *value == '-' || n > max)
        return wfs_error_set(err, EINVAL, "-o %s=%s: not a number that can be", key, value);
    *ret = n;
    return 0;
}

static int apply_uid(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    unsigned long n = 0;
    int r = parse_number("uid", value, 10, UINT32_MAX - 1, &n, err);
    if (!r)
        o->mount.session.uid = (uid_t)n;
    return r;
}

static int apply_gid(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    unsigned long n = 0;
    int r = parse_number("gid", value, 10, UINT32_MAX - 1, &n, err);
    if (!r)
        o->mount.session.gid = (gid_t)n;
    return r;
}

static int apply_mode(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    unsigned long n = 0;
    int r = parse_number("mode", value, 8, MODE_MAX, &n, err);
    if (!r) {
        o->mount.session.mode = (mode_t)n;
        o->mount.session.has_mode = true;
    }
    return r;
}

static int apply_umask(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    unsigned long n = 0;
    int r = parse_number("umask", value, 8, MODE_MAX, &n, err);
    if (!r) {
        o->mount.session.umask = (mode_t)n;
        o->mount.session.has_umask = true;
    }
    return r;
}

static int apply_noxattr(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->mount.noxattr = true;
    return 0;
}

static int apply_nonempty(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value, (void)err;
    o->mount.nonempty = true;
    return 0;
}

static int apply_log(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    return wfs_options_set_path(o->arena, &o->mount.log, value, err);
}

/* Only allow_other and allow_root have set is_shared while the list is read. */
static int apply_allow_other(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    struct wfs_session_options *session = &o->mount.session;
    (void)value;
    if (session->is_shared && !session->allow_other)
        return wfs_error_set(err, EINVAL, "-o allow_other: not with allow_root");
    session->is_shared = session->allow_other = true;
    return 0;
}

static int apply_allow_root(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)value;
    if (o->mount.session.allow_other)
        return wfs_error_set(err, EINVAL, "-o allow_root: not with allow_other");
    o->mount.session.is_shared = true;
    return 0;
}

/* A kernel without SELinux would refuse the mount. */
static int apply_context(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)err;
    if (access(SELINUX, F_OK) == 0)
        pass_to_fuse(o, "context", value);
    else
        wfs_log(WFS_LOG_WARNING, "-o context=%s: of no effect, SELinux is not active here", value);
    return 0;
}

static int apply_remount(struct wfs_options *o, const char *value, struct wfs_error *err)
{
    (void)o, (void)value;
    return wfs_error_set(
        err, EINVAL, "-o remount: a mount cannot be changed while it is there; umount and mount");
}

static const struct row rows[] = {
    {"view", VALUE, wfs_options_add_view},
    {"weights", VALUE, apply_weights},
    {"root", VALUE, apply_root},
    {"files", VALUE, apply_files},
    {"index", VALUE, apply_index},
    {"cache", VALUE, apply_cache},
    {"cache_size", VALUE, apply_cache_size},
    {"memory", VALUE, apply_memory},
    {"format", VALUE, apply_format},
    {"strict", FLAG, apply_strict},
    {"partial", FLAG, apply_partial},
    {"narrow", FLAG, apply_narrow},
    {"packed", FLAG, apply_packed},
    {"shards", VALUE, apply_shards},
    {"uid", VALUE, apply_uid},
    {"gid", VALUE, apply_gid},
    {"umask", VALUE, apply_umask},
    {"mode", VALUE, apply_mode},
    {"noxattr", FLAG, apply_noxattr},
    {"nonempty", FLAG, apply_nonempty},
    {"log", VALUE, apply_log},
    {"allow_other", FUSE_FLAG, apply_allow_other},
    {"allow_root", FUSE_FLAG, apply_allow_root},
    {"auto_unmount", FUSE_FLAG, NULL},
    {"context", VALUE, apply_context},
    {"remount", FLAG, apply_remount},
    {"fsname", FUSE_VALUE, NULL},
    {"subtype", FUSE_VALUE, NULL},
    {"nosuid", FUSE_FLAG, NULL},
    {"nodev", FUSE_FLAG, NULL},
    {"noexec", FUSE_FLAG, NULL},
    {"exec", FUSE_FLAG, NULL},
    {"noatime", FUSE_FLAG, NULL},
    /* Words of fstab lines, and what mount(8) adds to them. They mean nothing to the mount, or what it
     * does in any case: it is read-only, so that nothing is written sooner or later; the times are the
     * checkpoint's, so that reading sets none; and the kernel judges by the modes shown. */
    {"ro", ACCEPTED, NULL},
    {"rw", ACCEPTED, NULL},
    {"defaults", ACCEPTED, NULL},
    {"auto", ACCEPTED, NULL},
    {"noauto", ACCEPTED, NULL},
    {"user", ACCEPTED, NULL},
    {"nouser", ACCEPTED, NULL},
    {"users", ACCEPTED, NULL},
    {"group", ACCEPTED, NULL},
    {"owner", ACCEPTED, NULL},
    {"nofail", ACCEPTED, NULL},
    {"_netdev", ACCEPTED, NULL},
    {"dev", ACCEPTED, NULL},
    {"suid", ACCEPTED, NULL},
    {"async", ACCEPTED, NULL},
    {"sync", ACCEPTED, NULL},
    {"atime", ACCEPTED, NULL},
    {"relatime", ACCEPTED, NULL},
    {"strictatime", ACCEPTED, NULL},
    {"nodiratime", ACCEPTED, NULL},
    {"lazytime", ACCEPTED, NULL},
    {"silent", ACCEPTED, NULL},
    {"comment", ACCEPTED, NULL},
    {"default_permissions", ACCEPTED, NULL},
};

static const struct row *find_row(const char *key)
{
    static const struct row comment = {"x-", ACCEPTED, NULL};
    if (strncmp(key, "x-", 2) == 0)
        return &comment;
    for (size_t i = 0; i < WFS_ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    return NULL;
}

int wfs_options_apply(struct wfs_options *options, const char *key, const char *value,
                      struct wfs_error *err)
{
    const struct row *row = find_row(key);
    const struct wfs_view_option *of_views = row ? NULL : wfs_view_option_find(key);
    if (!row && !of_views)
        return -ENOENT;
    if (row && row->kind == ACCEPTED)
        return 0;
    bool needs = of_views || row->kind == VALUE || row->kind == FUSE_VALUE;
    if (needs && (!value || !*value))
        return wfs_error_set(err, EINVAL, "-o %s: a value is expected, as in %s=...", key, key);
    if (!needs && value)
        return wfs_error_set(err, EINVAL, "-o %s: it takes no value", key);
    if (of_views)
        return of_views->set(options, &options->every, value, err);
    int r = row->apply ? row->apply(options, value, err) : 0;
    if (!r && (row->kind == FUSE_FLAG || row->kind == FUSE_VALUE))
        pass_to_fuse(options, key, value);
    return r;
}
