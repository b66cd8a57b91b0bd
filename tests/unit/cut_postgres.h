/*
 * What happens to a connection to PostgreSQL at a moment of the test's choice, whatever else the machine does
 * meanwhile. Cut, the server is through with all that it was sent, and of its answers so many messages have
 * arrived. Linked with --wrap=PQisBusy.
 */
#ifndef CUT_POSTGRES_H
#define CUT_POSTGRES_H

#include <libpq-fe.h>

#include "store_fixture.h"

extern int messages_left; /* of the server, until the connection is cut; negative: it is not */

/* Cuts it now: what the server has answered is not read any more, and what it was sent it may still carry
 * out. */
void cut_connection(PGconn *conn);

/* Waits until the server is done with the connection that was cut last. */
void await_cut(struct fixture *f);

/* For a process of its own: commits as soon as somebody waits for a lock, and exits with 0. */
_Noreturn void end_when_waited_for(PGconn *holder);

#endif
