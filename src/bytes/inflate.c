/*
 * inflate.c - a deflated stream (a ZIP member) as bytes with random access.
 *
 * While a stream is passed, the state at block boundaries is remembered: where it stands in both
 * streams and the 32 KiB before it. A read starts at the nearest remembered state, or goes on with
 * a decoder that a previous read left there. Both sets are process-wide and bounded, the least
 * recently used goes first, so a file of a thousand members costs no more than one of few.
 *
 * Lock: `shared.lock` guards the two sets only; nothing is inflated or read under it.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes/bytes.h"

#if HAVE_ZLIB
#include <pthread.h>
#include <zlib.h>

#define INFLATE_WINDOW 32768
#define INFLATE_INPUT  65536
/* checkpoints that are kept at most, over all streams: 16 MiB */
#define INFLATE_CHECKPOINTS_MAX 512
/* decoders that are kept at most, over all streams: about 2 MiB */
#define INFLATE_PARKED_MAX     16
#define INFLATE_SPAN_MIN       (UINT64_C(1) << 20) /* output bytes between checkpoints */
#define INFLATE_SPANS_PER_FILE 256

struct inflate_bytes {
    struct wfs_bytes base;
    struct wfs_bytes *parent;
    uint64_t off, len; /* where the deflated stream lies in parent */
    uint64_t span;
    bool has_crc;
    uint32_t crc; /* the CRC-32 of the whole inflated stream */
};

struct checkpoint {
    /* the stream that it belongs to; NULL where the slot is free */
    const struct inflate_bytes *owner;
    uint64_t in, out; /* next input byte (from off), output bytes before it */
    uint32_t crc;     /* of those output bytes */
    int bits;         /* of the byte before `in` that are not used yet */
    uInt window_len;
    uint64_t used_at;
    uint8_t window[INFLATE_WINDOW];
};

struct decoder {
    z_stream zs;
    uint64_t in, out; /* input bytes handed to zlib's buffer so far, output bytes made */
    uint32_t crc;     /* of the output bytes, where the stream has one to compare with */
    uint64_t last_checkpoint;
    bool ended;
    uint8_t input[INFLATE_INPUT];
};

