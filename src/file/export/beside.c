/*
 * beside.c - finds what exports left beside PATH.partial, of whatever plan and number of parts, and
 * removes it.
 */
#include "file/export/beside.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/export/marker.h"

/* True for what stands after "PATH.partial.": the plan's, a marker's or a temporary's name. */
static bool is_ours(const char *rest)
{
    unsigned part, n_parts;
    int end = 0;
    if (strncmp(rest, "plan", 4) == 0)
        rest += 4;
    else if (sscanf(rest, "%u-of-%u%n", &part, &n_parts, &end) == 2 && end > 0)
        rest += end;
    else
        return false;
    return *rest == '\0' || (*rest == '.' && strlen(rest) == 7);
}

/* A file of a checkpoint may have such a name too, so its first bytes are looked at. A temporary
 * file may still be empty, and any file of ours may have been cut off: what there is of the line
 * has to agree. */
static bool is_written_by_us(int dir_fd, const char *name)
{
    char head[WFS_EXPORT_LINE_BYTES];
    int fd wfs_cleanup(wfs_closep) =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
    return n >= 0 && wfs_export_is_begin_of_line(head, (size_t)n);
}

typedef void (*beside_fn)(void *ctx, int dir_fd, const char *name, const char *rest);

/* Calls fn for each file of ours beside `partial`. */
static void each_beside(const char *partial, beside_fn fn, void *ctx)
{
    char *dir_copy wfs_cleanup(wfs_freep) = strdup(partial);
    char *base_copy wfs_cleanup(wfs_freep) = strdup(partial);
    DIR *dir = dir_copy && base_copy ? opendir(dirname(dir_copy)) : NULL;
    if (!dir)
        return;
    const char *base = basename(base_copy);
    size_t base_len = strlen(base);
    for (struct dirent *e; (e = readdir(dir));)
        if (strncmp(e->d_name, base, base_len) == 0 && e->d_name[base_len] == '.' &&
            is_ours(e->d_name + base_len + 1))
            fn(ctx, dirfd(dir), e->d_name, e->d_name + base_len + 1);
    closedir(dir);
}

static void see_marker(void *ctx, int dir_fd, const char *name, const char *rest)
{
    bool *any = ctx;
    if (!*any && strncmp(rest, "plan", 4) != 0 && !strchr(rest, '.'))
        *any = is_written_by_us(dir_fd, name);
}

bool wfs_export_any_marked(const char *partial)
{
    bool any = false;
    each_beside(partial, see_marker, &any);
    return any;
}

struct head_ctx {
    wfs_export_head_fn fn;
    void *ctx;
};

static void read_head(void *ctx_void, int dir_fd, const char *name, const char *rest)
{
    const struct head_ctx *ctx = ctx_void;
    char text[WFS_EXPORT_LINE_BYTES];
    struct wfs_export_plan_line line;
    struct wfs_export_part_line part;
    if (strncmp(rest, "plan", 4) == 0 || strchr(rest, '.'))
        return;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *f wfs_cleanup(wfs_fclosep) = fd < 0 ? NULL : fdopen(fd, "r");
    if (!f && fd >= 0)
        close(fd);
    if (f && fgets(text, sizeof(text), f) && wfs_export_parse_plan(text, &line) &&
        wfs_export_scan_part(f, &part) && part.first_chunk < part.end_chunk &&
        part.end_chunk <= wfs_export_n_chunks(line.size_bytes))
        ctx->fn(ctx->ctx, part.first_chunk, line.size_bytes, part.marker.head);
}

void wfs_export_each_head(const char *partial, wfs_export_head_fn fn, void *ctx)
{
    struct head_ctx head = {fn, ctx};
    each_beside(partial, read_head, &head);
}

static void remove_file(void *ctx, int dir_fd, const char *name, const char *rest)
{
    (void)rest;
    if (is_written_by_us(dir_fd, name))
        *(unsigned *)ctx += unlinkat(dir_fd, name, 0) == 0;
}

unsigned wfs_export_unmark(const char *partial)
{
    char *plan wfs_cleanup(wfs_freep) = wfs_export_plan_path(partial);
    if (!plan)
        return 0;
    /* The declaration goes first: without it a part that is under way leaves no marker. */
    unsigned n = is_written_by_us(AT_FDCWD, plan) && unlink(plan) == 0;
    each_beside(partial, remove_file, &n);
    return n;
}
