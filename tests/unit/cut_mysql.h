/*
 * What happens to a connection to MariaDB at a moment of the test's choice, whatever else the machine does
 * meanwhile: cut, the server is through with all that it was sent, and of its answers so many packets have
 * arrived. And another connection, that holds rows. Linked with --wrap=mysql_send_query.
 */
#ifndef CUT_MYSQL_H
#define CUT_MYSQL_H

#include <mysql.h>

#include "store_fixture.h"

extern struct fixture *cut; /* whose connection is to be cut */
extern int steps_left;      /* until it is, sends and packets of the server; negative: never */
extern int sends;           /* of statements, or of several at once: round trips */

/* Waits until the server is done with the connection that was cut last. */
void wait_for_the_server(struct fixture *f);

MYSQL *connect_as_root(struct fixture *f);
void execute(MYSQL *conn, const char *sql);

/* Waits until somebody waits for a row. */
void await_lock(MYSQL *conn);

#endif
