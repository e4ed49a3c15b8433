/*
 * log.c - one line a message, to stderr, a file or syslog; rate-limited, so that a reader in a loop
 * cannot fill a disk; the last errors and warnings are kept for stats.json.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/base.h"

#define LOG_BURST    32 /* lines that are written in one second */
#define LOG_LINE_MAX 1024

static struct {
    pthread_mutex_t lock;
    FILE *file; /* NULL while the log goes to stderr or to syslog */
    bool to_syslog;
    time_t second; /* when the current second of lines began */
    unsigned n_in_second, n_suppressed;
    char *recent[WFS_LOG_KEPT];
    /* how many lines were ever kept: the ring's next slot is n_recent % WFS_LOG_KEPT */
    size_t n_recent;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"error", "warning", "info"};
static const int level_priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO};

static void write_line(enum wfs_level level, const char *line)
{
    if (log_state.to_syslog) {
        syslog(level_priorities[level], "%s", line);
        return;
    }
    FILE *out = log_state.file ? log_state.file : stderr;
    if (log_state.file) {
        char stamp[32];
        struct tm tm;
        time_t now = time(NULL);
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
        fprintf(out, "%s ", stamp);
    }
    fprintf(out, "weightfs: %s: %s\n", level_names[level], line);
    fflush(out);
}

static void keep(const char *line)
{
    char **slot = &log_state.recent[log_state.n_recent % WFS_LOG_KEPT];
    char *copy = strdup(line);
    if (!copy)
        return;
    free(*slot);
    *slot = copy;
    log_state.n_recent++;
}

/* True where this line may be written now. */
static bool admit(void)
{
    time_t now = time(NULL);
    if (now != log_state.second) {
        if (log_state.n_suppressed) {
            char line[64];
            snprintf(line, sizeof(line), "%u more lines suppressed", log_state.n_suppressed);
            write_line(WFS_LOG_WARNING, line);
        }
        log_state.second = now;
        log_state.n_in_second = log_state.n_suppressed = 0;
    }
    if (log_state.n_in_second++ < LOG_BURST)
        return true;
    log_state.n_suppressed++;
    return false;
}

void wfs_log(enum wfs_level level, const char *fmt, ...)
{
    char line[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    struct wfs_buf visible wfs_cleanup(wfs_buf_free) = {0};
    wfs_buf_visible(&visible, line);
    const char *text = wfs_buf_ok(&visible) && visible.data ? visible.data : "(out of memory)";
    pthread_mutex_lock(&log_state.lock);
    if (level <= WFS_LOG_WARNING)
        keep(text);
    if (admit())
        write_line(level, text);
    pthread_mutex_unlock(&log_state.lock);
}

int wfs_log_open(const char *target, struct wfs_error *err)
{
    FILE *file = NULL;
    if (target && !(file = fopen(target, "ae")))
        return wfs_error_set(err, errno, "%s: cannot be opened for the log: %s", target,
                             strerror(errno));
    pthread_mutex_lock(&log_state.lock);
    if (log_state.file)
        fclose(log_state.file);
    log_state.file = file;
    log_state.to_syslog = target == NULL;
    pthread_mutex_unlock(&log_state.lock);
    if (!target)
        openlog("weightfs", LOG_PID, LOG_DAEMON);
    return 0;
}

/* The line that is `age` lines old (0: the newest) as JSON. */
static void add_recent(struct wfs_buf *out, size_t age)
{
    wfs_buf_json(out, log_state.recent[(log_state.n_recent - 1 - age) % WFS_LOG_KEPT]);
}

/* How many of the newest lines fit. */
static size_t count_fitting(size_t max_bytes)
{
    size_t n = log_state.n_recent < WFS_LOG_KEPT ? log_state.n_recent : WFS_LOG_KEPT;
    size_t total = 2; /* the brackets */
    for (size_t age = 0; age < n; age++) {
        struct wfs_buf line wfs_cleanup(wfs_buf_free) = {0};
        add_recent(&line, age);
        total += line.len + 2;
        if (!wfs_buf_ok(&line) || total > max_bytes)
            return age;
    }
    return n;
}

void wfs_log_recent_json(struct wfs_buf *out, size_t max_bytes)
{
    pthread_mutex_lock(&log_state.lock);
    size_t n = count_fitting(max_bytes);
    wfs_buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            wfs_buf_str(out, ", ");
        add_recent(out, n - 1 - i);
    }
    wfs_buf_char(out, ']');
    pthread_mutex_unlock(&log_state.lock);
}
