/* Statements about readings, events and older wires: X(id, SQL), as in mysql_statements.h. */
#ifndef MYSQL_STATEMENTS_DATA_H
#define MYSQL_STATEMENTS_DATA_H

/* Shared: series may be used, none is deleted until the transaction ends; gives how often some were. */
#define MQ_STATEMENTS_DATA(X)                                                                                \
    X(SERIES_HOLD, "SELECT value FROM numbers WHERE name = 'series_gone' LOCK IN SHARE MODE")                \
                                                                                                             \
    X(WIRES_HOLD, "SELECT value FROM numbers WHERE name = 'wires' FOR UPDATE")                               \
    X(WIRES_HOLD_OF, "SELECT value FROM numbers WHERE name = 'wires' AND EXISTS (SELECT 1 FROM wires"        \
                     " WHERE device IN ($1) AND closed = 0) FOR UPDATE")

#endif
