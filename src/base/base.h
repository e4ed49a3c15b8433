/*
 * base.h - what every stage stands on: errors, arenas, checked arithmetic, growable buffers,
 * string maps, names, log and progress.
 *
 * Conventions of the whole library:
 *  - a function that can fail returns 0 or -errno and takes a caller-owned `struct wfs_error *`
 *    last (NULL is allowed); outputs are called `ret_*` and are untouched on failure;
 *  - byte ranges are always (buf, len, off); sizes carry their unit in the name;
 *  - malformed input is an error, never an assertion.
 */
#ifndef WEIGHTFS_BASE_BASE_H
#define WEIGHTFS_BASE_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WFS_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
/* Stands where an index would stand and says that there is none. */
#define WFS_NO_INDEX UINT32_MAX

#define WFS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- errors -------------------------------------------------------------------------------- */

#define WFS_ERROR_MESSAGE_MAX 768

/* Zero-initialise before use. The first failure fills it; later ones leave it alone. */
struct wfs_error {
    int code; /* a positive errno, 0 while nothing failed */
    char message[WFS_ERROR_MESSAGE_MAX];
};

/* Records a failure (unless one is recorded) and returns -code, so: `return wfs_error_set(...)`.
 * The message names the file, the tensor and the byte position as far as they are known. Control
 * bytes that came in with a name are escaped, so a message can go to a terminal. */
int wfs_error_set(struct wfs_error *err, int code, const char *fmt, ...) WFS_PRINTF(3, 4);
/* Puts "prefix: " before the message; returns -err->code. At most one prefix per caller. */
int wfs_error_prefix(struct wfs_error *err, const char *fmt, ...) WFS_PRINTF(2, 3);
/* -ENOMEM with a message that says what did not fit. */
int wfs_error_nomem(struct wfs_error *err, const char *what);

/* ---- scopes -------------------------------------------------------------------------------- */

#define wfs_cleanup(fn) __attribute__((cleanup(fn)))
/* `return wfs_steal(&ret);`: the pointer's value; the variable becomes NULL. */
#define wfs_steal(pp)                                                                              \
    ({                                                                                             \
        __typeof__(pp) wfs_pp_ = (pp);                                                             \
        __typeof__(*wfs_pp_) wfs_val_ = *wfs_pp_;                                                  \
        *wfs_pp_ = NULL;                                                                           \
        wfs_val_;                                                                                  \
    })
void wfs_freep(void *pp); /* wfs_cleanup(wfs_freep) char *s */
void wfs_closep(int *fd); /* wfs_cleanup(wfs_closep) int fd = -1; keeps errno */
void wfs_fclosep(FILE **f);

/* ---- checked arithmetic: true on success --------------------------------------------------- */

static inline bool wfs_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool wfs_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}
static inline bool wfs_mul_size(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}
static inline uint64_t wfs_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t wfs_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
/* Rounds up to a multiple of `unit` (> 0); the caller has bounded `a`. */
static inline uint64_t wfs_round_up_u64(uint64_t a, uint64_t unit)
{
    return (a + unit - 1) / unit * unit;
}

/* ---- arena: allocations that live and die together ----------------------------------------- */

/* Not thread-safe while it is written to; everything in it may be read by all threads after. */
struct wfs_arena;

struct wfs_arena *wfs_arena_new(void); /* NULL when out of memory */
void wfs_arena_free(struct wfs_arena *arena);
void wfs_arena_freep(struct wfs_arena **arena);
/* 16-byte aligned, zeroed; NULL when out of memory. */
void *wfs_arena_alloc(struct wfs_arena *arena, size_t size_bytes);
/* n * size with the product checked. */
void *wfs_arena_array(struct wfs_arena *arena, size_t n, size_t size_bytes);
void *wfs_arena_memdup(struct wfs_arena *arena, const void *src, size_t size_bytes);
char *wfs_arena_strdup(struct wfs_arena *arena, const char *s);
char *wfs_arena_strndup(struct wfs_arena *arena, const char *s, size_t len);
char *wfs_arena_printf(struct wfs_arena *arena, const char *fmt, ...) WFS_PRINTF(2, 3);
/* Calls fn(ptr) when the arena is freed, last registered first. 0 or -ENOMEM (fn is then called
 * at once, so that the resource never leaks). */
