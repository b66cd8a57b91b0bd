/*
 * The store's thread: does one thing at a time, a cycle or a task, and tells the event loop when it is
 * through.
 */
#ifndef STORER_H
#define STORER_H

#include <pthread.h>
#include <uv.h>

#include "gateway/core/cycle.h"

struct storer {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    pthread_cond_t left;
    struct cycle *next; /* handed over; the thread's from then on until `done` is called */
    struct store *store;
    void (*task)(void *context); /* the same */
    void *task_context;
    bool stop;
    bool has_left; /* the thread: it can be joined */
    uv_async_t async;
    void (*done)(void *context); /* called on the loop's thread */
    void *context;
};

/*
 * Starts the thread. Returns 0, or -1 with the failure; then too the loop must run once more before the
 * struct goes.
 */
MUST_CHECK int storer_start(struct storer *storer, uv_loop_t *loop, void (*done)(void *), void *context,
                            struct failure *failure);

/* Hands over a cycle, and the store with it. Only when nothing is running. */
void storer_submit(struct storer *storer, struct cycle *cycle, struct store *store);

/* Hands over a task: whatever it uses is the thread's until `done` is called. Only when nothing is running.
 */
void storer_call(struct storer *storer, void (*task)(void *context), void *context);

/*
 * Ends the thread and closes its handle. True; or false if it is still at work after so many milliseconds:
 * then nothing that it uses may be touched, and the process can only end.
 */
MUST_CHECK bool storer_stop(struct storer *storer, unsigned patience);

#endif
