/*
 * Addresses of SQL databases as sinks. What their client libraries understand stays theirs; here it is only
 * seen that no password was typed, and what the database is called.
 */
#ifndef SINK_SQL_ADDRESS_H
#define SINK_SQL_ADDRESS_H

#include "gateway/sink/sink.h"
#include "gateway/store/mysql/url.h"

/*
 * What follows "postgres:" in the URL, with the password of its file (password = ...) as another parameter:
 * the caller wipes and frees it. NULL with what is wrong. `name` receives the sink's.
 */
MUST_CHECK char *sql_postgres_location(const struct sink_address *address, char name[SINK_NAME_SIZE],
                                       struct failure *failure);

/* Says what the database is called, and sees that its password was not typed; that of the file's lines goes
 * into `url`. 0, or -1 with what is wrong. */
MUST_CHECK int sql_mysql_take(const struct sink_address *address, struct mysql_url *url,
                              char name[SINK_NAME_SIZE], struct failure *failure);

#endif
