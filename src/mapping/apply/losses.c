/*
 * losses.c - what an inverse cannot give back.
 */
#include "mapping/apply/losses.h"

#include "mapping/eval/may.h"

static void report_loss(const struct wfs_apply *apply, const struct wfs_rule *rule)
{
    const char *name = rule->sources.part[0].name->text;
    if (rule->kind == WFS_RULE_RENAME)
        wfs_report(apply->sink, WFS_NOTE, "",
                   "what was called %s comes back as %s (%s): template=FILE would give its names",
                   name, rule->clauses[0].part[0].name->text, rule->where);
    else
        wfs_report(apply->sink, WFS_NOTE, "", "%s does not come back, if it was there (%s)", name,
                   rule->where);
}

int wfs_inverse_report_losses(const struct wfs_apply *apply)
{
    const struct wfs_set *set = apply->set->inverse_of;
    for (uint32_t i = 0; i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        struct wfs_run run = wfs_apply_run(apply, rule);
        bool drops = rule->kind == WFS_RULE_DROP && !rule->restore;
        bool lost = rule->direction == WFS_BOTH_WAYS &&
                    (drops || rule->kind == WFS_RULE_ALIAS || rule->kind == WFS_RULE_RENAME);
        bool mended = rule->kind == WFS_RULE_RENAME && apply->mapper->template;
        bool may_hold = false;
        int r = lost && !mended ? wfs_rule_may_hold(&run, &may_hold) : 0;
        if (r)
            return r;
        if (may_hold)
            report_loss(apply, rule);
    }
    return 0;
}
