/*
 * The sinks of a gateway: a thread for each, with a connection of its own to the registry, so that a slow one
 * holds up no other, and none of them holds up a device. What they have written goes to the event loop, which
 * has it noted in the registry (core/outbox.h).
 *
 *     outbox ──drain_step()──► sink      on its own thread, while this gateway holds the sink
 *        ▲                      │
 *     store's thread ◄─cycle─ loop       sinks_collect(), once the loop is about to hand over a cycle;
 *                                        sinks_grant(), when it is through
 */
#ifndef SINKS_H
#define SINKS_H

#include <pthread.h>
#include <stdio.h>

#include "gateway/core/pipeline.h"
#include "gateway/sink/drain.h"

#define SINKS_STOP_SECONDS 5 /* that a write at hand gets at the end */

struct sinks_entry {
    pthread_t thread;
    bool running;
    struct drain drain; /* the thread's */
    pthread_mutex_t mutex;
    pthread_cond_t wake;

    /* under the mutex */
    bool held;    /* this gateway holds the sink: the thread may go on */
    bool granted; /* from `place` on */
    struct outbox_place place;
    bool stop;
    bool done; /* the thread is through */
    struct drain_report report;

    atomic_bool woken; /* there is something to do */
    atomic_bool idle;  /* the thread waits to be woken: set before it looks at `woken` */

    /* the loop's */
    struct drain_report shown; /* the report, as of the last look */
    uint64_t lost_told;        /* by the log */
    int64_t lost_when;         /* Unix seconds */
    int64_t away_told;         /* since when, as the log has it; 0: it is not away */
};

struct sinks {
    struct log *log;
    struct sinks_entry *entries;
    const char *names[SINKS_MAX];
    size_t count;
};

struct sinks_config {
    const char *const *urls; /* or @FILE */
    size_t count;
    const char *db;
    int64_t keep_seconds; /* that a reading waits for a sink; 0: for ever */
    struct log *log;
    int64_t (*clock)(void *); /* microseconds since 1970; from any thread */
    void *clock_context;
};

/* Opens the sinks, reaches none of them. Returns 0, or -1 with the failure; sinks_close() in any case. */
MUST_CHECK int sinks_open(struct sinks *sinks, const struct sinks_config *config, struct failure *failure);
void sinks_close(struct sinks *sinks);

/* Whether one of them is reached over sockets. */
bool sinks_call(const struct sinks *sinks);

/* Starts the threads: after the sandbox, which they are in then. Returns 0, or -1 with the failure. */
MUST_CHECK int sinks_start(struct sinks *sinks, struct failure *failure);

/*
 * Ends them: what is being written may end within SINKS_STOP_SECONDS, and is given up then; it stays in the
 * outbox.
 */
void sinks_stop(struct sinks *sinks);

/* From now on a reading waits so long for a sink. */
void sinks_keep(struct sinks *sinks, int64_t seconds);

/* ---- on the event loop ---- */

/* Takes what the threads have done to pipeline->outbox, and tells log and journal of it. */
void sinks_collect(struct sinks *sinks, struct pipeline *pipeline);

/* Tells the threads which sinks are theirs, and that there may be something to do. `stored`: more was stored.
 */
void sinks_grant(struct sinks *sinks, const struct outbox *outbox, bool stored);

#endif
