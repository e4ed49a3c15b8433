/*
 * roles.c - who says what a weight is, and whether shapes agree.
 */
#include "mapping/roles/roles.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "mapping/items/convolution.h"
#include "mapping/roles/architectures.h"
#include "mapping/roles/convs/depthwise.h"
#include "mapping/roles/convs/flatten.h"
#include "mapping/roles/convs/unflatten.h"
#include "mapping/roles/flax_roles.h"
#include "mapping/roles/names.h"

struct marking {
    struct wfs_evidence ev;
    struct wfs_architectures known;
    struct wfs_sink *sink;
    bool is_flax;       /* names are Flax's */
    bool asks_channels; /* of a target with channels last */
    size_t n_stacked;
    const char *first_stacked;
};

/* ---- the user ------------------------------------------------------------------------------ */

/* Numbers that are whole components become {n}. */
static void fold(struct wfs_buf *out, const char *dotted)
{
    for (const char *at = dotted; *at;) {
        size_t len = strcspn(at, "."), n = 0;
        while (n < len && isdigit((unsigned char)at[n]))
            n++;
        if (len && n == len)
            wfs_buf_str(out, "{n}");
        else
            wfs_buf_add(out, at, len);
        at += len;
        if (*at == '.')
            wfs_buf_char(out, *at++);
    }
}

/* What -o set=role.KEY= says, KEY being the weight's name or its module's; numbers may be {n}. */
static int setting(struct marking *m, const char *key, size_t len, struct wfs_value *ret,
                   bool *ret_found)
{
    wfs_cleanup(wfs_buf_free) struct wfs_buf name = {0}, folded = {0};
    wfs_buf_str(&name, "role.");
    wfs_buf_add(&name, key, len);
    wfs_buf_char(&name, 0);
    if (!wfs_buf_ok(&name))
        return -ENOMEM;
    fold(&folded, name.data);
    wfs_buf_char(&folded, 0);
    if (!wfs_buf_ok(&folded))
        return -ENOMEM;
    const struct wfs_config *config = m->ev.mapper->config;
    *ret_found =
        wfs_config_get_set(config, name.data, ret) || wfs_config_get_set(config, folded.data, ret);
    return 0;
}

static int by_user(struct marking *m, struct wfs_item *item, bool *ret_found)
{
    const char *dotted = wfs_dotted(m->ev.mapper->arena, item->path);
    const char *dot = strrchr(dotted, '.');
    struct wfs_value v;
    int r = setting(m, dotted, strlen(dotted), &v, ret_found);
    if (!r && !*ret_found && dot)
        r = setting(m, dotted, (size_t)(dot - dotted), &v, ret_found);
    if (r || !*ret_found)
        return r ? wfs_error_nomem(m->sink->err, "names") : 0;
    enum wfs_role role = v.kind == WFS_VALUE_STR ? wfs_role_by_name(v.s, v.len) : WFS_ROLE_NONE;
    if (role == WFS_ROLE_NONE)
        return wfs_error_set(
            m->sink->err, EINVAL,
            "set=role.%s: no such role; there are dense, dense_io, embedding, "
            "norm, convolution, depthwise, transposed, stacked, scanned, bilinear and "
            "opaque",
            dotted);
    const char *veto = m->is_flax ? NULL : wfs_torch_veto(&m->ev, item, role);
    if (veto)
        wfs_report(m->sink, WFS_NOTE, item->path,
                   "%s as set=role. says, though %s speaks against it", wfs_role_name(role), veto);
    item->role = role;
    item->role_reason = "set=role. says so";
    return 0;
}

/* ---- one weight ---------------------------------------------------------------------------- */

/* The channels of the convolution that the row of a flattened layer names. */
static uint64_t channels_of(struct marking *m, const struct wfs_item *item,
                            const struct wfs_architecture_row *row)
{
    const struct wfs_expr *conv = wfs_evidence_relative(&m->ev, item->path, row->up, row->conv);
    uint64_t in = item->expr->ndim == 2 ? item->expr->shape[1] : 0;
    bool fits = conv && conv->ndim > 2 && conv->shape[0] && in % conv->shape[0] == 0;
    return fits ? conv->shape[0] : 0;
}

