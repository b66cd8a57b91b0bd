#include "gateway/store/postgres/postgres.h"

#include <string.h>

/* Reads PG_CONTEXT_COLUMNS from column `first` on. */
static void read_context(const PGresult *result, int at, int first, struct context_row *row)
{
    int id_len = PQgetlength(result, at, first + 1);

    *row = (struct context_row){
        .device = pg_get_number(result, at, first),
        .counter = id_len == 0,
        .proven = pg_get_boolean(result, at, first + 2),
        .proven_t = (uint64_t)pg_get_number(result, at, first + 3),
        .closes_at = pg_get_number(result, at, first + 4),
        .window.top = (uint64_t)pg_get_number(result, at, first + 5),
        .window.bits = (uint64_t)pg_get_number(result, at, first + 6),
        .window.lower = (uint64_t)pg_get_number(result, at, first + 7),
    };
    if (id_len == BULLA_ID_CONTEXT_SIZE)
        memcpy(row->id_context, PQgetvalue(result, at, first + 1), BULLA_ID_CONTEXT_SIZE);
}

/* The first parameters are the device and the clock. */
static int read_with_clock(struct postgres *pg, enum pg_statement id, const struct pg_parameters *parameters,
                           struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    PGresult *result = pg_read(pg, id, parameters, "look a context up", failure);

    if (result == NULL)
        return -1;
    bool found = !PQgetisnull(result, 0, 2);
    clock->now = pg_get_number(result, 0, 0);
    clock->floor = (uint64_t)pg_get_number(result, 0, 1);
    if (found)
        read_context(result, 0, 2, row);
    PQclear(result);
    return found;
}

int postgres_context_find(struct store *store, int64_t device, const uint8_t *id_context,
                          struct context_row *row, struct store_clock *clock, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    pg_clock(&parameters, pg);
    pg_bytes(&parameters, id_context, id_context == NULL ? 0 : BULLA_ID_CONTEXT_SIZE);
    return read_with_clock(pg, PG_CONTEXT_FIND, &parameters, row, clock, failure);
}

int postgres_context_newest(struct store *store, int64_t device, struct context_row *row,
                            struct store_clock *clock, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    pg_clock(&parameters, pg);
    return read_with_clock(pg, PG_CONTEXT_NEWEST, &parameters, row, clock, failure);
}

int postgres_context_each(struct store *store, int64_t device, context_visitor *visit, void *context,
                          struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, device);
    pg_clock(&parameters, pg);
    PGresult *result = pg_read(pg, PG_CONTEXTS_OF, &parameters, "list the contexts", failure);
    if (result == NULL)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        struct context_row row;
        read_context(result, i, 0, &row);
        if (visit(context, &row) != 0)
            break;
    }
    PQclear(result);
    return 0;
}

/* One statement, so one transaction: F is raised where the rows go (PROTOCOL 4.4). Rows that a batch or
 * another gateway holds are left to the next time. */
int postgres_contexts_close(struct store *store, int64_t now, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    (void)now; /* the database's clock counts */
    pg_clock(&parameters, pg);
    PGresult *result = pg_query(pg, PG_CONTEXTS_CLOSE, &parameters, "close sessions", failure);
    if (result == NULL)
        return -1;
    int gone = (int)pg_get_number(result, 0, 0);
    PQclear(result);
    return gone;
}
