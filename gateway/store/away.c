#include "gateway/store/away.h"

#include <time.h>

#include <sys/random.h>

#define RETRY_LEAST 100  /* milliseconds between attempts to reach a server that is away */
#define RETRY_MOST  3000 /* growing up to */

int64_t store_milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool store_away_still(const struct store_away *away, struct failure *failure)
{
    if (away->until == 0 || store_milliseconds() >= away->until)
        return false;
    *failure = away->reason;
    return true;
}

void store_away_longer(struct store_away *away, const struct failure *failure)
{
    uint16_t chance = 0;
    int64_t pause = away->pause == 0 ? RETRY_LEAST : away->pause * 2;

    if (getrandom(&chance, sizeof(chance), 0) < 0)
        chance = 0;
    away->pause = pause > RETRY_MOST ? RETRY_MOST : pause;
    away->until = store_milliseconds() + away->pause / 2 + away->pause * chance / UINT16_MAX;
    away->reason = *failure;
}

void store_away_end(struct store_away *away)
{
    away->pause = 0;
    away->until = 0;
}
