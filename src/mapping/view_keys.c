/*
 * view_keys.c - which options of its own a view takes: what may follow ':' in --view, and what a
 * plain -o key may reach. One row a view; a view without a row takes none.
 */
#include <string.h>

#include "mapping/mapping.h"

static const char *const no_keys[] = {NULL};
static const char *const xlstm_keys[] = {"match", "transforms", "keys", "blocks", "unmapped", NULL};

static const struct {
    const char *set;
    const char *const *keys;
} views[] = {
    {"xlstm", xlstm_keys},
};

/* The sets of "NAME=a+b" are a and b; the set of "NAME" is NAME. */
const char *const *wfs_view_option_keys(const char *view)
{
    const char *chain = strchr(view, '=');
    for (const char *set = chain ? chain + 1 : view; *set;) {
        size_t len = strcspn(set, "+");
        for (size_t i = 0; i < WFS_ARRAY_SIZE(views); i++)
            if (strlen(views[i].set) == len && memcmp(views[i].set, set, len) == 0)
                return views[i].keys;
        set += len + (set[len] == '+');
    }
    return no_keys;
}
