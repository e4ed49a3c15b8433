/*
 * regex.c - /REGEX/ patterns by PCRE2, anchored at both ends over the dotted name. Match and depth
 * limits bound what a bad expression can cost; a name that exceeds them does not match.
 */
#include "rules/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_MATCH_LIMIT 100000
#define REGEX_DEPTH_LIMIT 1000

static void free_code(void *code)
{
    pcre2_code_free(code);
}

/* (?<x>...) become the rule's captures. */
static int bind_groups(struct wfs_parser *p, struct wfs_name *name, struct wfs_pos pos)
{
    uint32_t n_names, entry_size;
    const uint8_t *entry;
    pcre2_pattern_info(name->regex, PCRE2_INFO_NAMECOUNT, &n_names);
    pcre2_pattern_info(name->regex, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(name->regex, PCRE2_INFO_NAMETABLE, &entry);
    memset(name->regex_group, -1, sizeof(name->regex_group));
    for (uint32_t i = 0; i < n_names; i++, entry += entry_size) {
        const char *group_name = wfs_arena_strdup(p->arena, (const char *)entry + 2);
        if (!group_name)
            return wfs_error_nomem(p->err, "rules");
        uint32_t group = (uint32_t)entry[0] << 8 | entry[1];
        uint32_t cap = wfs_parse_cap_find(p, group_name, strlen(group_name));
        struct wfs_cap def = {.name = group_name,
                              .kind = WFS_CAP_MANY,
                              .pos = pos,
                              .in_regex = true,
                              .in_source = true};
        int r = cap == WFS_NO_INDEX ? wfs_parse_cap_add(p, &def, &cap) : 0;
        if (!r && group > INT8_MAX)
            r = wfs_parse_error(p, pos, "expected fewer groups in this expression");
        if (r)
            return r;
        name->regex_group[cap] = (int8_t)group;
    }
    return 0;
}

int wfs_regex_compile(struct wfs_parser *p, struct wfs_name *name, struct wfs_pos pos,
                      const char *text)
{
    int code;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    name->regex = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (!name->regex) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        pos.col += (uint32_t)at + 1;
        return wfs_parse_error(p, pos, "expected a regular expression: %s", message);
    }
    if (wfs_arena_on_free(p->arena, free_code, name->regex))
        return wfs_error_nomem(p->err, "rules");
    return bind_groups(p, name, pos);
}

/* What the text is worth; false where another pattern gave the capture a type that it has not. */
static bool weigh(const struct wfs_cap *cap, struct wfs_binding *b)
{
    b->is_number = b->len && wfs_index_parse(b->s, b->len, &b->i) == b->len;
    if (cap->kind == WFS_CAP_INT)
        return b->is_number && (!cap->ranged || (b->i >= cap->lo && b->i <= cap->hi));
    if (cap->kind != WFS_CAP_ALT)
        return true;
    for (b->i = 0; b->i < cap->n_alts; b->i++)
        if (strlen(cap->alts[b->i]) == b->len && memcmp(cap->alts[b->i], b->s, b->len) == 0)
            return true;
    return false;
}

/* The dotted name has the path's length, so offsets agree and captures point into the path. */
static bool take_groups(const struct wfs_name *name, const PCRE2_SIZE *at, const char *path,
                        struct wfs_match *match)
{
    struct wfs_match m = *match;
    for (uint32_t cap = 0; cap < WFS_RULE_MAX_CAPS; cap++) {
        int group = name->regex_group[cap];
        if (group < 0)
            continue;
        bool unset = at[2 * group] == PCRE2_UNSET;
        const char *s = unset ? "" : path + at[2 * group];
        uint32_t len = unset ? 0 : (uint32_t)(at[2 * group + 1] - at[2 * group]);
        if (m.b[cap].set && (m.b[cap].len != len || memcmp(m.b[cap].s, s, len) != 0))
            return false;
        m.b[cap] = (struct wfs_binding){.set = true, .s = s, .len = len};
        if (!weigh(&name->own_caps[cap], &m.b[cap]))
            return false;
    }
    *match = m;
    return true;
}

bool wfs_regex_match(const struct wfs_name *name, const struct wfs_split *split,
                     struct wfs_match *match)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf dotted = {0};
    bool ok = false;
    wfs_buf_str(&dotted, split->path);
    if (!wfs_buf_ok(&dotted) || !dotted.data)
        return false;
    for (char *c = dotted.data; (c = strchr(c, WFS_SEP));)
        *c = '.';
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(name->regex, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    if (data && context) {
        pcre2_set_match_limit(context, REGEX_MATCH_LIMIT);
        pcre2_set_depth_limit(context, REGEX_DEPTH_LIMIT);
        int n = pcre2_match(name->regex, (PCRE2_SPTR)dotted.data, dotted.len, 0, 0, data, context);
        match->gave_up |= n < PCRE2_ERROR_NOMATCH;
        ok = n > 0 && take_groups(name, pcre2_get_ovector_pointer(data), split->path, match);
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return ok;
}
