/*
 * program.c - the programs that a set may name, and their options. One row a program.
 */
#include "mapping/chain/program.h"

#include <string.h>

#include "mapping/chain/xlstm.h"
#include "mapping/schemes/schemes.h"

static const char *const no_keys[] = {NULL};
static const char *const xlstm_keys[] = {"match", "transforms", "keys", "blocks", "unmapped", NULL};

static const struct wfs_program programs[] = {
    {"xlstm", xlstm_keys, wfs_xlstm_run},
    {"dequantized", no_keys, wfs_dequantised_keep},
};

/* `name` has len bytes. */
static const struct wfs_program *find(const char *name, size_t len)
{
    for (size_t i = 0; i < WFS_ARRAY_SIZE(programs); i++)
        if (strlen(programs[i].name) == len && memcmp(programs[i].name, name, len) == 0)
            return &programs[i];
    return NULL;
}

int wfs_program_find(const struct wfs_set *set, const struct wfs_program **ret,
                     struct wfs_error *err)
{
    const struct wfs_program *program = find(set->program, strlen(set->program));
    if (!program)
        return wfs_error_set(err, EINVAL, "%s: there is no program %s", set->file, set->program);
    *ret = program;
    return 0;
}

/* The sets of "NAME=a+b" are a and b; the set of "NAME" is NAME. */
const char *const *wfs_view_option_keys(const char *view)
{
    const char *chain = strchr(view, '=');
    for (const char *set = chain ? chain + 1 : view; *set;) {
        size_t len = strcspn(set, "+");
        const struct wfs_program *program = find(set, len);
        if (program)
            return program->option_keys;
        set += len + (set[len] == '+');
    }
    return no_keys;
}
