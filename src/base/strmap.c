/*
 * strmap.c - a string map with open addressing and linear probing; keys are borrowed. Names come
 * from files, so the hash has a seed of the process: nobody can write names that all meet in one
 * slot.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/base.h"

struct wfs_strmap_slot {
    const char *key; /* NULL where the slot is free */
    uint64_t hash, value;
};

/* The 16 random bytes that the kernel gave this process: they seed the hash, so that nobody can
 * choose names that collide. */
static uint64_t hash_of(const char *key)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    uint64_t seed = 0;
    if (random)
        memcpy(&seed, random, sizeof(seed));
    return XXH3_64bits_withSeed(key, strlen(key), seed);
}

void wfs_strmap_free(struct wfs_strmap *map)
{
    free(map->slots);
    *map = (struct wfs_strmap){0};
}

/* Finds the slot that holds key, or the free one where it belongs. There always is one, since the
 * map is grown before it is full. */
static struct wfs_strmap_slot *find_slot(struct wfs_strmap_slot *slots, size_t cap, const char *key,
                                         uint64_t hash)
{
    for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1))
        if (!slots[i].key || (slots[i].hash == hash && strcmp(slots[i].key, key) == 0))
            return &slots[i];
}

static int rehash(struct wfs_strmap *map)
{
    size_t cap = map->cap ? map->cap * 2 : 64;
    struct wfs_strmap_slot *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].key)
            *find_slot(slots, cap, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
    return 0;
}

static int put(struct wfs_strmap *map, const char *key, uint64_t value, bool replace)
{
    if (map->n + 1 > map->cap / 2 && rehash(map))
        return -ENOMEM;
    uint64_t hash = hash_of(key);
    struct wfs_strmap_slot *slot = find_slot(map->slots, map->cap, key, hash);
    if (slot->key && !replace)
        return -EEXIST;
    map->n += slot->key == NULL;
    *slot = (struct wfs_strmap_slot){.key = key, .hash = hash, .value = value};
    return 0;
}

int wfs_strmap_add(struct wfs_strmap *map, const char *key, uint64_t value)
{
    return put(map, key, value, false);
}

int wfs_strmap_set(struct wfs_strmap *map, const char *key, uint64_t value)
{
    return put(map, key, value, true);
}

bool wfs_strmap_get(const struct wfs_strmap *map, const char *key, uint64_t *ret_value)
{
    if (!map->cap)
        return false;
    uint64_t hash = hash_of(key);
    const struct wfs_strmap_slot *slot = find_slot(map->slots, map->cap, key, hash);
    if (!slot->key)
        return false;
    if (ret_value)
        *ret_value = slot->value;
    return true;
}
