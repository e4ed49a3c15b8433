/*
 * memory.c - the default of memory=.
 *
 * /proc/self/cgroup has a line "0::/path" (version 2) or "9:memory:/path" (version 1). A limit on
 * any ancestor binds, so every level is read. Inside a container the path may name a directory that
 * is not visible: the walk up ends at the root of the mount, which is then the container's own.
 */
#include "cache/pool/memory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES (UINT64_C(256) << 20)
#define DEFAULT_SHARE     8u

static bool read_text(const char *path, char *buf, size_t size)
{
    wfs_cleanup(wfs_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, size - 1);
    if (n <= 0)
        return false;
    buf[n] = '\0';
    return true;
}

/* "max" and absent files are no limit. */
static uint64_t read_limit(const char *dir, const char *file)
{
    char path[PATH_MAX], text[64], *end;
    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return UINT64_MAX;
    if (!read_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return UINT64_MAX;
    errno = 0;
    uint64_t limit = strtoull(text, &end, 10);
    return errno != 0 || end == text ? UINT64_MAX : limit;
}

static uint64_t walk_up(const char *mount, const char *path, size_t path_len, const char *file)
{
    char dir[PATH_MAX];
    uint64_t limit = UINT64_MAX;
    int n = snprintf(dir, sizeof dir, "%s%.*s", mount, (int)path_len, path);
    if (n < 0 || n >= (int)sizeof dir)
        return read_limit(mount, file);
    size_t mount_len = strlen(mount);
    for (;;) {
        limit = wfs_min_u64(limit, read_limit(dir, file));
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount_len)
            return limit;
        *slash = '\0';
    }
}

static uint64_t line_limit(const char *line, size_t len, const char *root)
{
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return UINT64_MAX;
    const char *controllers = colon + 1;
    const char *path = memchr(controllers, ':', len - (size_t)(controllers - line));
    if (!path)
        return UINT64_MAX;
    size_t n_controllers = (size_t)(path - controllers);
    path++;
    size_t path_len = len - (size_t)(path - line);
    char mount[PATH_MAX];
    if (n_controllers == 0)
        return walk_up(root, path, path_len, "memory.max");
    if (n_controllers != strlen("memory") || memcmp(controllers, "memory", n_controllers) != 0 ||
        snprintf(mount, sizeof mount, "%s/memory", root) >= (int)sizeof mount)
        return UINT64_MAX;
    return walk_up(mount, path, path_len, "memory.limit_in_bytes");
}

uint64_t wfs_memory_cgroup_limit(const char *proc_cgroup, const char *root)
{
    uint64_t limit = UINT64_MAX;
    for (const char *line = proc_cgroup; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        limit = wfs_min_u64(limit, line_limit(line, len, root));
        line += len + (line[len] == '\n');
    }
    return limit;
}

uint64_t wfs_memory_default(void)
{
    char text[4096] = "";
    uint64_t have = UINT64_MAX;
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0)
        have = (uint64_t)pages * (uint64_t)page_bytes;
    if (read_text("/proc/self/cgroup", text, sizeof text))
        have = wfs_min_u64(have, wfs_memory_cgroup_limit(text, "/sys/fs/cgroup"));
    return wfs_min_u64(DEFAULT_MAX_BYTES, have / DEFAULT_SHARE);
}
