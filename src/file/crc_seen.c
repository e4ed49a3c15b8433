/*
 * crc_seen.c - CRCs of what is served of a member, kept until its correction is asked for.
 *
 * A table has room for the members that were read last. Each has a few runs, ascending and apart:
 * the ranges that were served and their CRCs, joined where they meet. Of two that overlap the
 * longer stays, and where there is no room the shortest goes: whatever is missing in the end is
 * read, so all of this only saves work. Requests are served side by side, so the last one may ask
 * while the ones before it are under way; those few bytes are read twice.
 */
#include "file/crc_seen.h"

#include <pthread.h>
#include <string.h>

#include "file/crc.h"
#include "file/crc_expr.h"

#define MEMBERS_MAX 32 /* more than there are readers with requests in flight */
#define KNOWN       (UINT64_C(1) << 32)

struct slot {
    const struct wfs_crc_seen *owner; /* NULL: free */
    uint64_t used_at;
    struct wfs_crc_runs known;
};

struct wfs_crc_table {
    pthread_mutex_t lock; /* guards the slots; it is held for a few comparisons */
    uint64_t clock;
    struct slot slots[MEMBERS_MAX];
};

static void destroy_table(void *table_void)
{
    struct wfs_crc_table *table = table_void;
    pthread_mutex_destroy(&table->lock);
}

struct wfs_crc_table *wfs_crc_table_new(struct wfs_arena *arena)
{
    struct wfs_crc_table *table = wfs_arena_alloc(arena, sizeof(*table));
    if (!table || pthread_mutex_init(&table->lock, NULL) != 0)
        return NULL;
    return wfs_arena_on_free(arena, destroy_table, table) == 0 ? table : NULL;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void remove_run(struct wfs_crc_runs *known, uint32_t i)
{
    known->n--;
    memmove(&known->runs[i], &known->runs[i + 1], (known->n - i) * sizeof(known->runs[0]));
}

/* The first run that begins at `off` or after. */
static uint32_t first_from(const struct wfs_crc_runs *known, uint64_t off)
{
    uint32_t i = 0;
    while (i < known->n && known->runs[i].off < off)
        i++;
    return i;
}

/* Appends runs[i + 1] to runs[i] where it follows it without a gap. */
static void join_next(struct wfs_crc_runs *known, uint32_t i)
{
    struct wfs_crc_run *run = &known->runs[i], *next = run + 1;
    if (i + 1 >= known->n || run->off + run->len != next->off)
        return;
    run->crc = wfs_crc32_combine(run->crc, next->crc, next->len);
    run->len += next->len;
    remove_run(known, i + 1);
}

/* Makes room for one run more by dropping the shortest one; false where a run of `len` bytes would
 * itself be the shortest. */
static bool make_room(struct wfs_crc_runs *known, uint64_t len)
{
    uint32_t shortest = 0;
    for (uint32_t i = 1; i < known->n; i++)
        if (known->runs[i].len < known->runs[shortest].len)
            shortest = i;
    if (known->n < WFS_CRC_RUNS_MAX)
        return true;
    if (known->runs[shortest].len >= len)
        return false;
    remove_run(known, shortest);
    return true;
}

static bool overlap(const struct wfs_crc_run *a, const struct wfs_crc_run *b)
{
    return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* Removes what overlaps the run; false where a longer one does. */
static bool clear_overlaps(struct wfs_crc_runs *known, const struct wfs_crc_run *run)
{
    for (uint32_t i = 0; i < known->n; i++)
        if (overlap(&known->runs[i], run) && known->runs[i].len >= run->len)
            return false;
    for (uint32_t i = known->n; i-- > 0;)
        if (overlap(&known->runs[i], run))
            remove_run(known, i);
    return true;
}

/* Appends the run to the one that ends where it begins, as a sequential reader's always does; false
 * where there is none. */
static bool continue_run(struct wfs_crc_runs *known, const struct wfs_crc_run *run)
{
    uint32_t at = first_from(known, run->off);
    struct wfs_crc_run *before = at > 0 ? &known->runs[at - 1] : NULL;
    if (!before || before->off + before->len != run->off)
        return false;
    before->crc = wfs_crc32_combine(before->crc, run->crc, run->len);
    before->len += run->len;
    join_next(known, at - 1);
    return true;
}

static void add_run(struct wfs_crc_runs *known, const struct wfs_crc_run *run)
{
    if (!clear_overlaps(known, run) || continue_run(known, run) || !make_room(known, run->len))
        return;
    uint32_t at = first_from(known, run->off);
    memmove(&known->runs[at + 1], &known->runs[at], (known->n - at) * sizeof(*run));
    known->runs[at] = *run;
    known->n++;
    join_next(known, at);
}

/* ---- members ------------------------------------------------------------------------------- */

static struct slot *find_slot(struct wfs_crc_table *table, const struct wfs_crc_seen *owner)
{
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        if (table->slots[i].owner == owner)
            return &table->slots[i];
    return NULL;
}

/* Gives this member the slot that was used longest ago. */
static struct slot *new_slot(struct wfs_crc_table *table, const struct wfs_crc_seen *owner)
{
    struct slot *oldest = &table->slots[0];
    for (uint32_t i = 1; i < MEMBERS_MAX; i++)
        if (table->slots[i].used_at < oldest->used_at)
            oldest = &table->slots[i];
    oldest->owner = owner;
    oldest->known.n = 0;
    return oldest;
}

void wfs_crc_seen_add(struct wfs_crc_seen *seen, uint64_t off, const void *data, size_t len)
{
    struct wfs_crc_table *table = seen->table;
    if (len == 0 || (atomic_load_explicit(&seen->whole, memory_order_relaxed) & KNOWN))
        return;
    struct wfs_crc_run run = {.off = off, .len = len, .crc = wfs_crc32(0, data, len)};
    pthread_mutex_lock(&table->lock);
    struct slot *slot = find_slot(table, seen);
    if (!slot)
        slot = new_slot(table, seen);
    slot->used_at = ++table->clock;
    add_run(&slot->known, &run);
    pthread_mutex_unlock(&table->lock);
}

static void get_known(struct wfs_crc_seen *seen, struct wfs_crc_runs *ret)
{
    pthread_mutex_lock(&seen->table->lock);
    const struct slot *slot = find_slot(seen->table, seen);
    if (slot)
        *ret = slot->known;
    pthread_mutex_unlock(&seen->table->lock);
}

static void forget(struct wfs_crc_seen *seen)
{
    pthread_mutex_lock(&seen->table->lock);
    struct slot *slot = find_slot(seen->table, seen);
    if (slot)
        *slot = (struct slot){.owner = NULL};
    pthread_mutex_unlock(&seen->table->lock);
}

int wfs_crc_seen_whole(struct wfs_crc_seen *seen, struct wfs_cache *cache,
                       const struct wfs_expr *expr, const struct wfs_hash *hash, uint32_t *ret,
                       struct wfs_error *err)
{
    struct wfs_crc_runs known = {.n = 0};
    uint64_t whole = atomic_load_explicit(&seen->whole, memory_order_relaxed);
    uint32_t crc = (uint32_t)whole;
    if (!(whole & KNOWN)) {
        get_known(seen, &known);
        int r = wfs_crc32_expr(cache, expr, hash, 0, expr->size_bytes, &known, &crc, err);
        if (r)
            return r;
        atomic_store_explicit(&seen->whole, KNOWN | crc, memory_order_relaxed);
        forget(seen);
    }
    *ret = crc;
    return 0;
}
