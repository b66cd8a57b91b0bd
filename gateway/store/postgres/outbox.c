/*
 * The outbox: parcels in one row each, and where each sink is. Whoever writes parcels holds the one row of
 * `outbox_end` until its transaction ends, and takes it last of all: so rows become visible in the order of
 * their numbers, whichever gateways write them.
 */
#include "gateway/store/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

static const char look[] = "look at the sinks";
static const char change_it[] = "note what sinks have confirmed";

/* ---- writing parcels ---- */

static void put_parcels(const struct parcels *parcels, struct pg_array arrays[3], int64_t *points,
                        int64_t *bytes)
{
    pg_array_begin(&arrays[0], PG_INT8);
    pg_array_begin(&arrays[1], PG_INT8);
    pg_array_begin(&arrays[2], PG_BYTEA);
    for (size_t i = 0; i < parcels->count; i++) {
        const struct parcel *parcel = &parcels->items[i];
        pg_array_number(&arrays[0], parcel->received);
        pg_array_number(&arrays[1], parcel->points);
        pg_array_bytes(&arrays[2], parcels->bytes + parcel->at, parcel->len);
        *points += parcel->points;
        *bytes += (int64_t)parcel->len;
    }
}

/* The statement's parameters, which last as long as the arrays. */
static int fill(const struct postgres *pg, struct pg_parameters *parameters, const struct parcels *parcels,
                struct pg_array arrays[3], struct failure *failure)
{
    int64_t points = 0;
    int64_t bytes = 0;

    put_parcels(parcels, arrays, &points, &bytes);
    for (size_t i = 0; i < 3; i++)
        if (pg_array_add(parameters, &arrays[i], failure) != 0)
            return -1;
    pg_number(parameters, (int64_t)parcels->count);
    pg_number(parameters, points);
    pg_number(parameters, bytes);
    pg_number(parameters, pg->outbox_leapt ? 0 : OUTBOX_LEAP);
    return 0;
}

int postgres_outbox_send(struct pg_pipeline *pipeline, const struct parcels *parcels, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    struct pg_array arrays[3] = {0};
    int result = 0;

    if (parcels->count > 0) {
        result = fill(pipeline->pg, &parameters, parcels, arrays, failure);
        if (result == 0)
            pg_pipeline_send(pipeline, PG_OUTBOX_ADD, &parameters);
    }
    for (size_t i = 0; i < 3; i++)
        pg_array_wipe(&arrays[i]);
    return result;
}

int postgres_outbox_add(struct postgres *pg, const char *what, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    struct pg_array arrays[3] = {0};
    int result = 0;

    if (pg->parcels.count > 0) {
        result = fill(pg, &parameters, &pg->parcels, arrays, failure);
        if (result == 0 && postgres_wire_run(pg, PG_OUTBOX_ADD, &parameters, what, failure) < 0)
            result = -1;
    }
    for (size_t i = 0; i < 3; i++)
        pg_array_wipe(&arrays[i]);
    return result;
}

/* ---- reading them ---- */

int postgres_outbox_read(struct store *store, int64_t after, size_t bytes, outbox_visitor *visit,
                         void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};
    int count = 0;

    pg_number(&parameters, after);
    pg_number(&parameters, bytes > INT32_MAX ? INT32_MAX : (int64_t)bytes);
    PGresult *result = pg_read(pg, PG_OUTBOX_AFTER, &parameters, "read the outbox", failure);
    if (result == NULL)
        return -1;
    while (count < PQntuples(result)) {
        const struct outbox_row row = {
            .place = {pg_get_number(result, count, 0), pg_get_number(result, count, 3),
                      pg_get_number(result, count, 4)},
            .received = pg_get_number(result, count, 1),
            .points = (uint32_t)pg_get_number(result, count, 2),
            .parcel = (const uint8_t *)PQgetvalue(result, count, 5),
            .len = (size_t)PQgetlength(result, count, 5),
        };
        count++;
        if (visit(context, &row) != 0)
            break;
    }
    PQclear(result);
    return count;
}

/* ---- sinks ---- */

static int check_room(struct postgres *pg, struct failure *failure)
{
    PGresult *result = pg_read(pg, PG_SINKS_COUNT, NULL, look, failure);

    if (result == NULL)
        return -1;
    int64_t count = pg_get_number(result, 0, 0);
    PQclear(result);
    return count <= SINKS_MAX ? 0 : sinks_fail_full(failure);
}

