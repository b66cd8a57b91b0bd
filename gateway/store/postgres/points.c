/* Readings: written, and deleted when they are old. */
#include "gateway/store/postgres/postgres.h"

#include <stdlib.h>

/* ---- writing ---- */

enum column { TIME, SERIES, PIV, RECEIVED, EARLY, NUMBER, WHOLE, TEXT, DATA, COLUMNS };

_Static_assert(COLUMNS == PG_POINT_COLUMNS_MAX, "every column has an array");

static const enum pg_type types[COLUMNS] = {PG_TIMESTAMPTZ, PG_INT8, PG_INT8, PG_TIMESTAMPTZ, PG_INT8,
                                            PG_FLOAT8,      PG_INT8, PG_TEXT, PG_BYTEA};

/* A text that is none for PostgreSQL (a zero in it) stands as bytes; the series' type says what it is. */
static enum column column_of(const struct reading *reading)
{
    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        return NUMBER;
    case READING_INTEGER:
    case READING_BOOLEAN:
        return WHOLE;
    case READING_TEXT:
        return pg_is_text((const char *)reading->value.bytes.at, reading->value.bytes.len) ? TEXT : DATA;
    default:
        return DATA;
    }
}

static void put_value(struct pg_array *arrays, const struct reading *reading)
{
    enum column column = column_of(reading);

    for (enum column other = NUMBER; other <= DATA; other++)
        if (other != column)
            pg_array_null(&arrays[other]);
    if (column == NUMBER)
        pg_array_real(&arrays[column], reading->value.real);
    else if (column == WHOLE)
        pg_array_number(&arrays[column], reading->value.integer);
    else
        pg_array_bytes(&arrays[column], reading->value.bytes.at, reading->value.bytes.len);
}

static void put_point(struct pg_array *arrays, const struct postgres *pg,
                      const struct commit_message *message, const struct reading *reading, int64_t series)
{
    pg_array_number(&arrays[TIME], pg_point_time(pg, reading->time));
    pg_array_number(&arrays[SERIES], series);
    pg_array_number(&arrays[PIV], (int64_t)message->piv);
    pg_array_number(&arrays[RECEIVED], pg_time_of(message->received));
    if (pg_is_early(pg, reading->time))
        pg_array_number(&arrays[EARLY], reading->time);
    else
        pg_array_null(&arrays[EARLY]);
    put_value(arrays, reading);
}

int postgres_points_gather(struct pg_points *points, const struct postgres *pg, const struct commit *commit,
                           const int64_t *ids, const size_t *places, struct failure *failure)
{
    *points = (struct pg_points){0};
    for (int i = 0; i < COLUMNS; i++)
        pg_array_begin(&points->columns[i], types[i]);
    pg_array_begin(&points->places, PG_INT8);
    for (size_t i = 0; i < commit->message_count; i++) {
        const struct commit_message *message = &commit->messages[i];
        if (places == NULL && commit->contexts[message->context].verdict != COMMIT_DONE)
            continue;
        for (size_t r = message->first; r < message->first + message->count; r++) {
            if (ids[r] == 0)
                return fail(failure, "cannot enter a series: its device is not in the registry");
            put_point(points->columns, pg, message, &commit->readings[r], ids[r]);
            if (places != NULL)
                pg_array_number(&points->places, (int64_t)places[message->context]);
        }
    }
    return 0;
}

/* The server fills up an array that is shorter than the others with NULLs, so one of nothing else is not
 * sent. */
int postgres_points_put(struct pg_points *points, struct pg_parameters *parameters, struct failure *failure)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (points->columns[i].nulls == points->columns[i].count && !points->columns[i].failed)
            pg_array_begin(&points->columns[i], types[i]);
        if (pg_array_add(parameters, &points->columns[i], failure) != 0)
            return -1;
    }
    return 0;
}

void postgres_points_wipe(struct pg_points *points)
{
    for (int i = 0; i < COLUMNS; i++)
        pg_array_wipe(&points->columns[i]);
    pg_array_wipe(&points->places);
}

int postgres_points_send(struct pg_pipeline *pipeline, const struct commit *commit, const int64_t *ids,
                         struct failure *failure)
{
    struct pg_points points;
    struct pg_parameters parameters = {.count = 0};
    int result = postgres_points_gather(&points, pipeline->pg, commit, ids, NULL, failure);

    if (result == 0)
        result = postgres_points_put(&points, &parameters, failure);
    if (result == 0 && points.columns[TIME].count > 0)
        pg_pipeline_send(pipeline, PG_POINTS_ADD, &parameters);
    postgres_points_wipe(&points);
    return result;
}

static int add_points(struct postgres *pg, const struct commit *commit, const int64_t *ids, const char *what,
                      struct failure *failure)
{
    static const enum pg_statement used[] = {PG_POINTS_ADD};
    struct pg_pipeline pipeline;

    if (pg_prepare(pg, used, 1, what, failure) != 0 || pg_pipeline_begin(&pipeline, pg, what, failure) != 0)
        return -1;
    int result = postgres_points_send(&pipeline, commit, ids, failure);
    return pg_pipeline_end(&pipeline, NULL, NULL) != 0 ? -1 : result;
}

int postgres_points_add(struct postgres *pg, const struct commit *commit, const char *what,
                        struct failure *failure)
{
    int64_t *ids = calloc(commit->messages[0].count + 1, sizeof(*ids));
    int result;

    if (ids == NULL)
        return fail(failure, "cannot %s: no memory is left", what);
    result = postgres_series_find(pg, commit, ids, failure);
    if (result == 0)
        result = add_points(pg, commit, ids, what, failure);
    free(ids);
    return result;
}

/* ---- expiry ---- */

static const char expire[] = "delete old readings";

static int delete_points(struct postgres *pg, int64_t before, size_t most, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, pg_time_of(before));
    pg_number(&parameters, (int64_t)most);
    return pg_run(pg, PG_POINTS_DELETE, &parameters, expire, failure);
}

/* While no batch uses an id. Whoever has one in a cache learns from the registry that some are gone. */
static int delete_in_transaction(struct postgres *pg, int64_t before, size_t most, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    struct pg_parameters name = {.count = 0};

    pg_number(&parameters, pg_time_of(before));
    pg_number(&parameters, before);
    pg_number(&parameters, (int64_t)most);
    pg_text(&name, "series_gone");
    if (pg_run(pg, PG_HURRY, NULL, expire, failure) < 0 ||
        pg_run(pg, PG_SERIES_LOCK_ALONE, NULL, expire, failure) < 0)
        return -1;
    int gone = pg_run(pg, PG_SERIES_DELETE, &parameters, expire, failure);
    if (gone > 0 && pg_run(pg, PG_NUMBER_RAISE, &name, expire, failure) < 0)
        return -1;
    return gone;
}

static int delete_series(struct postgres *pg, int64_t before, size_t most, struct failure *failure)
{
    if (pg_begin(pg, expire, failure) != 0)
        return -1;
    return pg_end(pg, delete_in_transaction(pg, before, most, failure), expire, failure);
}

int postgres_readings_expire(struct store *store, int64_t before, size_t most, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_number(&parameters, pg_time_of(before));
    pg_number(&parameters, before);
    PGresult *result = pg_read(pg, PG_EXPIRE_IS_DUE, &parameters, expire, failure);
    if (result == NULL)
        return -1;
    bool points = pg_get_boolean(result, 0, 0);
    bool series = pg_get_boolean(result, 0, 1);
    PQclear(result);
    if (points)
        return delete_points(pg, before, most, failure);
    return series ? delete_series(pg, before, most, failure) : 0;
}
