/*
 * When old readings are deleted, and how many at a time: a step now and then, each a small transaction after
 * the cycle's own work, so that what comes in does not wait. Steps grow with what is stored, so that in the
 * long run as much goes as comes. A clock that jumps ahead while it runs deletes nothing by the new time for
 * a day: it may be set back.
 */
#ifndef EXPIRY_H
#define EXPIRY_H

#include "gateway/core/cycle.h"

#define EXPIRY_STEP  1000            /* rows that a step may delete at least */
#define EXPIRY_EVERY INT64_C(100000) /* microseconds between steps while there is more to delete */
#define EXPIRY_REST  10000000        /* microseconds until it looks again when there is not */
#define EXPIRY_WAIT  1000000         /* microseconds until it tries again when the store did not take it */
#define EXPIRY_JUMP                                                                                          \
    3600                   /* seconds that pass from one cycle to the next at most, by a clock that is right \
                            */
#define EXPIRY_DOUBT 86400 /* seconds for which a clock that has jumped ahead is not believed */

struct expiry {
    int64_t last;  /* step, microseconds since 1970 */
    int64_t pause; /* microseconds from then until the next */
    size_t stored; /* readings since then */

    int64_t looked;  /* at the clock last: Unix seconds, or 0 */
    int64_t ahead;   /* seconds that it has jumped ahead, and is not believed */
    int64_t doubted; /* seconds that have passed since */
};

/*
 * Says in the cycle what it is to delete, if it is time for that. `now`: microseconds since 1970, by the
 * clock that the pipeline has; cycle->now is set. `keep_seconds` 0: nothing is ever deleted.
 */
void expiry_plan(struct expiry *expiry, struct cycle *cycle, int64_t keep_seconds, int64_t now);

/* Learns from a cycle that is through. */
void expiry_note(struct expiry *expiry, const struct cycle *cycle);

/* Lets the next cycle look: how long readings are kept has changed. */
void expiry_hurry(struct expiry *expiry);

#endif
