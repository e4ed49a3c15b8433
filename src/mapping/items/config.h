/*
 * config.h - values from config.json or params.json beside the weights, -o set=NAME=VALUE (which
 * wins) and, where neither has one, the source's own metadata (GGUF's keys). Public to the stages above.
 */
#ifndef WEIGHTFS_MAPPING_ITEMS_CONFIG_H
#define WEIGHTFS_MAPPING_ITEMS_CONFIG_H

#include "mapping/items/json.h"
#include "mapping/mapping.h"

#define WFS_CONFIG_MAX_BYTES (64u << 20)

struct wfs_config;
struct json_t;

/* A missing file is an empty config; one that is no JSON is an error naming the place. */
int wfs_config_load(struct wfs_arena *arena, const struct wfs_catalog *catalog,
                    const char *const *set, struct wfs_config **ret, struct wfs_error *err);
/* The values of `root` alone, an object that the caller keeps and may go on changing: without the configs
 * of a model's parts and without the source's metadata. -o set= still wins. */
int wfs_config_of(struct wfs_arena *arena, const struct wfs_catalog *catalog, struct json_t *root,
                  const char *const *set, struct wfs_config **ret, struct wfs_error *err);
/* By dotted path ("text_config.hidden_size"); kind NONE when there is none. */
struct wfs_value wfs_config_get(const struct wfs_config *config, const char *path);
/* The same for a tensor. A number may stand in the configs of a model's parts (vision_config, encoder,
 * ...): `subject`, the tensor's name (or NULL), tells which: vision_config has what
 * vision_tower.head needs. *ret_by_name: for another tensor it may be another. */
struct wfs_value wfs_config_get_for(const struct wfs_config *config, const char *path,
                                    const char *subject, bool *ret_by_name);
/* Numbers of config.json alone, kind LIST; else NONE. They live in the arena. */
struct wfs_value wfs_config_get_list(const struct wfs_config *config, const char *path);
/* -o set= only. */
bool wfs_config_get_set(const struct wfs_config *config, const char *name, struct wfs_value *ret);
/* The next -o set= from *at (0 at first) that nothing has asked for, NULL after the last. Those
 * that say how shards are cut (tp.) are for readers, those of GGUF's keys (gguf., general., tokenizer.)
 * for who writes them. */
const char *wfs_config_unused(const struct wfs_config *config, uint32_t *at);
/* "config.json", or what to call it in a message. */
const char *wfs_config_name(const struct wfs_config *config);
/* True where config.json has this key, whatever its type. */
bool wfs_config_has(const struct wfs_config *config, const char *path);
/* What stands there, whatever its type, borrowed; NULL: nothing. */
const struct json_t *wfs_config_json(const struct wfs_config *config, const char *path);
/* True where config.json gives this number as the size of a table: vocab_size, n_positions,
 * max_position_embeddings, type_vocab_size, num_buckets, ... of any part of the model. */
bool wfs_config_names_size(const struct wfs_config *config, uint64_t size);
/* A scalar of JSON; NONE for null, lists and objects. Its text is borrowed. */
struct wfs_value wfs_value_from_json(const struct json_t *json);
/* Calls fn with each text that config.json has under this key, the whole model's first, then those of
 * its parts; an array's texts are several. Stops where fn returns other than 0, and returns that. */
int wfs_config_each_text(const struct wfs_config *config, const char *key,
                         int (*fn)(void *arg, const char *text, bool is_root), void *arg);

#endif
