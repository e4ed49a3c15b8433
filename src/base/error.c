/*
 * error.c - the caller-owned error record. The first failure writes it, so that the message names
 * the cause and not the last place that noticed.
 */
#include <stdarg.h>
#include <string.h>

#include "base/base.h"

/* Names come from files: what goes to a terminal must not drive it. C1 controls are two bytes. */
static void sanitise(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == WFS_SEP)
            *s = *s == WFS_SEP ? '.' : '?';
        else if (*s == '\xc2' && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0)
            s[0] = s[1] = '?';
    }
}

int wfs_error_set(struct wfs_error *err, int code, const char *fmt, ...)
{
    if (!err || err->code)
        return -code;
    err->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    sanitise(err->message);
    return -code;
}

int wfs_error_prefix(struct wfs_error *err, const char *fmt, ...)
{
    if (!err)
        return -EIO;
    char prefix[WFS_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefix, sizeof(prefix), fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    size_t keep = strlen(err->message);
    size_t at = (size_t)n + 2 < sizeof(err->message) ? (size_t)n + 2 : 0;
    if (at) {
        if (keep > sizeof(err->message) - 1 - at)
            keep = sizeof(err->message) - 1 - at;
        memmove(err->message + at, err->message, keep);
        memcpy(err->message, prefix, (size_t)n);
        memcpy(err->message + n, ": ", 2);
        err->message[at + keep] = '\0';
        sanitise(err->message);
    }
    return -err->code;
}

int wfs_error_nomem(struct wfs_error *err, const char *what)
{
    return wfs_error_set(err, ENOMEM, "out of memory for %s", what);
}