static struct {
    pthread_mutex_t lock;
    uint64_t clock;
    struct checkpoint *checkpoints[INFLATE_CHECKPOINTS_MAX];
    struct {
        const struct inflate_bytes *owner;
        struct decoder *decoder;
        uint64_t used_at;
    } parked[INFLATE_PARKED_MAX];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void decoder_free(struct decoder *d)
{
    if (d)
        inflateEnd(&d->zs);
    free(d);
}

/* ---- the two sets -------------------------------------------------------------------------- */

/* Takes the furthest decoder of this stream that stands at or before `off`; NULL where there is
 * none. */
static struct decoder *take_parked(const struct inflate_bytes *owner, uint64_t off)
{
    struct decoder *best = NULL;
    size_t at = 0;
    pthread_mutex_lock(&shared.lock);
    for (size_t i = 0; i < INFLATE_PARKED_MAX; i++) {
        struct decoder *d = shared.parked[i].owner == owner ? shared.parked[i].decoder : NULL;
        if (d && d->out <= off && (!best || d->out > best->out)) {
            best = d;
            at = i;
        }
    }
    if (best)
        shared.parked[at].owner = NULL;
    pthread_mutex_unlock(&shared.lock);
    return best;
}

static void park(const struct inflate_bytes *owner, struct decoder *d)
{
    size_t at = 0;
    pthread_mutex_lock(&shared.lock);
    for (size_t i = 1; i < INFLATE_PARKED_MAX && shared.parked[at].owner; i++)
        if (!shared.parked[i].owner || shared.parked[i].used_at < shared.parked[at].used_at)
            at = i;
    struct decoder *old = shared.parked[at].owner ? shared.parked[at].decoder : NULL;
    shared.parked[at].owner = owner;
    shared.parked[at].decoder = d;
    shared.parked[at].used_at = ++shared.clock;
    pthread_mutex_unlock(&shared.lock);
    decoder_free(old);
}

/* Copies the last checkpoint that lies at or before `off` and after `from`; false where there is
 * none. */
static bool find_checkpoint(const struct inflate_bytes *owner, uint64_t off, uint64_t from,
                            struct checkpoint *ret)
{
    struct checkpoint *best = NULL;
    pthread_mutex_lock(&shared.lock);
    for (size_t i = 0; i < INFLATE_CHECKPOINTS_MAX; i++) {
        struct checkpoint *c = shared.checkpoints[i];
        if (c && c->owner == owner && c->out <= off && c->out > from &&
            (!best || c->out > best->out))
            best = c;
    }
    if (best) {
        best->used_at = ++shared.clock;
        *ret = *best;
    }
    pthread_mutex_unlock(&shared.lock);
    return best != NULL;
}

static bool is_remembered(const struct inflate_bytes *owner, uint64_t out)
{
    for (size_t i = 0; i < INFLATE_CHECKPOINTS_MAX; i++) {
        const struct checkpoint *c = shared.checkpoints[i];
        if (c && c->owner == owner && c->out == out)
            return true;
    }
    return false;
}

/* The slot to fill: a free one, else the least recently used. NULL when out of memory. */
static struct checkpoint *checkpoint_slot(void)
{
    struct checkpoint *oldest = NULL;
    for (size_t i = 0; i < INFLATE_CHECKPOINTS_MAX; i++) {
        if (!shared.checkpoints[i])
            return shared.checkpoints[i] = calloc(1, sizeof(struct checkpoint));
        if (!shared.checkpoints[i]->owner)
            return shared.checkpoints[i];
        if (!oldest || shared.checkpoints[i]->used_at < oldest->used_at)
            oldest = shared.checkpoints[i];
    }
    return oldest;
}

static void remember(const struct inflate_bytes *owner, struct decoder *d)
{
    uint8_t window[INFLATE_WINDOW];
    uInt window_len = sizeof(window);
    if (inflateGetDictionary(&d->zs, window, &window_len) != Z_OK)
        return;
    d->last_checkpoint = d->out;
    pthread_mutex_lock(&shared.lock);
    struct checkpoint *c = is_remembered(owner, d->out) ? NULL : checkpoint_slot();
    if (c) {
        c->owner = owner;
        c->in = d->in - d->zs.avail_in;
        c->out = d->out;
        c->crc = d->crc;
        c->bits = d->zs.data_type & 7;
        c->window_len = window_len;
        c->used_at = ++shared.clock;
        memcpy(c->window, window, window_len);
    }
    pthread_mutex_unlock(&shared.lock);
}

static void forget(const struct inflate_bytes *owner)
{
    pthread_mutex_lock(&shared.lock);
    for (size_t i = 0; i < INFLATE_CHECKPOINTS_MAX; i++) {
        if (shared.checkpoints[i] && shared.checkpoints[i]->owner == owner) {
            free(shared.checkpoints[i]);
            shared.checkpoints[i] = NULL;
        }
    }
    for (size_t i = 0; i < INFLATE_PARKED_MAX; i++) {
        if (shared.parked[i].owner == owner) {
            shared.parked[i].owner = NULL;
            decoder_free(shared.parked[i].decoder);
        }
    }
    pthread_mutex_unlock(&shared.lock);
}

/* ---- decoding ------------------------------------------------------------------------------ */

static int corrupt(const struct inflate_bytes *b, const struct decoder *d, const char *what,
                   struct wfs_error *err)
{
    return wfs_error_set(err, EIO,
                         "%s: %s: the deflated stream %s at its byte %llu (byte %llu inflated)",
                         b->parent->name, b->base.name, what,
                         (unsigned long long)(d->in - d->zs.avail_in), (unsigned long long)d->out);
}

static struct decoder *decoder_new(void)
{
    struct decoder *d = calloc(1, sizeof(*d));
    if (d && inflateInit2(&d->zs, -MAX_WBITS) != Z_OK) {
        free(d);
        d = NULL;
    }
    return d;
}

/* Makes a decoder that stands where the checkpoint was made. */
static struct decoder *decoder_resume(const struct inflate_bytes *b, const struct checkpoint *c,
                                      struct wfs_error *err)
{
    struct decoder *d = decoder_new();
    if (!d)
        return NULL;
    d->in = c->in;
    d->out = d->last_checkpoint = c->out;
    d->crc = c->crc;
    uint8_t last = 0;
    if (c->bits && wfs_bytes_read(b->parent, &last, 1, b->off + c->in - 1, err)) {
        decoder_free(d);
        return NULL;
    }
    if (c->bits)
        inflatePrime(&d->zs, c->bits, last >> (8 - c->bits));
    inflateSetDictionary(&d->zs, c->window, c->window_len);
    return d;
}

/* Gives zlib more input. Where all of it was handed over this is no error: zlib may still have
 * output to give. */
static int refill(const struct inflate_bytes *b, struct decoder *d, struct wfs_error *err)
{
    size_t n = (size_t)wfs_min_u64(INFLATE_INPUT, b->len - d->in);
    int r = wfs_bytes_read(b->parent, d->input, n, b->off + d->in, err);
    if (r)
        return r;
    d->zs.next_in = d->input;
    d->zs.avail_in = (uInt)n;
    d->in += n;
    return 0;
}

static bool at_block_boundary(const struct decoder *d)
{
    return (d->zs.data_type & 128) && !(d->zs.data_type & 64);
}

/* Inflates the next `len` bytes or fewer into buf; *ret_n is 0 only where the stream has ended. */
static int decode_some(const struct inflate_bytes *b, struct decoder *d, uint8_t *out, size_t len,
                       size_t *ret_n, struct wfs_error *err)
{
    *ret_n = 0;
    while (!d->ended && *ret_n == 0) {
        int r = d->zs.avail_in ? 0 : refill(b, d, err);
        if (r)
            return r;
        d->zs.next_out = out;
        d->zs.avail_out = (uInt)wfs_min_u64(len, UINT32_MAX / 2);
        uInt room = d->zs.avail_out;
        int z = inflate(&d->zs, Z_BLOCK);
        if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
            return corrupt(b, d, "is corrupt", err);
        *ret_n = room - d->zs.avail_out;
        if (z == Z_BUF_ERROR && *ret_n == 0 && d->in == b->len && d->zs.avail_in == 0)
            return corrupt(b, d, "is cut off", err);
        d->out += *ret_n;
        if (b->has_crc)
            d->crc = (uint32_t)crc32_z(d->crc, out, *ret_n);
        d->ended = z == Z_STREAM_END;
        if (at_block_boundary(d) && d->out >= d->last_checkpoint + b->span)
            remember(b, d);
    }
    return 0;
}

/* The declared size was reached: the stream must say so too. */
static int check_end(const struct inflate_bytes *b, struct decoder *d, struct wfs_error *err)
{
    uint8_t extra;
    size_t n;
    int r = decode_some(b, d, &extra, 1, &n, err);
    if (r)
        return r;
    if (n)
        return corrupt(b, d, "holds more than its declared size", err);
    return b->has_crc && d->crc != b->crc ? corrupt(b, d, "has another CRC than declared", err) : 0;
}

static int decode_range(const struct inflate_bytes *b, struct decoder *d, uint8_t *buf, size_t len,
                        uint64_t off, struct wfs_error *err)
{
    uint8_t scratch[INFLATE_WINDOW];
    while (d->out < off + len) {
        bool skipping = d->out < off;
        uint8_t *out = skipping ? scratch : buf + (d->out - off);
        size_t n, room = skipping ? (size_t)wfs_min_u64(sizeof(scratch), off - d->out)
                                  : (size_t)(off + len - d->out);
        int r = decode_some(b, d, out, room, &n, err);
        if (r)
            return r;
        if (n == 0)
            return corrupt(b, d, "ends before its declared size", err);
    }
    return d->out == b->base.size_bytes ? check_end(b, d, err) : 0;
}

/* Finds the nearest state at or before `off` to go on from: a parked decoder, a checkpoint, or the
 * start of the stream. */
static struct decoder *decoder_near(const struct inflate_bytes *b, uint64_t off,
                                    struct wfs_error *err)
{
    struct decoder *d = take_parked(b, off);
    struct checkpoint *c wfs_cleanup(wfs_freep) = malloc(sizeof(*c));
    if (c && find_checkpoint(b, off, d ? d->out : 0, c)) {
        if (d)
            park(b, d);
        d = decoder_resume(b, c, err);
    } else if (!d) {
        d = decoder_new();
    }
    if (!d)
        wfs_error_nomem(err, b->base.name);
    return d;
}

static int inflate_read(struct wfs_bytes *bytes, void *buf, size_t len, uint64_t off,
                        struct wfs_error *err)
{
    struct inflate_bytes *b = (struct inflate_bytes *)bytes;
    struct wfs_error local = {0};
    struct decoder *d = decoder_near(b, off, err ? err : &local);
    if (!d)
        return -(err ? err->code : local.code);
    int r = decode_range(b, d, buf, len, off, err);
    if (r)
        decoder_free(d);
    else
        park(b, d);
    return r;
}

static int inflate_check(struct wfs_bytes *bytes, struct wfs_error *err)
{
    return wfs_bytes_check(((struct inflate_bytes *)bytes)->parent, err);
}

static void inflate_free(struct wfs_bytes *bytes)
{
    struct inflate_bytes *b = (struct inflate_bytes *)bytes;
    forget(b);
    wfs_bytes_unref(b->parent);
    free((char *)b->base.name);
    free(b);
}

static const struct wfs_bytes_ops inflate_ops = {
    .kind = "inflated", .read = inflate_read, .free = inflate_free, .check = inflate_check};

int wfs_bytes_inflate(struct wfs_bytes *parent, uint64_t off, uint64_t len, uint64_t size_bytes,
                      const uint32_t *crc, const char *name, struct wfs_bytes **ret,
                      struct wfs_error *err)
{
    if (off > parent->size_bytes || len > parent->size_bytes - off)
        return wfs_error_set(err, EINVAL, "%s: the deflated stream at byte %llu is not in the file",
                             name, (unsigned long long)off);
    struct inflate_bytes *b = calloc(1, sizeof(*b));
    char *own_name = strdup(name);
    if (!b || !own_name) {
        free(b);
        free(own_name);
        return wfs_error_nomem(err, name);
    }
    struct {
        struct wfs_hash parent;
        uint64_t off, len, size, is_inflated;
    } key = {parent->id, off, len, size_bytes, 1};
    b->base = (struct wfs_bytes){.ops = &inflate_ops,
                                 .n_refs = 1,
                                 .size_bytes = size_bytes,
                                 .name = own_name,
                                 .id = wfs_hash_bytes(&key, sizeof(key))};
    b->parent = wfs_bytes_ref(parent);
    b->off = off;
    b->len = len;
    b->has_crc = crc != NULL;
    b->crc = crc ? *crc : 0;
    b->span = wfs_max_u64(INFLATE_SPAN_MIN, size_bytes / INFLATE_SPANS_PER_FILE);
    *ret = &b->base;
    return 0;
}

#else

int wfs_bytes_inflate(struct wfs_bytes *parent, uint64_t off, uint64_t len, uint64_t size_bytes,
                      const uint32_t *crc, const char *name, struct wfs_bytes **ret,
                      struct wfs_error *err)
{
    (void)parent;
    (void)crc;
    (void)off;
    (void)len;
    (void)size_bytes;
    (void)ret;
    return wfs_error_set(err, ENOTSUP, "%s is deflated, and weightfs was built without zlib", name);
}

#endif
