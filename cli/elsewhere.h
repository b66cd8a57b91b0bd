/*
 * Readings that are not here: they go to sinks.
 */
#ifndef ELSEWHERE_H
#define ELSEWHERE_H

#include "gateway/store/store.h"

/*
 * Where a selection has no readings in this database, says on standard error to which sinks they go, and
 * whether there is such a device. Returns whether there are sinks.
 */
bool elsewhere_tell(struct store *store, const struct reading_filter *filter);

/* What somebody who waits for readings knows of those that never come. */
struct elsewhere {
    bool done;     /* it has been said, or readings come here */
    int64_t begun; /* when the waiting began, microseconds since 1970 */
    int64_t out;   /* readings that had gone out by then; -1: not known yet */
};

/*
 * Where readings go out and none of them stays here, says so, once: to be called now and then while nothing
 * comes. Begins with {.begun = now, .out = -1}.
 */
void elsewhere_watch(struct elsewhere *elsewhere, struct store *store);

#endif
