/*
 * policy.c - two moving averages and a rule.
 *
 * Measured (facts: limits.md): recomputing from a source in the page cache runs at 4-6 GB/s, the
 * compressed index at 0.8-2, so the index pays where the source is slower than about 1 GB/s. Both
 * rates change under a mount (a cold source becomes a warm one), so the way not taken is measured
 * again now and then: more seldom the slower it is, so that asking costs a few percent at most.
 */
#include "cache/policy.h"

#define INDEX_RATE_PRIOR   1.0e9 /* until a block was read from this index */
#define NETWORK_RATE_PRIOR 0.2e9 /* until a block was computed from a network file system */
#define NEW_SAMPLE_WEIGHT  0.25
#define MARGIN             1.25 /* the index must be this much faster */
#define PROBE_BLOCKS       64.0 /* times the ratio of the two rates */

void wfs_policy_init(struct wfs_policy *policy, enum wfs_cache_mode mode, bool is_network)
{
    *policy = (struct wfs_policy){.mode = mode};
    policy->compute_rate = is_network ? NETWORK_RATE_PRIOR : 0;
    pthread_mutex_init(&policy->lock, NULL);
}

void wfs_policy_destroy(struct wfs_policy *policy)
{
    pthread_mutex_destroy(&policy->lock);
}

static bool index_is_faster(const struct wfs_policy *policy)
{
    double index_rate = policy->index_rate > 0 ? policy->index_rate : INDEX_RATE_PRIOR;
    return policy->compute_rate > 0 && policy->compute_rate * MARGIN < index_rate;
}

/* True once in a while, when the way not taken is due to be measured. */
static bool probe_is_due(struct wfs_policy *policy, bool index_wins)
{
    double ratio = 1;
    if (policy->compute_rate > 0 && policy->index_rate > 0)
        ratio = index_wins ? policy->index_rate / policy->compute_rate
                           : policy->compute_rate / policy->index_rate;
    if ((double)++policy->n_since_probe < PROBE_BLOCKS * (ratio > 1 ? ratio : 1))
        return false;
    policy->n_since_probe = 0;
    return true;
}

static bool auto_wants_index(struct wfs_policy *policy)
{
    if (policy->compute_rate <= 0)
        /* Both ways are measured once before one of them is chosen. */
        return policy->index_rate <= 0;
    bool wins = index_is_faster(policy);
    return probe_is_due(policy, wins) ? !wins : wins;
}

bool wfs_policy_wants_index(struct wfs_policy *policy)
{
    if (policy->mode != WFS_CACHE_AUTO)
        return policy->mode == WFS_CACHE_ALWAYS;
    pthread_mutex_lock(&policy->lock);
    bool wants = auto_wants_index(policy);
    pthread_mutex_unlock(&policy->lock);
    return wants;
}

bool wfs_policy_wants_keep(struct wfs_policy *policy)
{
    if (policy->mode != WFS_CACHE_AUTO)
        return policy->mode == WFS_CACHE_ALWAYS;
    pthread_mutex_lock(&policy->lock);
    bool wants = index_is_faster(policy);
    pthread_mutex_unlock(&policy->lock);
    return wants;
}

static void note(struct wfs_policy *policy, double *rate, uint64_t n_bytes, uint64_t ns)
{
    double sample = (double)n_bytes * 1e9 / (double)(ns > 0 ? ns : 1);
    pthread_mutex_lock(&policy->lock);
    *rate = *rate > 0 ? *rate + NEW_SAMPLE_WEIGHT * (sample - *rate) : sample;
    pthread_mutex_unlock(&policy->lock);
}

void wfs_policy_note_compute(struct wfs_policy *policy, uint64_t n_bytes, uint64_t ns)
{
    note(policy, &policy->compute_rate, n_bytes, ns);
}

void wfs_policy_note_index(struct wfs_policy *policy, uint64_t n_bytes, uint64_t ns)
{
    note(policy, &policy->index_rate, n_bytes, ns);
}
