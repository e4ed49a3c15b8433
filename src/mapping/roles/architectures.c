/*
 * architectures.c - the table of known architectures, read where it is asked. It is sorted by
 * nothing and small; who asks often asks for one model, whose lines stand together.
 */
#include "mapping/roles/architectures.h"

#include <ctype.h>
#include <string.h>

#include "mapping/roles/architectures_text.h"
#include "mapping/roles/names.h"

struct line {
    const char *model, *name, *role;
    size_t model_len, name_len, role_len;
};

/* The next line that is one, or NULL at the end. */
static const char *next_line(const char *at, struct line *ret)
{
    while (*at) {
        const char *end = strchr(at, '\n');
        size_t len = end ? (size_t)(end - at) : strlen(at);
        const char *tab = memchr(at, '\t', len);
        const char *second = tab ? memchr(tab + 1, '\t', len - (size_t)(tab + 1 - at)) : NULL;
        *ret = (struct line){at, tab ? tab + 1 : NULL, second ? second + 1 : NULL, 0, 0, 0};
        bool is_one = *at != '#' && second;
        if (is_one) {
            ret->model_len = (size_t)(tab - at);
            ret->name_len = (size_t)(second - tab - 1);
            ret->role_len = (size_t)(at + len - second - 1);
        }
        at += len + (end != NULL);
        if (is_one)
            return at;
    }
    return NULL;
}

static bool is_model(const struct line *line, const char *model_type)
{
    return strlen(model_type) == line->model_len &&
           memcmp(line->model, model_type, line->model_len) == 0;
}

/* Components from the first; '.' in the pattern is the separator in the path. */
static bool matches_here(const char *p, const char *end, const char *path)
{
    while (p < end) {
        if (end - p >= 3 && memcmp(p, "{n}", 3) == 0) {
            if (!isdigit((unsigned char)*path))
                return false;
            while (isdigit((unsigned char)*path))
                path++;
            p += 3;
        } else if (*path == (*p == '.' ? WFS_SEP : *p)) {
            p++;
            path++;
        } else {
            return false;
        }
    }
    return !*path;
}

static bool matches(const struct line *line, const char *path)
{
    const char *p = line->name, *end = p + line->name_len;
    if (line->name_len < 2 || p[0] != '*' || p[1] != '.')
        return matches_here(p, end, path);
    for (; path; path = strchr(path, WFS_SEP) ? strchr(path, WFS_SEP) + 1 : NULL)
        if (matches_here(p + 2, end, path))
            return true;
    return false;
}

enum wfs_role wfs_architecture_role(const char *model_type, const char *path)
{
    struct line line;
    for (const char *at = wfs_architecture_table; (at = next_line(at, &line));)
        if (is_model(&line, model_type) && matches(&line, path))
            return wfs_role_by_name(line.role, line.role_len);
    return WFS_ROLE_NONE;
}

bool wfs_architecture_known(const char *model_type)
{
    struct line line;
    for (const char *at = wfs_architecture_table; (at = next_line(at, &line));)
        if (is_model(&line, model_type))
            return true;
    return false;
}
