/*
 * front_matter.h - what a model card (README.md) says between the lines "---" at its beginning.
 */
#ifndef WEIGHTFS_GGUF_GENERAL_FRONT_MATTER_H
#define WEIGHTFS_GGUF_GENERAL_FRONT_MATTER_H

#include "source/source.h"

struct wfs_front_matter;
/* A value of the front matter. */
struct wfs_card_value {
    enum {
        WFS_CARD_NONE, /* not there, or null */
        WFS_CARD_TEXT,
        WFS_CARD_LIST,
        WFS_CARD_MAP,
        WFS_CARD_OTHER, /* a number, a truth, a date */
    } kind;
    const char *text; /* TEXT, OTHER: as written */
    int node;         /* LIST, MAP */
};

/* *ret is NULL where the text has none. `file` is for messages; -EINVAL: no YAML, with its line. The result
 * is freed with the arena. */
int wfs_front_matter_parse(struct wfs_arena *arena, const char *file, const char *text, size_t len,
                           struct wfs_front_matter **ret, struct wfs_error *err);
/* A key of the whole, or of a MAP; `has` (may be NULL) says whether it is there, even null. */
struct wfs_card_value wfs_front_matter_get(const struct wfs_front_matter *card, const char *key,
                                           bool *has);
struct wfs_card_value wfs_front_matter_in(const struct wfs_front_matter *card,
                                          const struct wfs_card_value *map, const char *key);
/* Elements of a LIST. */
uint32_t wfs_front_matter_size(const struct wfs_front_matter *card,
                               const struct wfs_card_value *list);
struct wfs_card_value wfs_front_matter_at(const struct wfs_front_matter *card,
                                          const struct wfs_card_value *list, uint32_t i);

#endif
