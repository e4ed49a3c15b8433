/*
 * chat.h - tokenizer.chat_template: from tokenizer_config.json, else chat_template.jinja with
 * additional_chat_templates/NAME.jinja, else chat_template.json.
 */
#ifndef WEIGHTFS_GGUF_TOKENIZER_SPECIAL_CHAT_H
#define WEIGHTFS_GGUF_TOKENIZER_SPECIAL_CHAT_H

#include "gguf/tokenizer/read/files.h"

int wfs_chat_template_put(struct wfs_gguf_kv *kv, const struct wfs_tokenizer_files *files,
                          struct wfs_error *err);

#endif
