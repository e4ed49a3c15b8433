/*
 * losses.c - what an inverse cannot give back.
 */
#include "mapping/inverse.h"

void wfs_inverse_report_losses(struct wfs_stage *stage)
{
    const struct wfs_set *set = stage->set->inverse_of;
    for (uint32_t i = 0; i < set->n_rules; i++) {
        const struct wfs_rule *rule = &set->rules[i];
        bool drops = rule->kind == WFS_RULE_DROP && !rule->restore && !rule->inverse_only;
        bool lost = drops || rule->kind == WFS_RULE_ALIAS || rule->kind == WFS_RULE_RENAME;
        bool mended = rule->kind == WFS_RULE_RENAME && stage->mapper->template;
        if (!lost || mended || !wfs_rule_may_hold(stage, rule))
            continue;
        const char *name = rule->sources.part[0].name->text;
        if (rule->kind == WFS_RULE_RENAME)
            wfs_report(
                stage->mapper, WFS_NOTE, "",
                "what was called %s comes back as %s (%s): template=FILE would give its names",
                name, rule->clauses[0].part[0].name->text, rule->where);
        else
            wfs_report(stage->mapper, WFS_NOTE, "", "%s does not come back, if it was there (%s)",
                       name, rule->where);
    }
}
