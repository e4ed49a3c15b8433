/*
 * pick.c - which rule takes an item: the patterns in order, then the condition, then the policy.
 */
#include <string.h>

#include "mapping/inverse.h"
#include "mapping/pick.h"

int wfs_pick_prepare(struct wfs_stage *stage)
{
    size_t n = 0;
    for (uint32_t i = 0; i < stage->set->n_rules; i++)
        n += stage->set->rules[i].sources.n;
    stage->candidates = wfs_arena_array(stage->mapper->arena, n + 1, sizeof(*stage->candidates));
    stage->copy_of =
        wfs_arena_array(stage->mapper->arena, stage->in->n + 1, sizeof(*stage->copy_of));
    if (!stage->candidates || !stage->copy_of)
        return wfs_error_nomem(stage->mapper->err, "rules");
    for (uint32_t i = 0; i < stage->set->n_rules; i++) {
        const struct wfs_rule *rule = &stage->set->rules[i];
        bool takes =
            rule->kind != WFS_RULE_FILL && rule->kind != WFS_RULE_RENAME && !rule->inverse_only;
        takes = takes && (!rule->origin || wfs_rule_may_hold(stage, rule));
        for (uint32_t k = 0; takes && k < rule->sources.n; k++) {
            const struct wfs_name *name = rule->sources.part[k].name;
            struct wfs_candidate *c = &stage->candidates[stage->n_candidates++];
            *c = (struct wfs_candidate){.rule = rule, .part = k};
            if (!name->regex) {
                c->first = name->segments[0].hash;
                c->last = name->segments[name->n_segments - 1].hash;
            }
        }
    }
    return 0;
}

/* ---- one rule ------------------------------------------------------------------------------ */

/* The item that stays where this one is left out as a copy of a copy. */
static uint32_t find_kept(struct wfs_stage *stage, uint32_t item)
{
    uint32_t *of = stage->copy_of;
    for (; of[item]; item = of[item] - 1)
        if (of[of[item] - 1])
            of[item] = of[of[item] - 1]; /* a shorter way for the next */
    return item;
}

/* Of one storage, and nothing was done to one of them alone. */
static bool is_tied_to(const struct wfs_item *item, const struct wfs_item *other)
{
    return item->tie != WFS_NO_INDEX && other->tie == item->tie &&
           wfs_same_expr(item->expr, other->expr);
}

/* The item that this one is a copy of: tied to it, or named by `of` where the condition holds. */
static int find_original(struct wfs_stage *stage, uint32_t index, struct wfs_pick *pick,
                         bool *ret_holds)
{
    const struct wfs_item *item = &stage->in->items[index];
    const struct wfs_rule *rule = pick->rule;
    struct wfs_scope scope = {stage, rule, &pick->match, item, item->expr, false};
    bool by_cond = false;
    *ret_holds = false;
    int r = rule->cond ? wfs_eval_cond(&scope, rule->cond, &by_cond) : 0;
    for (size_t i = 0; !r && i < stage->in->n; i++) {
        const struct wfs_item *other = &stage->in->items[i];
        struct wfs_match m = pick->match;
        if (i == index || !(by_cond || is_tied_to(item, other)))
            continue;
        if (find_kept(stage, (uint32_t)i) == index) /* a copy of this one: one of them stays */
            continue;
        if (!wfs_name_match(rule->of, rule->caps, &stage->splits[i], &m))
            continue;
        pick->of = (uint32_t)i;
        *ret_holds = true;
        return 0;
    }
    return r;
}

/* An inverse's condition is about what it would make. */
static int check_result(struct wfs_stage *stage, uint32_t index, const struct wfs_pick *pick,
                        bool *ret_holds)
{
    struct wfs_scope scope = {
        .stage = stage, .rule = pick->rule, .match = &pick->match, .optimistic = true};
    int r = 0;
    if (!pick->rule->fans_in) {
        r = wfs_inverse_result(stage, pick->rule, index, &pick->match, &scope.expr);
        if (!r && !scope.expr) {
            *ret_holds = false;
            return 0;
        }
    }
    return r ? r : wfs_eval_cond(&scope, pick->rule->cond, ret_holds);
}

