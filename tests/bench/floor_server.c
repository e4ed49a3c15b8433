/*
 * floor_server.c - the floor of the protocol: a FUSE server with the mount's settings that answers
 * every read from one constant buffer. What weightfs loses against it is weightfs' own.
 *
 * usage: floor_server MOUNTPOINT SIZE    (one file, "data"; ends when it is unmounted)
 */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_WORKERS    16
#define BUFFER_BYTES (2 << 20)

static off_t file_bytes;
static char *constant;

static void stat_of(fuse_ino_t ino, struct stat *st)
{
    *st = (struct stat){.st_ino = ino, .st_nlink = 1};
    st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0555 : S_IFREG | 0444;
    st->st_size = ino == FUSE_ROOT_ID ? 0 : file_bytes;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->want |= conn->capable & FUSE_CAP_ASYNC_READ;
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                              FUSE_CAP_AUTO_INVAL_DATA);
    conn->max_background = 64;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param e = {.ino = 2, .attr_timeout = 3600, .entry_timeout = 3600};
    if (parent != FUSE_ROOT_ID || strcmp(name, "data") != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    stat_of(2, &e.attr);
    fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    struct stat st;
    stat_of(ino, &st);
    fuse_reply_attr(req, &st, 3600);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    size_t n = off >= file_bytes ? 0 : (size_t)(file_bytes - off);
    fuse_reply_buf(req, constant, n < size ? n : size);
}

static void *work(void *arg)
{
    struct fuse_session *session = arg;
    struct fuse_buf buf = {0};
    for (int n; (n = fuse_session_receive_buf(session, &buf)) > 0 || n == -EINTR;)
        if (n > 0)
            fuse_session_process_buf(session, &buf);
    free(buf.mem);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct fuse_lowlevel_ops ops = {.init = op_init,
                                                 .lookup = op_lookup,
                                                 .getattr = op_getattr,
                                                 .open = op_open,
                                                 .read = op_read};
    char *fuse_argv[] = {argv[0], "-oro,fsname=floor"};
    struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
    pthread_t threads[N_WORKERS];
    if (argc != 3)
        return 2;
    file_bytes = strtoll(argv[2], NULL, 10);
    constant = aligned_alloc(1 << 21, BUFFER_BYTES);
    memset(constant, 7, BUFFER_BYTES);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
    if (!session || fuse_session_mount(session, argv[1]))
        return 1;
    for (int i = 0; i < N_WORKERS; i++)
        pthread_create(&threads[i], NULL, work, session);
    for (int i = 0; i < N_WORKERS; i++)
        pthread_join(threads[i], NULL);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return 0;
}
