#include "gateway/core/expiry.h"

#define SECOND INT64_C(1000000)

void expiry_plan(struct expiry *expiry, struct cycle *cycle, int64_t keep_seconds, int64_t now)
{
    int64_t before = cycle->now - keep_seconds;

    if (keep_seconds == 0 || before <= 0)
        return;
    if (now >= expiry->last && now - expiry->last < expiry->pause)
        return;
    cycle->expire_before = before * SECOND;
    cycle->expire_most = EXPIRY_STEP + 2 * expiry->stored;
    expiry->last = now;
    expiry->stored = 0;
}

void expiry_note(struct expiry *expiry, const struct cycle *cycle)
{
    if (!cycle->failed)
        expiry->stored += cycle->readings.count;
    if (cycle->expire_before == 0)
        return;
    if (cycle->expired < 0)
        expiry->pause = EXPIRY_WAIT;
    else
        expiry->pause = (size_t)cycle->expired < cycle->expire_most ? EXPIRY_REST : EXPIRY_EVERY;
}

void expiry_hurry(struct expiry *expiry)
{
    expiry->pause = 0;
}
