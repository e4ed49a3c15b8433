/*
 * fuzz_main.c - runs every file of the folders (or files) named on the command line through a fuzz
 * target, in ordinary and sanitizer builds: a finding kept in the corpus stays fixed. All of them
 * together may take MAX_CPU_S of CPU time, so that a loaded machine needs longer but does not fail.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CPU_S 120

static char running[4096]; /* the file that is being replayed */

/* Names the file that took too long; only what a signal handler may call. */
static void out_of_cpu_time(int signo)
{
    static const char text[] = ": out of CPU time\n";
    (void)signo;
    if (write(STDERR_FILENO, running, strlen(running)) > 0 &&
        write(STDERR_FILENO, text, sizeof text - 1) > 0)
        _exit(1);
    _exit(2);
}

static void limit_cpu_time(void)
{
    struct rlimit limit = {.rlim_cur = MAX_CPU_S, .rlim_max = MAX_CPU_S + 10};
    signal(SIGXCPU, out_of_cpu_time);
    setrlimit(RLIMIT_CPU, &limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    snprintf(running, sizeof running, "%s", path);
    if (!f) {
        perror(path);
        return 1;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t n = data ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    if (data && n == (size_t)size)
        LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

static int run_folder(const char *path, unsigned *n_files)
{
    DIR *dir = opendir(path);
    if (!dir) {
        *n_files += 1;
        return run_file(path);
    }
    int status = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char name[4096];
        struct stat st;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (stat(name, &st) || !S_ISREG(st.st_mode))
            continue;
        status |= run_file(name);
        *n_files += 1;
    }
    closedir(dir);
    return status;
}

int main(int argc, char **argv)
{
    unsigned n_files = 0;
    int status = 0;
    limit_cpu_time();
    for (int i = 1; i < argc; i++)
        status |= run_folder(argv[i], &n_files);
    printf("%u files replayed\n", n_files);
    return status || n_files == 0;
}
