/*
 * readahead.c - writes /sys/class/bdi/<device>/read_ahead_kb. INIT can only lower what the kernel
 * offers (128 KiB); this file can raise it, for root.
 */
#include "mount/server/readahead.h"

#define BDI_PATH_MAX 64

static unsigned read_kb(const char *path)
{
    unsigned kb = 0;
    FILE *in wfs_cleanup(wfs_fclosep) = fopen(path, "re");
    if (!in || fscanf(in, "%u", &kb) != 1)
        return 0;
    return kb;
}

static void write_kb(const char *path, unsigned kb)
{
    FILE *out wfs_cleanup(wfs_fclosep) = fopen(path, "we");
    if (out) {
        fprintf(out, "%u\n", kb);
        fflush(out);
    }
}

void wfs_readahead_raise(unsigned dev_major, unsigned dev_minor)
{
    char path[BDI_PATH_MAX];
    snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", dev_major, dev_minor);
    unsigned before = read_kb(path);
    if (before >= WFS_READ_AHEAD_KB)
        return;
    write_kb(path, WFS_READ_AHEAD_KB);
    unsigned after = read_kb(path);
    if (after < WFS_READ_AHEAD_KB)
        wfs_log(WFS_LOG_INFO,
                "read-ahead stays at %u KiB; first reads are faster after, as root: echo %u > %s",
                after, WFS_READ_AHEAD_KB, path);
}
