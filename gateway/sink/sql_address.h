/*
 * Addresses of SQL databases as sinks. What their client libraries understand stays theirs; here it is only
 * seen that no password was typed, and what the database is called.
 */
#ifndef SINK_SQL_ADDRESS_H
#define SINK_SQL_ADDRESS_H

#include "gateway/sink/sink.h"

/*
 * What follows "postgres:" in the URL, with the password of its file (password = ...) as another parameter:
 * the caller wipes and frees it. NULL with what is wrong. `name` receives the sink's.
 */
MUST_CHECK char *sql_postgres_location(const struct sink_address *address, char name[SINK_NAME_SIZE],
                                       struct failure *failure);

#endif
