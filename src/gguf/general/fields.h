/*
 * fields.h - the texts of general.*, and what a model card says of them.
 */
#ifndef WEIGHTFS_GGUF_GENERAL_FIELDS_H
#define WEIGHTFS_GGUF_GENERAL_FIELDS_H

#include "gguf/general/front_matter.h"
#include "gguf/inputs.h"

/* In the order of the file. */
enum wfs_general_field {
    WFS_GENERAL_NAME,
    WFS_GENERAL_AUTHOR,
    WFS_GENERAL_VERSION,
    WFS_GENERAL_ORGANIZATION,
    WFS_GENERAL_FINETUNE,
    WFS_GENERAL_BASENAME,
    WFS_GENERAL_DESCRIPTION,
    WFS_GENERAL_QUANTIZED_BY,
    WFS_GENERAL_SIZE_LABEL,
    WFS_GENERAL_LICENSE,
    WFS_GENERAL_LICENSE_NAME,
    WFS_GENERAL_LICENSE_LINK,
    WFS_GENERAL_URL,
    WFS_GENERAL_DOI,
    WFS_GENERAL_UUID,
    WFS_GENERAL_REPO_URL,
    WFS_GENERAL_SOURCE_URL,
    WFS_GENERAL_SOURCE_DOI,
    WFS_GENERAL_SOURCE_UUID,
    WFS_GENERAL_SOURCE_REPO_URL,
    WFS_GENERAL_N_FIELDS
};
struct wfs_general_fields {
    const char *text[WFS_GENERAL_N_FIELDS]; /* NULL: not known */
};

/* -o set=general.NAME=TEXT, or set=gguf.general.NAME=TEXT. */
void wfs_general_from_settings(struct wfs_general_fields *fields, const char *const *set);
/* What is not known yet, from the card; `file` is for messages. -EINVAL: a value that is no text. */
int wfs_general_from_card(struct wfs_general_fields *fields, struct wfs_arena *arena,
                          const struct wfs_front_matter *card, const char *file,
                          struct wfs_error *err);
/* What is not known yet, from a name: "org/Qwen3-8B". */
int wfs_general_from_name(struct wfs_general_fields *fields, struct wfs_arena *arena,
                          const char *name, uint64_t n_params, struct wfs_error *err);
void wfs_general_put(const struct wfs_general_fields *fields, struct wfs_gguf_kv *kv);

/* general.base_model.*, general.dataset.*, general.tags and general.languages, which only a card has. */
int wfs_general_put_lists(struct wfs_gguf_kv *kv, const struct wfs_front_matter *card,
                          const char *file, uint64_t n_params, struct wfs_error *err);

#endif
