/*
 * settings.h - keys of a GGUF file as the user gives them: -o set=gguf.KEY=VALUE and
 * -o set=general.KEY=VALUE.
 */
#ifndef WEIGHTFS_GGUF_KV_SETTINGS_H
#define WEIGHTFS_GGUF_KV_SETTINGS_H

#include "gguf/kv/kv.h"

/* Puts the values of set ("NAME=VALUE", NULL-terminated, or NULL) that name keys. A key that is there
 * keeps its type; another one has that of its text: true and false, whole numbers (u32, i32 where it
 * is negative, u64 or i64 beyond), numbers (f32), else text. -EINVAL where a value is none of its
 * key's type; arrays cannot be given. */
int wfs_gguf_put_settings(struct wfs_gguf_kv *kv, const char *const *set, struct wfs_error *err);

#endif
