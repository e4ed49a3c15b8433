/*
 * library.c - the compiled-in tables of keys.
 */
#include "gguf/keys/library.h"

#include <string.h>

#include "gguf/keys/keys_text.h"
#include "gguf/keys/parse.h"

#define DEFAULTS "defaults"

int wfs_keys_load(struct wfs_arena *arena, struct wfs_keys_table *ret, struct wfs_error *err)
{
    struct wfs_keys_table table = {0};
    for (size_t i = 0; i < wfs_n_keys_texts; i++) {
        const struct wfs_rule_text *text = &wfs_keys_texts[i];
        if (strcmp(text->name, DEFAULTS) == 0)
            continue;
        const char *file = wfs_arena_printf(arena, "%s.keys", text->name);
        if (!file)
            return wfs_error_nomem(err, "tables of keys");
        int r = wfs_keys_parse(arena, file, text->text, text->len, &table, err);
        if (r)
            return r;
    }
    *ret = table;
    return 0;
}

static const struct wfs_keys_section *find(const struct wfs_keys_table *table, const char *name,
                                           bool is_block)
{
    for (uint32_t i = 0; i < table->n_sections; i++)
        if (table->sections[i].is_block == is_block && strcmp(table->sections[i].name, name) == 0)
            return &table->sections[i];
    return NULL;
}

const struct wfs_keys_section *wfs_keys_arch(const struct wfs_keys_table *table, const char *name)
{
    return find(table, name, false);
}

const struct wfs_keys_section *wfs_keys_block(const struct wfs_keys_table *table, const char *name)
{
    return find(table, name, true);
}

const struct wfs_keys_section *wfs_keys_of_class(const struct wfs_keys_table *table,
                                                 const char *name)
{
    for (uint32_t i = 0; i < table->n_sections; i++)
        for (uint32_t k = 0; k < table->sections[i].n_classes; k++)
            if (strcmp(table->sections[i].classes[k], name) == 0)
                return &table->sections[i];
    return NULL;
}

const struct wfs_rule_text *wfs_keys_defaults(void)
{
    size_t i = 0;
    while (strcmp(wfs_keys_texts[i].name, DEFAULTS) != 0)
        i++;
    return &wfs_keys_texts[i];
}