int postgres_sink_add(struct store *store, const char *name, int64_t now, struct failure *failure)
{
    static const char what[] = "enter a sink";
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    pg_number(&parameters, now);
    if (pg_begin(pg, what, failure) != 0)
        return -1;
    int added = pg_run(pg, PG_SINKS_ADD, &parameters, what, failure);
    if (added > 0 && check_room(pg, failure) != 0)
        added = -1;
    return pg_end(pg, added, what, failure);
}

static int read_sink(struct postgres *pg, const PGresult *result, int at, struct sink_row *row,
                     struct failure *failure)
{
    *row = (struct sink_row){
        .cursor = {pg_get_number(result, at, 1), pg_get_number(result, at, 2), pg_get_number(result, at, 3)},
        .added = pg_get_number(result, at, 4),
        .confirmed = pg_get_number(result, at, 5),
        .lost = (uint64_t)pg_get_number(result, at, 6),
        .refused = (uint64_t)pg_get_number(result, at, 7),
        .lease = pg_get_number(result, at, 9),
        .end = {pg_get_number(result, at, 10), pg_get_number(result, at, 11), pg_get_number(result, at, 12)},
        .oldest = pg_get_number(result, at, 13),
    };
    if (pg_copy(result, at, 0, row->name, sizeof(row->name)) &&
        pg_copy(result, at, 8, row->holder, sizeof(row->holder)))
        return 0;
    return fail(failure, "a sink's row is damaged; see docs/gateway.md, Damage (%s)", pg->label);
}

int postgres_sinks_each(struct store *store, sink_visitor *visit, void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    PGresult *result = pg_read(pg, PG_SINKS, NULL, look, failure);
    int good = result == NULL ? -1 : 0;

    for (int i = 0; good == 0 && i < PQntuples(result); i++) {
        struct sink_row row;
        good = read_sink(pg, result, i, &row, failure);
        if (good == 0 && visit(context, &row) != 0)
            break;
    }
    PQclear(result);
    return good;
}

int postgres_sink_forget(struct store *store, const char *name, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    return pg_run(postgres_of(store), PG_SINKS_DELETE, &parameters, "forget a sink", failure);
}

enum update_column { NAME, N, POINTS, BYTES, LOST, REFUSED, LEASE, UPDATE_COLUMNS };

static int put_updates(struct pg_parameters *parameters, struct pg_array arrays[UPDATE_COLUMNS],
                       const struct sink_update *updates, size_t count, struct failure *failure)
{
    for (int i = 0; i < UPDATE_COLUMNS; i++)
        pg_array_begin(&arrays[i], i == NAME ? PG_TEXT : PG_INT8);
    for (size_t i = 0; i < count; i++) {
        pg_array_bytes(&arrays[NAME], updates[i].name, strlen(updates[i].name));
        pg_array_number(&arrays[N], updates[i].cursor.n);
        pg_array_number(&arrays[POINTS], updates[i].cursor.points);
        pg_array_number(&arrays[BYTES], updates[i].cursor.bytes);
        pg_array_number(&arrays[LOST], (int64_t)updates[i].lost);
        pg_array_number(&arrays[REFUSED], (int64_t)updates[i].refused);
        pg_array_number(&arrays[LEASE], updates[i].lease);
    }
    for (int i = 0; i < UPDATE_COLUMNS; i++)
        if (pg_array_add(parameters, &arrays[i], failure) != 0)
            return -1;
    return 0;
}

static void take_held(const PGresult *result, struct sink_update *updates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        updates[i].held = false;
        for (int row = 0; row < PQntuples(result); row++)
            if (strcmp(PQgetvalue(result, row, 0), updates[i].name) == 0)
                updates[i].held = true;
    }
}

int postgres_sinks_update(struct store *store, const char *holder, struct sink_update *updates, size_t count,
                          int64_t now, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};
    struct pg_array arrays[UPDATE_COLUMNS] = {0};
    PGresult *result = NULL;

    (void)now; /* the database's clock counts */
    if (put_updates(&parameters, arrays, updates, count, failure) == 0) {
        pg_text(&parameters, holder);
        pg_clock(&parameters, pg);
        result = pg_query(pg, PG_SINKS_UPDATE, &parameters, change_it, failure);
    }
    if (result != NULL)
        take_held(result, updates, count);
    for (int i = 0; i < UPDATE_COLUMNS; i++)
        pg_array_wipe(&arrays[i]);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

int postgres_outbox_trim(struct store *store, size_t most, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, (int64_t)most);
    return pg_run(postgres_of(store), PG_OUTBOX_DELETE, &parameters, "empty the outbox", failure);
}