int wfs_arena_on_free(struct wfs_arena *arena, void (*fn)(void *), void *ptr);
/* True where an allocation in this arena has failed. _fail records such a failure by hand: for what
 * could not be put there although the work goes on, so that whoever made the arena learns of it at
 * the end. */
bool wfs_arena_has_failed(const struct wfs_arena *arena);
void wfs_arena_fail(struct wfs_arena *arena);
size_t wfs_arena_size_bytes(const struct wfs_arena *arena);

/* ---- growable arrays and text -------------------------------------------------------------- */

/* Makes room for `need` elements in the malloc'd array that array_pp points to; the capacity
 * doubles as it grows. 0 or -ENOMEM. */
int wfs_grow(void *array_pp, size_t *cap, size_t need, size_t elem_bytes);

/* Text or bytes being built. A failed allocation is remembered and reported once, at the end:
 * check wfs_buf_ok() before use. Zero-initialise; wfs_cleanup(wfs_buf_free). */
struct wfs_buf {
    char *data; /* NUL-terminated whenever len > 0 */
    size_t len, cap;
    bool failed;
};
void wfs_buf_free(struct wfs_buf *buf);
static inline bool wfs_buf_ok(const struct wfs_buf *buf)
{
    return !buf->failed;
}
void wfs_buf_add(struct wfs_buf *buf, const void *data, size_t len);
void wfs_buf_str(struct wfs_buf *buf, const char *s);
void wfs_buf_char(struct wfs_buf *buf, char c);
void wfs_buf_printf(struct wfs_buf *buf, const char *fmt, ...) WFS_PRINTF(2, 3);
void wfs_buf_vprintf(struct wfs_buf *buf, const char *fmt, va_list ap) WFS_PRINTF(2, 0);
/* A JSON string literal with its quotes; the name's modified UTF-8 NUL becomes \u0000. */
void wfs_buf_json(struct wfs_buf *buf, const char *s);
/* For terminals and tables: control bytes, DEL and invalid UTF-8 as \n, \t, \xNN; '\\' as "\\\\".
 */
void wfs_buf_visible(struct wfs_buf *buf, const char *s);

/* ---- string map ---------------------------------------------------------------------------- */

/* A hash table with open addressing. Keys are borrowed: they must live as long as the map.
 * Zero-initialise before use. */
struct wfs_strmap {
    struct wfs_strmap_slot *slots;
    size_t n, cap;
};
void wfs_strmap_free(struct wfs_strmap *map);
/* Adds a key. 0, -EEXIST where the key is there already (its value is kept), or -ENOMEM. */
int wfs_strmap_add(struct wfs_strmap *map, const char *key, uint64_t value);
/* Adds a key, or replaces the value of one that is there. 0 or -ENOMEM. */
int wfs_strmap_set(struct wfs_strmap *map, const char *key, uint64_t value);
/* True where the key is there; *ret_value (ret_value may be NULL) is then its value. */
bool wfs_strmap_get(const struct wfs_strmap *map, const char *key, uint64_t *ret_value);

/* ---- names --------------------------------------------------------------------------------- */

/*
 * A tensor's PATH is one C string: its components in order, joined by WFS_SEP, a byte that no
 * UTF-8 text contains. "encoder.layer.0.weight" of a state dict is four components; the Flax key
 * "Dense_0/kernel/scale" inside a map is one component. A NUL inside a component is held as
 * C0 80 (modified UTF-8). So a path is lossless, and splitting it needs no escapes.
 */
#define WFS_SEP     '\xff'
#define WFS_SEP_STR "\xff"

/* True where s[0..len) is valid UTF-8 (no surrogates, no overlongs; NUL allowed). */
bool wfs_utf8_valid(const char *s, size_t len);
/* A component or a whole name from raw bytes: NUL becomes C0 80. NULL when out of memory. The
 * caller has checked wfs_utf8_valid. */
char *wfs_name_from_bytes(struct wfs_arena *arena, const char *s, size_t len);
/* The inverse into `out`: C0 80 becomes NUL. */
void wfs_name_to_bytes(struct wfs_buf *out, const char *name);
/* Splits a joined name at `sep` ('.' or '/') into a path. */
char *wfs_path_from_name(struct wfs_arena *arena, const char *name, char sep);
/* Joins a path with `sep`. A component that contains `sep` or '%' where another component contains
 * the separator is percent-encoded (only '%' and `sep`), as is a '%' that could be taken for such
 * a code, so that distinct paths give distinct names; all other paths are joined as they are. */