/* Not "no match": another rule would take it in silence. */
static int too_costly(struct wfs_stage *stage, const struct wfs_item *item,
                      const struct wfs_rule *rule)
{
    return wfs_error_set(stage->mapper->err, EINVAL,
                         "%s:%u:%u: too many ways to match this pattern with %s: fewer captures in "
                         "a row would do",
                         rule->pos.file, rule->pos.line, rule->pos.col,
                         wfs_dotted(stage->mapper->arena, item->path));
}

/* An inverse's name that was in another collection than this target is not its. */
static bool is_elsewhere(const struct wfs_item *item, const struct wfs_rule_part *part)
{
    return part->collection && item->read_from && strcmp(part->collection, item->read_from) != 0;
}

int wfs_pick_try(struct wfs_stage *stage, uint32_t index, struct wfs_pick *pick,
                 enum wfs_pick_answer *ret)
{
    const struct wfs_item *item = &stage->in->items[index];
    const struct wfs_rule *rule = pick->rule;
    bool holds = true;
    *ret = WFS_PICK_NO_MATCH;
    pick->of = WFS_NO_INDEX;
    memset(&pick->match, 0, sizeof(pick->match));
    if (is_elsewhere(item, &rule->sources.part[pick->part]))
        return 0;
    if (!wfs_name_match(rule->sources.part[pick->part].name, rule->caps, &stage->splits[index],
                        &pick->match))
        return pick->match.gave_up ? too_costly(stage, item, rule) : 0;
    *ret = WFS_PICK_PACKED;
    if (item->packed && !rule->takes_packed && rule->kind != WFS_RULE_DROP)
        return 0;
    struct wfs_scope scope = {stage, rule, &pick->match, item, item->expr, false};
    *ret = WFS_PICK_UNSOLVED;
    int r = wfs_solve(stage, rule, &pick->match, &holds);
    if (r || !holds)
        return r;
    *ret = rule->kind == WFS_RULE_ALIAS ? WFS_PICK_NO_COPY : WFS_PICK_FALSE;
    if (rule->asks_result)
        r = check_result(stage, index, pick, &holds);
    else if (rule->kind == WFS_RULE_ALIAS)
        r = find_original(stage, index, pick, &holds);
    else
        r = wfs_eval_cond(&scope, rule->cond, &holds);
    if (!r && holds)
        *ret = WFS_PICK_TAKES;
    return r;
}

/* Several rules take it: does the new one win? -EINVAL where the set says they may not. */
static int contest(struct wfs_stage *stage, const struct wfs_item *item, const struct wfs_pick *old,
                   const struct wfs_pick *new, bool *ret_new_wins)
{
    const struct wfs_rule *a = old->rule, *b = new->rule;
    uint32_t a_len = a->sources.part[old->part].name->n_literal;
    uint32_t b_len = b->sources.part[new->part].name->n_literal;
    *ret_new_wins = false;
    if (a->level != b->level && stage->set->policy != WFS_MATCH_FIRST) {
        *ret_new_wins = b->level < a->level;
        return 0;
    }
    if (stage->set->policy == WFS_MATCH_LONGEST && a_len != b_len) {
        *ret_new_wins = b_len > a_len;
        return 0;
    }
    return wfs_error_set(
        stage->mapper->err, EINVAL, "%s:%u:%u: this rule and the one of %s both take %s%s",
        b->pos.file, b->pos.line, b->pos.col, a->where,
        wfs_dotted(stage->mapper->arena, item->path),
        stage->set->policy == WFS_MATCH_ONE ? ": `match first` or `match longest` would choose"
                                            : ", with as much literal text");
}

static bool refused_at_once(const struct wfs_candidate *c, const struct wfs_split *split)
{
    return (c->last && c->last != split->components[split->n - 1].hash) ||
           (c->first && c->first != split->components[0].hash);
}

