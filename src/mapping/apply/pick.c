/*
 * pick.c - which rule takes an item: the patterns in order, then the condition, then the policy.
 */
#include "mapping/apply/pick.h"

#include <string.h>

#include "mapping/eval/may.h"
#include "mapping/apply/solve.h"

/* Could the rule take anything at all? */
static int takes_items(struct wfs_apply *apply, const struct wfs_rule *rule, bool *ret)
{
    struct wfs_run run = wfs_apply_run(apply, rule);
    *ret =
        rule->kind != WFS_RULE_FILL && rule->kind != WFS_RULE_RENAME && wfs_apply_has(apply, rule);
    return *ret && rule->origin ? wfs_rule_may_hold(&run, ret) : 0;
}

static void add_candidate(struct wfs_apply *apply, const struct wfs_rule *rule, uint32_t part)
{
    const struct wfs_name *name = rule->sources.part[part].name;
    struct wfs_candidate *c = &apply->candidates[apply->n_candidates++];
    *c = (struct wfs_candidate){.rule = rule, .part = part};
    if (!name->regex) {
        c->first = name->segments[0].hash;
        c->last = name->segments[name->n_segments - 1].hash;
    }
}

int wfs_pick_prepare(struct wfs_apply *apply)
{
    struct wfs_arena *arena = apply->mapper->arena;
    const struct wfs_set *set = apply->set;
    size_t n = 0;
    for (uint32_t i = 0; i < set->n_rules; i++)
        n += set->rules[i].sources.n;
    apply->candidates = wfs_arena_array(arena, n + 1, sizeof(*apply->candidates));
    apply->copy_of = wfs_arena_array(arena, apply->in.n + 1, sizeof(*apply->copy_of));
    if (!apply->candidates || !apply->copy_of)
        return wfs_error_nomem(apply->sink->err, "rules");
    for (uint32_t i = 0; i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        bool takes;
        int r = takes_items(apply, rule, &takes);
        if (r)
            return r;
        for (uint32_t part = 0; takes && part < rule->sources.n; part++)
            add_candidate(apply, rule, part);
    }
    return 0;
}

/* ---- one rule ------------------------------------------------------------------------------ */

