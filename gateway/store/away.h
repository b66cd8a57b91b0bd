/*
 * A server that is away: how long it is left alone between two attempts to reach it.
 */
#ifndef STORE_AWAY_H
#define STORE_AWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/failure.h"

/* All zero: it is there, as far as is known. */
struct store_away {
    int64_t until;         /* milliseconds of the monotonic clock: not before; 0: at once */
    int64_t pause;         /* how long the last one was, about */
    struct failure reason; /* why it could not be reached */
};

/* Milliseconds of the monotonic clock. */
int64_t store_milliseconds(void);

/* Whether it is still left alone; `failure` is then the reason of the last attempt. */
bool store_away_still(const struct store_away *away, struct failure *failure);

/* An attempt failed: the next pause is twice as long, up to 3 s, from a half to one and a half of that by
 * chance, so that not everybody tries at once. */
void store_away_longer(struct store_away *away, const struct failure *failure);

/* It was reached. */
void store_away_end(struct store_away *away);

#endif
