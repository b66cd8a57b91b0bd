/* The registry's own values and numbers. */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

#include "gateway/store/move.h"

/* ---- meta ---- */

int postgres_meta_get(struct store *store, const char *name, void *value, size_t *len,
                      struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    PGresult *result = pg_read(pg, PG_META_GET, &parameters, "read the registry", failure);
    int found = result == NULL ? -1 : PQntuples(result);
    if (found > 0) {
        size_t size = (size_t)PQgetlength(result, 0, 0);
        if (size > *len)
            found = fail(failure, "the registry's value \"%s\" has %zu bytes, at most %zu were expected (%s)",
                         name, size, *len, pg->label);
        else if (size > 0)
            memcpy(value, PQgetvalue(result, 0, 0), size);
        *len = size;
    }
    PQclear(result);
    return found;
}

int postgres_meta_put(struct store *store, const char *name, const void *value, size_t len,
                      struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    pg_bytes(&parameters, value, len);
    return pg_run(postgres_of(store), PG_META_PUT, &parameters, "write the registry", failure);
}

int postgres_gateway_id_add(struct store *store, const uint8_t id[GATEWAY_ID_SIZE], int64_t now,
                            struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_bytes(&parameters, id, GATEWAY_ID_SIZE);
    pg_number(&parameters, now);
    return pg_run(postgres_of(store), PG_GATEWAY_ID_ADD, &parameters, "enter the gateway's id", failure);
}

/* ---- numbers ---- */

static int read_number(struct postgres *pg, const char *name, int64_t *value, const char *what,
                       struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    PGresult *result = pg_read(pg, PG_NUMBER_GET, &parameters, what, failure);
    if (result == NULL)
        return -1;
    int found = PQntuples(result);
    *value = found > 0 ? pg_get_number(result, 0, 0) : 0;
    PQclear(result);
    return found > 0 ? 0 : fail(failure, "cannot %s: the table numbers is damaged (%s)", what, pg->label);
}

int postgres_generation(struct store *store, int64_t *generation, struct failure *failure)
{
    return read_number(postgres_of(store), "generation", generation, "read the registry", failure);
}

int postgres_raise_generation(struct postgres *pg, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, "generation");
    return pg_run(pg, PG_NUMBER_RAISE, &parameters, what, failure) < 0 ? -1 : 0;
}

int postgres_probe(struct store *store, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, "probe");
    return pg_run(postgres_of(store), PG_NUMBER_RAISE, &parameters, "write to the database", failure) < 0 ? -1
                                                                                                          : 0;
}

/* Readings wait behind it: rather try again soon than wait for the row. */
static int raise_issued_t(struct postgres *pg, uint64_t t, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    int result;

    pg_unsigned(&parameters, t);
    if (pg_begin(pg, what, failure) != 0)
        return -1;
    result = pg_run(pg, PG_HURRY, NULL, what, failure);
    if (result >= 0)
        result = pg_run(pg, PG_ISSUED_T_RAISE, &parameters, what, failure);
    return pg_end(pg, result, what, failure);
}

int postgres_issued_t(struct store *store, uint64_t t, uint64_t *kept, struct failure *failure)
{
    static const char what[] = "keep the challenges' T";
    struct postgres *pg = postgres_of(store);
    int64_t value = 0;

    *kept = 0;
    if (read_number(pg, "issued_t", &value, what, failure) != 0)
        return -1;
    if ((uint64_t)value < t &&
        (raise_issued_t(pg, t, what, failure) < 0 || read_number(pg, "issued_t", &value, what, failure) != 0))
        return -1;
    *kept = (uint64_t)value;
    return 0;
}

/* ---- a store that came back (PROTOCOL 9) ---- */

static int unprove(struct postgres *pg, const void *challenge, size_t len, const char *what,
                   struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    int marked = postgres_hold_wires(pg, what, failure);

    if (marked == 0)
        marked = pg_run(pg, PG_CONTEXTS_UNPROVE, NULL, what, failure);
    pg_text(&parameters, "challenge");
    pg_bytes(&parameters, challenge, len);
    if (marked < 0 || pg_run(pg, PG_META_REPLACE, &parameters, what, failure) < 0 ||
        pg_run(pg, PG_SESSIONS_VOID, NULL, what, failure) < 0 ||
        postgres_raise_wires(pg, what, failure) != 0 || postgres_raise_generation(pg, what, failure) != 0 ||
        postgres_transfer.note(&pg->store, MOVE_LEAVING, NULL, 0, failure) != 0)
        return -1;
    return marked;
}

int postgres_restored(struct store *store, const void *challenge, size_t len, int64_t *contexts,
                      struct failure *failure)
{
    static const char what[] = "mark the contexts as unproven";
    struct postgres *pg = postgres_of(store);

    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int marked = pg_end(pg, unprove(pg, challenge, len, what, failure), what, failure);
    if (marked < 0)
        return -1;
    *contexts = marked;
    return 0;
}
