#include "gateway/core/expiry.h"

#define SECOND INT64_C(1000000)

/*
 * The clock as far as it is believed. One that has jumped ahead may be right (it was set at last) or wrong
 * (it will be set back); what is deleted meanwhile is gone.
 */
static int64_t believed(struct expiry *expiry, int64_t now)
{
    int64_t step = expiry->looked == 0 ? 0 : now - expiry->looked;

    expiry->looked = now;
    if (step > EXPIRY_JUMP) {
        expiry->doubted = expiry->ahead == 0 ? 0 : expiry->doubted;
        expiry->ahead += step;
    } else if (step < 0) {
        expiry->ahead = expiry->ahead + step > EXPIRY_JUMP ? expiry->ahead + step : 0;
    } else {
        expiry->doubted += step;
    }
    if (expiry->doubted >= EXPIRY_DOUBT)
        expiry->ahead = 0;
    return now - expiry->ahead;
}

void expiry_plan(struct expiry *expiry, struct cycle *cycle, int64_t keep_seconds, int64_t now)
{
    if (keep_seconds == 0)
        return;
    int64_t before = believed(expiry, cycle->now) - keep_seconds;
    if (before <= 0)
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