void wfs_path_join(struct wfs_buf *out, const char *path, char sep);
char *wfs_path_join_dup(struct wfs_arena *arena, const char *path, char sep);
/*
 * Formats whose names are flat text (safetensors, .npz, JSON templates) do not say which character
 * joins a name's components: PyTorch writes '.', Keras and Flax write '/'. All names of one
 * checkpoint decide together, by one rule for every format: names that hold one of the two
 * characters alone tell. Where some tell '.' and others '/', or where names hold both or none, the
 * names do not tell.
 */
struct wfs_sep_votes {
    size_t n_dots, n_slashes, n_both; /* names that hold this character alone, and both */
};
void wfs_sep_vote(struct wfs_sep_votes *votes, const char *name);
/* '.' or '/': `usual`, the asker's own custom, where the names do not tell. *ret_is_doubtful (may
 * be NULL) is true where that custom chose between two characters which the names do hold: a guess,
 * which the asker reports. */
char wfs_sep_choose(const struct wfs_sep_votes *votes, char usual, bool *ret_is_doubtful);
size_t wfs_path_n_components(const char *path);
/* The i-th component as (pointer, length) into `path`; i < wfs_path_n_components(path). */
const char *wfs_path_component(const char *path, size_t i, size_t *ret_len);
/* One component made safe as a file name, as the design says: percent-encoding for '%', '/', NUL,
 * control bytes and whole components ".", ".." and ""; over 255 - reserve_bytes bytes the first
 * 200 and "%~" with a hash. Appends to `out`; true where something had to change. */
bool wfs_name_escape(struct wfs_buf *out, const char *component, size_t len, size_t reserve_bytes);
/* Where an escaped name longer than `max` is cut so that no UTF-8 sequence and no %XX is split. */
size_t wfs_name_cut(const char *s, size_t max);
/* Natural order: runs of digits compare as numbers; a total order (ties by strcmp). Works on names
 * and on paths, WFS_SEP sorting before everything else. */
int wfs_natural_cmp(const char *a, const char *b);

/* ---- hashes -------------------------------------------------------------------------------- */

struct wfs_hash {
    uint8_t bytes[16]; /* XXH3-128, canonical (big-endian) form */
};
struct wfs_hash wfs_hash_bytes(const void *data, size_t len);
/* 32 lowercase hex digits and a NUL. */
void wfs_hash_hex(const struct wfs_hash *hash, char ret_hex[33]);

/* ---- log ----------------------------------------------------------------------------------- */

enum wfs_level { WFS_LOG_ERROR, WFS_LOG_WARNING, WFS_LOG_INFO };

/* Writes one line of log, to stderr until wfs_log_open is called. At most 32 lines a second are
 * written; those beyond are only counted. Thread-safe. */
void wfs_log(enum wfs_level level, const char *fmt, ...) WFS_PRINTF(2, 3);
/* target: NULL = syslog, else a file that is appended to. 0 or -errno. */
int wfs_log_open(const char *target, struct wfs_error *err);
/* The last WFS_LOG_KEPT errors and warnings as a JSON array of strings, for stats.json; of them the
 * newest that fit in max_bytes (at least 2). */
#define WFS_LOG_KEPT 64
void wfs_log_recent_json(struct wfs_buf *out, size_t max_bytes);

/* ---- progress ------------------------------------------------------------------------------ */

/* A bar on stderr where stderr is a terminal, nothing elsewhere. Thread-safe additions. */
struct wfs_progress;
struct wfs_progress *wfs_progress_new(const char *label, uint64_t total_bytes); /* may be NULL */
void wfs_progress_add(struct wfs_progress *progress, uint64_t n_bytes);
void wfs_progress_free(struct wfs_progress *progress); /* clears the line */

/* ---- parallel work ------------------------------------------------------------------------- */

/* One task of many. Returns 0, or -errno with a message in err. */
typedef int (*wfs_task_fn)(void *ctx, uint64_t task, struct wfs_error *err);
/* Calls fn for 0 <= task < n_tasks from n_threads threads (0: one a processor), the caller's among
 * them. Stops at the first failure and returns it. */
int wfs_parallel_run(unsigned n_threads, uint64_t n_tasks, wfs_task_fn fn, void *ctx,
                     struct wfs_error *err);

#endif