/* The name that the rule gives, or NULL where it depends on a fan. */
static const char *target_of(struct wfs_stage *stage, uint32_t index, const struct wfs_pick *pick)
{
    const struct wfs_item *item = &stage->in->items[index];
    struct wfs_scope scope = {stage, pick->rule, &pick->match, item, item->expr, false};
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    if (wfs_render(&scope, pick->rule->clauses[0].part[0].name, &path) || !wfs_buf_ok(&path))
        return NULL;
    return wfs_arena_strndup(stage->mapper->arena, path.len ? path.data : "", path.len);
}

/* Would the candidate give the item a name of its own? One that keeps the name (a last rule that
 * takes everything) says nothing of what it was. */
static const char *rival_name(struct wfs_stage *stage, uint32_t index, const struct wfs_pick *taken,
                              struct wfs_candidate *c)
{
    struct wfs_pick pick = {.rule = c->rule, .part = c->part};
    enum wfs_pick_answer answer;
    if (wfs_pick_try(stage, index, &pick, &answer)) {
        c->settled = true; /* what cannot be said for one name is not tried for 100,000 */
        return NULL;
    }
    const char *name = answer == WFS_PICK_TAKES ? target_of(stage, index, &pick) : NULL;
    const char *own = name ? target_of(stage, index, taken) : NULL;
    if (!name || strcmp(name, stage->in->items[index].path) == 0)
        return NULL;
    return own && strcmp(own, name) == 0 ? NULL : name;
}

/* Two rules of the forward set make this name: an inverse takes the first, and says so once for
 * each that it may have been instead. */
static void doubt_rivals(struct wfs_stage *stage, uint32_t index, const struct wfs_pick *taken,
                         size_t from)
{
    struct wfs_error *err = stage->mapper->err, ignored = {0};
    const char *path = stage->in->items[index].path;
    if (!stage->set->is_inverse || taken->rule->kind != WFS_RULE_MAP ||
        (stage->is_last && stage->mapper->template))
        return;
    stage->mapper->err = &ignored;
    for (size_t i = from; i < stage->n_candidates; i++) {
        struct wfs_candidate *c = &stage->candidates[i];
        if (c->settled || c->rule == taken->rule || c->rule->kind != WFS_RULE_MAP ||
            c->rule->fans_in || refused_at_once(c, &stage->splits[index]))
            continue;
        const char *name = rival_name(stage, index, taken, c);
        if (!name)
            continue;
        c->settled = true;
        wfs_report(stage->mapper, WFS_AMBIGUOUS, path,
                   "comes back by %s, the first of such names; by %s it would be %s (template=FILE "
                   "would tell)",
                   taken->rule->where, c->rule->where, wfs_dotted(stage->mapper->arena, name));
    }
    stage->mapper->err = err;
}

int wfs_pick_rule(struct wfs_stage *stage, uint32_t index, struct wfs_pick *ret, bool *ret_found)
{
    const struct wfs_item *item = &stage->in->items[index];
    const struct wfs_split *split = &stage->splits[index];
    struct wfs_pick pick;
    bool found = false;
    for (size_t i = 0; i < stage->n_candidates; i++) {
        const struct wfs_candidate *c = &stage->candidates[i];
        enum wfs_pick_answer answer;
        bool wins = true;
        if (refused_at_once(c, split))
            continue;
        pick.rule = c->rule;
        pick.part = c->part;
        int r = wfs_pick_try(stage, index, &pick, &answer);
        if (!r && answer == WFS_PICK_TAKES && found)
            r = contest(stage, item, ret, &pick, &wins);
        if (r)
            return r;
        if (answer != WFS_PICK_TAKES || !wins)
            continue;
        *ret = pick;
        found = true;
        if (stage->set->policy == WFS_MATCH_FIRST) {
            doubt_rivals(stage, index, ret, i + 1);
            break;
        }
    }
    if (found && ret->rule->doubt)
        wfs_report(stage->mapper, WFS_AMBIGUOUS, item->path, "%s: %s", ret->rule->where,
                   ret->rule->doubt);
    *ret_found = found;
    return 0;
}
