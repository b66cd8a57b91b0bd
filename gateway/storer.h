/*
 * The store's thread: runs one cycle at a time and tells the event loop when it is through.
 */
#ifndef STORER_H
#define STORER_H

#include <pthread.h>
#include <uv.h>

#include "gateway/core/cycle.h"

struct storer {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `next` and `stop` */
    pthread_cond_t wake;
    struct cycle *next; /* handed over; the thread's from then on until `done` is called */
    bool stop;
    struct store *store; /* the thread's alone while it runs */
    uv_async_t async;
    void (*done)(void *context); /* called on the loop's thread */
    void *context;
};

/*
 * Starts the thread. The store is the thread's until storer_stop(). Returns 0, or -1 with the failure; then
 * too the loop must run once more before the struct goes.
 */
MUST_CHECK int storer_start(struct storer *storer, uv_loop_t *loop, struct store *store, void (*done)(void *),
                            void *context, struct failure *failure);

/* Hands over a cycle. Only when none is running. */
void storer_submit(struct storer *storer, struct cycle *cycle);

/* Ends the thread (it is idle) and closes its handle. */
void storer_stop(struct storer *storer);

#endif