static int by_table(struct marking *m, struct wfs_item *item,
                    const struct wfs_architecture_row *row)
{
    const char *veto = wfs_torch_veto(&m->ev, item, row->role);
    uint64_t channels = row->role == WFS_ROLE_FLATTENED ? channels_of(m, item, row) : 0;
    if (!veto && row->role == WFS_ROLE_FLATTENED && !channels)
        veto = "the convolution in front of it is missing or of another size";
    item->role_known = !veto;
    item->channels = m->asks_channels ? channels : 0;
    item->role = veto ? WFS_ROLE_DOUBTFUL : row->role;
    if (item->role == WFS_ROLE_FLATTENED && !m->asks_channels)
        item->role = WFS_ROLE_DENSE;
    item->role_reason =
        veto ? wfs_arena_printf(m->ev.mapper->arena, "%s in a model of type %s, but %s",
                                wfs_role_name(row->role), row->model, veto)
             : wfs_arena_printf(m->ev.mapper->arena, "so it is in a model of type %s", row->model);
    return item->role_reason ? 0 : -ENOMEM;
}

static int by_evidence(struct marking *m, struct wfs_item *item)
{
    const struct wfs_architecture_row *row = NULL;
    int r = m->is_flax ? 0 : wfs_architectures_find(&m->known, item->path, &row);
    if (!r && row && row->role != WFS_ROLE_NONE)
        r = by_table(m, item, row);
    else if (!r) {
        struct wfs_verdict found =
            m->is_flax ? wfs_flax_role(&m->ev, item) : wfs_torch_role(&m->ev, item);
        item->role = found.role;
        item->role_reason = found.reason;
    }
    return r ? wfs_error_nomem(m->sink->err, "names") : 0;
}

static bool has_role(const struct marking *m, const struct wfs_item *item)
{
    return !item->packed && item->expr->ndim >= 2 &&
           wfs_evidence_is(item->path, m->is_flax ? "kernel" : "weight");
}

static int mark(struct marking *m, struct wfs_item *item)
{
    bool found;
    int r = by_user(m, item, &found);
    if (!r && !found)
        r = by_evidence(m, item);
    if (!r && item->role == WFS_ROLE_STACKED && m->n_stacked++ == 0)
        m->first_stacked = item->path;
    return r;
}

/* ---- all ----------------------------------------------------------------------------------- */

static bool set_asks(const struct wfs_set *set)
{
    for (uint32_t i = 0; i < set->n_rules; i++)
        if (set->rules[i].asks_role)
            return true;
    return false;
}

static bool set_asks_channels(const struct wfs_set *set)
{
    for (uint32_t i = 0; i < set->n_rules; i++)
        if (set->rules[i].asks_channels)
            return true;
    return false;
}

static int mark_all(struct marking *m)
{
    struct wfs_table *items = m->ev.items;
    for (size_t i = 0; i < items->n; i++)
        if (has_role(m, &items->items[i])) {
            int r = mark(m, &items->items[i]);
            if (r)
                return r;
        }
    if (m->n_stacked)
        wfs_report(
            m->sink, WFS_NOTE, "",
            "%zu weights (%s, ...) are layers of several experts in one: they keep their axes",
            m->n_stacked, wfs_dotted(m->ev.mapper->arena, m->first_stacked));
    return 0;
}

/* Dense layers before and behind convolutions. */
static int mark_flattened(struct marking *m)
{
    struct wfs_flattening f = {.ev = &m->ev, .sink = m->sink};
    int r = wfs_readings_gather(&f);
    if (!r && f.convs.n)
        r = wfs_mark_flattened(&f);
    if (!r && f.convs.n)
        r = wfs_mark_unflattened(&f);
    wfs_readings_free(&f);
    return r == -ENOMEM ? wfs_error_nomem(m->sink->err, "names") : r;
}

int wfs_mark_roles(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                   const struct wfs_set *set, struct wfs_table *items)
{
    struct marking m = {.sink = sink, .is_flax = set->from && strcmp(set->from, "flax") == 0};
    int r = 0;
    for (size_t i = 0; i < items->n; i++) {
        struct wfs_item *item = &items->items[i];
        item->shown_role = wfs_shown_role(item);
        item->role = WFS_ROLE_NONE;
        item->role_known = false;
        item->convolution = WFS_CONVOLUTION_NONE;
        item->channels = 0;
    }
    if (!set_asks(set))
        return wfs_mark_convolutions(mapper, sink, set, items);
    m.asks_channels = !m.is_flax && set_asks_channels(set);
    r = wfs_evidence_gather(&m.ev, mapper, items, sink->err);
    if (!r)
        r = wfs_architectures_gather(&m.known, mapper, sink->err);
    if (!r)
        r = mark_all(&m);
    if (!r && !m.is_flax && wfs_mark_depthwise(&m.ev))
        r = wfs_error_nomem(sink->err, "names");
    if (!r)
        r = wfs_mark_convolutions(mapper, sink, set, items);
    if (!r && m.asks_channels)
        r = mark_flattened(&m);
    wfs_architectures_free(&m.known);
    wfs_evidence_free(&m.ev);
    return r;
}
