/*
 * loans.c - a pin for each loan. A block is never written after it was published, so what is lent
 * is what a copy would have been.
 */
#include "cache/pool/loans.h"

/* Lending a part smaller than this costs as much as copying it. */
#define LOAN_MIN_BYTES (UINT64_C(64) << 10)

bool wfs_loans_lend(struct wfs_loans *loans, struct wfs_pool *pool, struct wfs_block *block,
                    uint64_t at, uint8_t *buf, uint64_t len)
{
    if (!loans || loans->n == WFS_LOANS_MAX || len < LOAN_MIN_BYTES)
        return false;
    wfs_pool_pin(pool, block);
    loans->pool = pool;
    loans->loans[loans->n++] = (struct wfs_loan){
        .data = block->data + at, .len = (size_t)len, .instead = buf, .block = block};
    return true;
}

int wfs_loans_iov(const struct wfs_loans *loans, void *buf, size_t len, struct iovec *ret)
{
    uint8_t *at = buf, *end = at + len;
    int n = 0;
    for (unsigned i = 0; i < loans->n; i++) {
        const struct wfs_loan *loan = &loans->loans[i];
        if (loan->instead > at)
            ret[n++] = (struct iovec){at, (size_t)(loan->instead - at)};
        ret[n++] = (struct iovec){loan->data, loan->len};
        at = loan->instead + loan->len;
    }
    if (at < end || n == 0)
        ret[n++] = (struct iovec){at, (size_t)(end - at)};
    return n;
}

void wfs_loans_return(struct wfs_loans *loans)
{
    while (loans->n > 0)
        wfs_pool_release(loans->pool, loans->loans[--loans->n].block);
}
