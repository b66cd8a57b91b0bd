#include "gateway/store/postgres/postgres.h"

#include <string.h>

#define EVENTS_MAX 50000 /* of those that authenticated, and of the others (PROTOCOL 4) */

static const char write_it[] = "write events";

/* ---- writing ---- */

enum column { AUTHENTIC, TIME, KIND, DEVICE, SOURCE, DETAIL, COLUMNS };

/* What is no text for the database (an address never is) is left out: an event must not hold up the others.
 */
static void put_text(struct pg_array *array, const char *text)
{
    static const char unreadable[] = "(not UTF-8)";

    if (text == NULL)
        text = "";
    if (!pg_is_text(text, strlen(text)))
        text = unreadable;
    pg_array_bytes(array, text, strlen(text));
}

static void gather(struct pg_array *arrays, const struct event_row *events, size_t count)
{
    static const enum pg_type types[COLUMNS] = {PG_INT8, PG_TIMESTAMPTZ, PG_TEXT, PG_INT8, PG_TEXT, PG_TEXT};

    for (int i = 0; i < COLUMNS; i++)
        pg_array_begin(&arrays[i], types[i]);
    for (size_t i = 0; i < count; i++) {
        pg_array_number(&arrays[AUTHENTIC], events[i].authentic);
        pg_array_number(&arrays[TIME], pg_time_of(events[i].time));
        put_text(&arrays[KIND], events[i].kind);
        pg_array_number(&arrays[DEVICE], events[i].device);
        put_text(&arrays[SOURCE], events[i].source);
        put_text(&arrays[DETAIL], events[i].detail);
    }
}

static void send_trim(struct pg_pipeline *pipeline, bool authentic)
{
    struct pg_parameters parameters = {.count = 0};

    pg_boolean(&parameters, authentic);
    pg_number(&parameters, EVENTS_MAX);
    pg_pipeline_send(pipeline, PG_EVENTS_TRIM, &parameters);
}

/* A pipeline without BEGIN is one transaction. */
static int write_events(struct postgres *pg, const struct pg_parameters *parameters, struct failure *failure)
{
    static const enum pg_statement used[] = {PG_EVENTS_ADD, PG_EVENTS_TRIM};
    struct pg_pipeline pipeline;

    if (pg_prepare(pg, used, sizeof(used) / sizeof(used[0]), write_it, failure) != 0 ||
        pg_pipeline_begin(&pipeline, pg, write_it, failure) != 0)
        return -1;
    pg_pipeline_send(&pipeline, PG_EVENTS_ADD, parameters);
    send_trim(&pipeline, true);
    send_trim(&pipeline, false);
    return pg_pipeline_end(&pipeline, NULL, NULL);
}

int postgres_events_add(struct store *store, const struct event_row *events, size_t count,
                        struct failure *failure)
{
    struct pg_array arrays[COLUMNS] = {0};
    struct pg_parameters parameters = {.count = 0};
    int result = 0;

    if (count == 0)
        return 0;
    gather(arrays, events, count);
    for (int i = 0; i < COLUMNS && result == 0; i++)
        result = pg_array_add(&parameters, &arrays[i], failure);
    if (result == 0)
        result = write_events(postgres_of(store), &parameters, failure);
    for (int i = 0; i < COLUMNS; i++)
        pg_array_wipe(&arrays[i]);
    return result;
}

/* ---- reading back ---- */

/* Where a listing stands: the key of the last event. */
struct cursor {
    int64_t time; /* as the column has it */
    bool authentic;
    int64_t id;
};

static bool begin_selection(struct pg_parameters *parameters, const struct event_filter *filter)
{
    pg_text(parameters, filter->kind);
    pg_text(parameters, filter->device);
    return (filter->kind == NULL || pg_is_text(filter->kind, strlen(filter->kind))) &&
           (filter->device == NULL || pg_is_text(filter->device, strlen(filter->device)));
}

/* Finds the oldest of the newest `limit`: events begin behind the cursor. 1, or 0 where there can be none. */
static int find_start(struct postgres *pg, const struct event_filter *filter, struct cursor *cursor,
                      struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    *cursor = (struct cursor){.time = INT64_MIN, .id = INT64_MIN};
    if (!begin_selection(&parameters, filter))
        return 0;
    if (filter->limit < 0)
        return 1;
    pg_number(&parameters, filter->limit - 1);
    PGresult *result = pg_read(pg, PG_EVENTS_START, &parameters, "read events", failure);
    if (result == NULL)
        return -1;
    if (PQntuples(result) > 0)
        *cursor = (struct cursor){pg_get_number(result, 0, 0), pg_get_boolean(result, 0, 1),
                                  pg_get_number(result, 0, 2) - 1};
    PQclear(result);
    return 1;
}

static int64_t time_of(int64_t column)
{
    if (column == PG_BEFORE_ALL || column == INT64_MAX)
        return column;
    return column + PG_EPOCH;
}

/* 1 there may be more, 0 that was all, or the visitor has had enough. */
static int visit_page(const PGresult *result, struct cursor *cursor, int64_t *left, event_visitor *visit,
                      void *context)
{
    for (int i = 0; i < PQntuples(result); i++) {
        cursor->time = pg_get_number(result, i, 0);
        cursor->authentic = pg_get_boolean(result, i, 1);
        cursor->id = pg_get_number(result, i, 2);
        struct event_row row = {
            .time = time_of(cursor->time),
            .kind = PQgetvalue(result, i, 3),
            .device = pg_get_number(result, i, 4),
            .device_name = PQgetvalue(result, i, 5),
            .source = PQgetvalue(result, i, 6),
            .detail = PQgetvalue(result, i, 7),
            .authentic = cursor->authentic,
        };
        if (*left == 0 || visit(context, &row) != 0)
            return 0;
        (*left)--;
    }
    return PQntuples(result) > 0;
}

int postgres_events_each(struct store *store, const struct event_filter *filter, event_visitor *visit,
                         void *context, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    int64_t left = filter->limit;
    struct cursor cursor;
    int going = filter->limit == 0 ? 0 : find_start(pg, filter, &cursor, failure);

    while (going > 0) {
        struct pg_parameters parameters = {.count = 0};
        (void)begin_selection(&parameters, filter);
        pg_number(&parameters, cursor.time);
        pg_boolean(&parameters, cursor.authentic);
        pg_number(&parameters, cursor.id);
        PGresult *result = pg_read(pg, PG_EVENTS_AFTER, &parameters, "read events", failure);
        going = result == NULL ? -1 : visit_page(result, &cursor, &left, visit, context);
        PQclear(result);
    }
    return going;
}