/* The item that stays where this one is left out as a copy of a copy. */
static uint32_t find_kept(struct wfs_apply *apply, uint32_t item)
{
    uint32_t *of = apply->copy_of;
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
static int find_original(struct wfs_apply *apply, const struct wfs_run *run, uint32_t index,
                         struct wfs_pick *pick, bool *ret_holds)
{
    const struct wfs_table *items = run->world->items;
    const struct wfs_item *item = &items->items[index];
    struct wfs_scope scope = wfs_item_scope(run, &pick->match, item);
    bool by_cond = false;
    *ret_holds = false;
    int r = run->rule->cond ? wfs_eval_cond(&scope, run->rule->cond, &by_cond) : 0;
    for (size_t i = 0; !r && i < items->n; i++) {
        struct wfs_match m = pick->match;
        if (i == index || !(by_cond || is_tied_to(item, &items->items[i])))
            continue;
        if (find_kept(apply, (uint32_t)i) == index) /* a copy of this one: one of them stays */
            continue;
        if (!wfs_name_match(run->rule->of, run->rule->caps, &run->world->names->splits[i], &m))
            continue;
        pick->of = (uint32_t)i;
        *ret_holds = true;
        return 0;
    }
    return r;
}

/* An inverse's condition is about what it would make. */
static int check_result(const struct wfs_run *run, uint32_t index, const struct wfs_pick *pick,
                        bool *ret_holds)
{
    struct wfs_scope scope = {.run = *run, .match = &pick->match};
    if (!run->rule->fans_in) {
        struct wfs_val val = wfs_val_of(&run->world->items->items[index], index, &pick->match);
        int r = wfs_inverse_result(run, &val, &scope.expr);
        *ret_holds = false;
        if (r || !scope.expr)
            return r;
    }
    return wfs_cond_may_hold(&scope, run->rule->cond, ret_holds);
}

/* Not "no match": another rule would take it in silence. */
static int too_costly(const struct wfs_run *run, const struct wfs_item *item)
{
    const struct wfs_pos *pos = &run->rule->pos;
    return wfs_error_set(run->sink->err, EINVAL,
                         "%s:%u:%u: too many ways to match this pattern with %s: fewer captures in "
                         "a row would do",
                         pos->file, pos->line, pos->col, wfs_dotted(run->world->arena, item->path));
}

/* An inverse's name that was in another collection than this target is not its. */
static bool is_elsewhere(const struct wfs_item *item, const struct wfs_rule_part *part)
{
    return part->collection && item->read_from && strcmp(part->collection, item->read_from) != 0;
}

int wfs_pick_try(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t index,
                 struct wfs_pick *pick, enum wfs_pick_answer *ret)
{
    const struct wfs_rule *rule = pick->rule;
    const struct wfs_item *item = &apply->world.items->items[index];
    struct wfs_run run = {&apply->world, sink, rule};
    bool holds = true;
    *ret = WFS_PICK_NO_MATCH;
    pick->of = WFS_NO_INDEX;
    memset(&pick->match, 0, sizeof(pick->match));
    if (is_elsewhere(item, &rule->sources.part[pick->part]))
        return 0;
    if (!wfs_name_match(rule->sources.part[pick->part].name, rule->caps,
                        &apply->world.names->splits[index], &pick->match))
        return pick->match.gave_up ? too_costly(&run, item) : 0;
    *ret = WFS_PICK_PACKED;
    if (item->packed && !rule->takes_packed && rule->kind != WFS_RULE_DROP)
        return 0;
    struct wfs_scope scope = wfs_item_scope(&run, &pick->match, item);
    *ret = WFS_PICK_UNSOLVED;
    int r = wfs_solve(&run, &pick->match, &holds);
    if (r || !holds)
        return r;
    *ret = rule->kind == WFS_RULE_ALIAS ? WFS_PICK_NO_COPY : WFS_PICK_FALSE;
    if (rule->asks_result)
        r = check_result(&run, index, pick, &holds);
    else if (rule->kind == WFS_RULE_ALIAS)
        r = find_original(apply, &run, index, pick, &holds);
    else
        r = wfs_eval_cond(&scope, rule->cond, &holds);
    if (!r && holds)
        *ret = WFS_PICK_TAKES;
    return r;
}

/* Several rules take it: does the new one win? -EINVAL where the set says they may not. */
static int contest(const struct wfs_apply *apply, struct wfs_sink *sink,
                   const struct wfs_item *item, const struct wfs_pick *old,
                   const struct wfs_pick *new, bool *ret_new_wins)
{
    const struct wfs_rule *a = old->rule, *b = new->rule;
    enum wfs_match_policy policy = apply->set->policy;
    uint32_t a_len = a->sources.part[old->part].name->n_literal;
    uint32_t b_len = b->sources.part[new->part].name->n_literal;
    *ret_new_wins = false;
    if (a->level != b->level && policy != WFS_MATCH_FIRST) {
        *ret_new_wins = b->level < a->level;
        return 0;
    }
    if (policy == WFS_MATCH_LONGEST && a_len != b_len) {
        *ret_new_wins = b_len > a_len;
        return 0;
    }
    return wfs_error_set(sink->err, EINVAL, "%s:%u:%u: this rule and the one of %s both take %s%s",
                         b->pos.file, b->pos.line, b->pos.col, a->where,
                         wfs_dotted(apply->mapper->arena, item->path),
                         policy == WFS_MATCH_ONE ? ": `match first` or `match longest` would choose"
                                                 : ", with as much literal text");
}

static bool refused_at_once(const struct wfs_candidate *c, const struct wfs_split *split)
{
    return (c->last && c->last != split->components[split->n - 1].hash) ||
           (c->first && c->first != split->components[0].hash);
}

/* ---- doubts -------------------------------------------------------------------------------- */

/* The name that the rule gives, or NULL where it depends on a fan. */
static int target_of(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t index,
                     const struct wfs_pick *pick, const char **ret)
{
    struct wfs_run run = {&apply->world, sink, pick->rule};
    struct wfs_scope scope = wfs_item_scope(&run, &pick->match, &apply->world.items->items[index]);
    wfs_cleanup(wfs_buf_free) struct wfs_buf path = {0};
    *ret = NULL;
    int r = wfs_render(&scope, pick->rule->clauses[0].part[0].name, &path);
    if (r)
        return r == -ENOMEM ? r : 0;
    if (wfs_buf_ok(&path))
        *ret = wfs_arena_strndup(apply->mapper->arena, path.len ? path.data : "", path.len);
    return *ret ? 0 : -ENOMEM;
}

/* Does a rule that stands before the candidate's own take this name? Then the candidate's never does,
 * forward: in a set where the first that matches counts. */
static int is_taken_before(struct wfs_apply *apply, const struct wfs_rule *inverse,
                           const char *name, bool *ret)
{
    const struct wfs_set *set = apply->set->inverse_of;
    struct wfs_split split;
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    int r = set->policy == WFS_MATCH_FIRST
                ? wfs_split_path(apply->mapper->arena, name, &split, &ignored)
                : 0;
    *ret = false;
    for (uint32_t i = 0; !r && set->policy == WFS_MATCH_FIRST && i < set->n_rules && !*ret; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        struct wfs_match match = {0};
        struct wfs_scope scope = {.run = {&apply->world, &mute, rule}, .match = &match};
        if (rule->pos.file == inverse->pos.file && rule->pos.line == inverse->pos.line)
            break;
        if (rule->kind != WFS_RULE_MAP || rule->direction == WFS_INVERSE_ONLY ||
            rule->sources.n != 1 ||
            !wfs_name_match(rule->sources.part[0].name, rule->caps, &split, &match))
            continue;
        r = wfs_cond_may_hold(&scope, rule->cond, ret);
    }
    return r;
}

/* Would the candidate give the item a name of its own? One that keeps the name (a last rule that
 * takes everything) says nothing of what it was. */
static int rival_name(struct wfs_apply *apply, uint32_t index, const struct wfs_pick *taken,
                      struct wfs_candidate *c, const char **ret)
{
    struct wfs_error ignored = {0};
    struct wfs_sink mute = {.err = &ignored};
    struct wfs_pick pick = {.rule = c->rule, .part = c->part};
    enum wfs_pick_answer answer;
    const char *name, *own;
    *ret = NULL;
    int r = wfs_pick_try(apply, &mute, index, &pick, &answer);
    c->settled = r != 0; /* what cannot be said for one name is not tried for 100,000 */
    if (r || answer != WFS_PICK_TAKES)
        return r;
    r = target_of(apply, &mute, index, &pick, &name);
    if (!r)
        r = target_of(apply, &mute, index, taken, &own);
    if (r || !name || strcmp(name, apply->world.items->items[index].path) == 0)
        return r;
    bool taken_before = false;
    if (!own || strcmp(own, name) != 0)
        r = is_taken_before(apply, c->rule, name, &taken_before);
    if (!r && !taken_before && (!own || strcmp(own, name) != 0))
        *ret = name;
    return r;
}

/* Two rules of the forward set make this name: an inverse takes the first, and says so once for
 * each that it may have been instead. */
static int doubt_rivals(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t index,
                        const struct wfs_pick *taken, size_t from)
{
    const struct wfs_world *world = &apply->world;
    if (!apply->set->is_inverse || taken->rule->kind != WFS_RULE_MAP || world->template)
        return 0;
    for (size_t i = from; i < apply->n_candidates; i++) {
        struct wfs_candidate *c = &apply->candidates[i];
        const char *name;
        /* One of an included file gives way, backwards as well. */
        if (c->settled || c->rule == taken->rule || c->rule->kind != WFS_RULE_MAP ||
            c->rule->fans_in || c->rule->level > taken->rule->level ||
            refused_at_once(c, &world->names->splits[index]))
            continue;
        int r = wfs_trial_result(sink, rival_name(apply, index, taken, c, &name));
        if (r)
            return r;
        if (!name)
            continue;
        c->settled = true;
        wfs_report(sink, WFS_AMBIGUOUS, world->items->items[index].path,
                   "comes back by %s, the first of such names; by %s it would be %s (template=FILE "
                   "would tell)",
                   taken->rule->where, c->rule->where, wfs_dotted(world->arena, name));
    }
    return 0;
}

/* ---- all rules ----------------------------------------------------------------------------- */

/* A rule that asked for the role has its doubt from what is said of that. */
static void report_doubt(struct wfs_sink *sink, const struct wfs_item *item,
                         const struct wfs_rule *rule)
{
    bool has_reason = rule->asks_role && item->role != WFS_ROLE_NONE;
    wfs_report(sink, WFS_AMBIGUOUS, item->path, "%s: %s%s%s%s", rule->where, rule->doubt,
               has_reason ? " (" : "", has_reason ? item->role_reason : "", has_reason ? ")" : "");
}

int wfs_pick_rule(struct wfs_apply *apply, struct wfs_sink *sink, uint32_t index,
                  struct wfs_pick *ret, bool *ret_found)
{
    const struct wfs_item *item = &apply->world.items->items[index];
    struct wfs_pick pick;
    bool found = false;
    int r = 0;
    for (size_t i = 0; i < apply->n_candidates; i++) {
        const struct wfs_candidate *c = &apply->candidates[i];
        enum wfs_pick_answer answer;
        bool wins = true;
        if (refused_at_once(c, &apply->world.names->splits[index]))
            continue;
        pick.rule = c->rule;
        pick.part = c->part;
        r = wfs_pick_try(apply, sink, index, &pick, &answer);
        if (!r && answer == WFS_PICK_TAKES && found)
            r = contest(apply, sink, item, ret, &pick, &wins);
        if (r)
            return r;
        if (answer != WFS_PICK_TAKES || !wins)
            continue;
        *ret = pick;
        found = true;
        if (apply->set->policy == WFS_MATCH_FIRST) {
            r = doubt_rivals(apply, sink, index, ret, i + 1);
            break;
        }
    }
    if (!r && found && ret->rule->doubt)
        report_doubt(sink, item, ret->rule);
    *ret_found = found;
    return r;
}
