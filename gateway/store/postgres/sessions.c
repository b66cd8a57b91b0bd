/* Session ids (gateway/wire/wire.h): issued, retired, spent, and let go. Whoever changes them holds the
 * wires' number, so that of several gateways one does it at a time. */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

static const char what[] = "keep the session ids";

static void read_session(const PGresult *result, int at, struct session_row *row)
{
    *row = (struct session_row){
        .issued = pg_get_number(result, at, 1),
        .retired = pg_get_number(result, at, 2),
        .spent = pg_get_number(result, at, 3) != 0,
        .has_hash = PQgetlength(result, at, 4) == WIRE_HASH_SIZE,
    };
    if (PQgetlength(result, at, 0) == WIRE_SESSION_ID)
        memcpy(row->id, PQgetvalue(result, at, 0), WIRE_SESSION_ID);
    if (row->has_hash)
        memcpy(row->hash, PQgetvalue(result, at, 4), WIRE_HASH_SIZE);
}

int postgres_session_list(struct store *store, const char *topic, struct session_row rows[WIRE_SESSIONS_MAX],
                          struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, topic);
    pg_number(&parameters, WIRE_SESSIONS_MAX);
    PGresult *result = postgres_wire_query(postgres_of(store), PG_SESSIONS, &parameters, what, failure);
    if (result == NULL)
        return -1;
    int count = PQntuples(result) < WIRE_SESSIONS_MAX ? PQntuples(result) : WIRE_SESSIONS_MAX;
    for (int i = 0; i < count; i++)
        read_session(result, i, &rows[i]);
    PQclear(result);
    return count;
}

/* A statement about a topic and a number. */
static int run_topic(struct postgres *pg, enum pg_statement id, const char *topic, int64_t value,
                     struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, topic);
    pg_number(&parameters, value);
    return postgres_wire_run(pg, id, &parameters, what, failure);
}

static int add(struct postgres *pg, const char *topic, const char *id, int64_t now, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, topic);
    pg_bytes(&parameters, id, WIRE_SESSION_ID);
    pg_number(&parameters, now);
    return postgres_wire_run(pg, PG_SESSION_ADD, &parameters, what, failure);
}

int postgres_session_issue(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           int64_t now, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (run_topic(pg, PG_SESSION_RETIRE, topic, now, failure) < 0 ||
        run_topic(pg, PG_SESSIONS_PRUNE_FUTURE, topic, now + WIRE_CLOCK_SLACK, failure) < 0)
        return -1;
    int added = add(pg, topic, id, now, failure);
    if (added <= 0)
        return added;
    if (run_topic(pg, PG_SESSIONS_PRUNE_UNSPENT, topic, WIRE_SESSIONS_VALID, failure) < 0 ||
        run_topic(pg, PG_SESSIONS_PRUNE_SPENT, topic, WIRE_SESSIONS_SPENT, failure) < 0 ||
        postgres_raise_wires(pg, what, failure) != 0)
        return -1;
    return 1;
}

int postgres_session_spend(struct store *store, const char *topic, const char id[WIRE_SESSION_ID],
                           const uint8_t *hash, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, topic);
    pg_bytes(&parameters, id, WIRE_SESSION_ID);
    if (hash != NULL)
        pg_bytes(&parameters, hash, WIRE_HASH_SIZE);
    else
        pg_null(&parameters);
    int spent = postgres_wire_run(pg, PG_SESSION_SPEND, &parameters, what, failure);
    if (spent > 0 && postgres_raise_wires(pg, what, failure) != 0)
        return -1;
    return spent;
}
