/*
 * Ending a wait for a server from another thread: the connection's socket is shut down, by a second
 * descriptor, which nobody else closes meanwhile. So a client library that waits finds its connection lost.
 */
#ifndef SINK_SQL_HOLD_H
#define SINK_SQL_HOLD_H

#include <pthread.h>
#include <stdbool.h>

struct sql_hold {
    pthread_mutex_t lock;
    int socket; /* -1: nothing is under way */
    bool interrupted;
};

void sql_hold_init(struct sql_hold *hold);
void sql_hold_wipe(struct sql_hold *hold);

/* From here on sql_hold_interrupt() ends this connection. false: it was called already. */
bool sql_hold_take(struct sql_hold *hold, int socket);
void sql_hold_release(struct sql_hold *hold);

/* From another thread. */
void sql_hold_interrupt(struct sql_hold *hold);

#endif
