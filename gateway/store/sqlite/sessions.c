/* Session ids (gateway/wire/wire.h): issued, retired, spent, and let go. */
#include "gateway/store/sqlite/sqlite.h"

#include <string.h>

static const char what[] = "keep the session ids";

static void read_session(sqlite3_stmt *query, struct session_row *row)
{
    *row = (struct session_row){
        .issued = sqlite3_column_int64(query, 1),
        .retired = sqlite3_column_int64(query, 2),
        .spent = sqlite3_column_int64(query, 3) != 0,
        .has_hash = sqlite3_column_bytes(query, 4) == WIRE_HASH_SIZE,
    };
    if (sqlite3_column_bytes(query, 0) == WIRE_SESSION_ID)
        memcpy(row->id, sqlite3_column_blob(query, 0), WIRE_SESSION_ID);
    if (row->has_hash)
        memcpy(row->hash, sqlite3_column_blob(query, 4), WIRE_HASH_SIZE);
}

int sqlite_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                        struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = sqlite_statement(sqlite, ST_SESSIONS, failure);
    int count = 0;
    int found = query == NULL ? -1 : 0;

    if (query == NULL)
        return -1;
    bind_text(query, 1, topic, strlen(topic));
    bind_number(query, 2, WIRE_SESSIONS_MAX);
    while (count < WIRE_SESSIONS_MAX && (found = sqlite_row(sqlite, query, what, failure)) > 0)
        read_session(query, &rows[count++]);
    sqlite3_reset(query);
    return found < 0 ? -1 : count;
}

static int retire(struct sqlite *sqlite, const char *topic, int64_t now, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_SESSION_RETIRE, failure);

    if (statement == NULL)
        return -1;
    bind_text(statement, 1, topic, strlen(topic));
    bind_number(statement, 2, now);
    return sqlite_run(sqlite, statement, what, failure);
}

static int add(struct sqlite *sqlite, const char *topic, const char *id, int64_t now, struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, ST_SESSION_ADD, failure);

    if (statement == NULL)
        return -1;
    bind_text(statement, 1, topic, strlen(topic));
    bind_text(statement, 2, id, WIRE_SESSION_ID);
    bind_number(statement, 3, now);
    return sqlite_run(sqlite, statement, what, failure);
}

static int prune(struct sqlite *sqlite, enum statement_id id, const char *topic, int64_t bound,
                 struct failure *failure)
{
    sqlite3_stmt *statement = sqlite_statement(sqlite, id, failure);

    if (statement == NULL)
        return -1;
    bind_text(statement, 1, topic, strlen(topic));
    bind_number(statement, 2, bound);
    return sqlite_run(sqlite, statement, what, failure);
}

int sqlite_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID], int64_t now,
                         struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    if (retire(sqlite, topic, now, failure) < 0 ||
        prune(sqlite, ST_SESSIONS_PRUNE_FUTURE, topic, now + WIRE_CLOCK_SLACK, failure) < 0)
        return -1;
    int added = add(sqlite, topic, id, now, failure);
    if (added <= 0)
        return added;
    if (prune(sqlite, ST_SESSIONS_PRUNE_UNSPENT, topic, WIRE_SESSIONS_VALID, failure) < 0 ||
        prune(sqlite, ST_SESSIONS_PRUNE_SPENT, topic, WIRE_SESSIONS_SPENT, failure) < 0 ||
        sqlite_run_id(sqlite, ST_WIRES_RAISE, what, failure) < 0)
        return -1;
    return 1;
}

int sqlite_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                         const uint8_t *hash, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *spend = sqlite_statement(sqlite, ST_SESSION_SPEND, failure);

    if (spend == NULL)
        return -1;
    bind_text(spend, 1, topic, strlen(topic));
    bind_text(spend, 2, id, WIRE_SESSION_ID);
    if (hash != NULL)
        bind_bytes(spend, 3, hash, WIRE_HASH_SIZE);
    else
        sqlite3_bind_null(spend, 3);
    int spent = sqlite_run(sqlite, spend, what, failure);
    if (spent > 0 && sqlite_run_id(sqlite, ST_WIRES_RAISE, what, failure) < 0)
        return -1;
    return spent;
}
