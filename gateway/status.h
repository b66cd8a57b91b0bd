/*
 * What the service manager is shown (systemctl status), and whether the store's thread still moves. Decides
 * only: serve.c and admin.c tell.
 */
#ifndef STATUS_H
#define STATUS_H

#include "gateway/core/pipeline.h"

#define STATUS_EVERY 5000 /* milliseconds between two that say only how fast it goes */

struct status {
    char words[400]; /* "STATUS=…", one line */
    uint64_t shown;  /* when, milliseconds of a clock that does not jump */
    uint64_t readings;
    int64_t failing_since;
};

/* Begins at `now`; nothing is shown yet. */
void status_init(struct status *status, const struct pipeline *pipeline, uint64_t now);

/* Makes new words where the last ones are old, or the store began or ceased to fail. Returns whether it did.
 */
bool status_update(struct status *status, const struct pipeline *pipeline, uint64_t now);

/*
 * The store's thread, watched from the loop. A store that fails, or is merely slow, comes back with every
 * cycle: that is progress. One that has a cycle for longer than `patience` hangs, whatever the loop's own
 * timers say.
 */
#define STORE_PATIENCE 30000 /* milliseconds, where no watchdog says otherwise */

struct store_watch {
    uint64_t patience; /* milliseconds */
    uint64_t since;    /* when the cycle that runs was handed over */
    bool hangs;        /* as store_watch_look() last found it */
};

/* A cycle was handed over. */
void store_watch_submit(struct store_watch *watch, uint64_t now);

/* Whether it hangs; `running`: a cycle is at the store. `*changed`: it did not before, or it does no longer.
 */
bool store_watch_look(struct store_watch *watch, bool running, uint64_t now, bool *changed);

#endif
