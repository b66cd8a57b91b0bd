/* Readings, read back: a page at a time, so that neither side holds all of it. */
#include "gateway/store/postgres/postgres.h"

#include <string.h>

#include "gateway/store/postgres/listing.h"

/* ---- rows ---- */

static void read_bytes(const PGresult *result, int at, int column, const char **bytes, size_t *len)
{
    *bytes = PQgetvalue(result, at, column);
    *len = (size_t)PQgetlength(result, at, column);
}

/* As it came where that is no text for PostgreSQL, else as the text. */
static void read_name(const PGresult *result, int at, int text, int bytes, const char **name, size_t *len)
{
    read_bytes(result, at, PQgetisnull(result, at, bytes) ? text : bytes, name, len);
}

enum {
    TIME,
    TX,
    K,
    EARLY,
    RECEIVED,
    PIV,
    NUMBER,
    WHOLE,
    TEXT,
    DATA,
    DEVICE,
    NAME,
    UNIT,
    TYPE,
    FORMAT,
    NAME_BYTES,
    UNIT_BYTES
};

static void read_value(const PGresult *result, int at, struct reading *reading)
{
    const char *bytes;

    switch (reading->type) {
    case READING_REAL:
    case READING_SUM:
        reading->value.real = pg_get_real(result, at, NUMBER);
        break;
    case READING_INTEGER:
    case READING_BOOLEAN:
        reading->value.integer = pg_get_number(result, at, WHOLE);
        break;
    default:
        read_bytes(result, at, PQgetisnull(result, at, TEXT) ? DATA : TEXT, &bytes,
                   &reading->value.bytes.len);
        reading->value.bytes.at = (const uint8_t *)bytes;
        break;
    }
}

int postgres_show(struct postgres *pg, const PGresult *result, int at, reading_visitor *visit, void *context,
                  struct failure *failure)
{
    int type = series_type_parse(PQgetvalue(result, at, TYPE), (size_t)PQgetlength(result, at, TYPE));
    struct reading_row row = {
        .device = PQgetvalue(result, at, DEVICE),
        .received = pg_micros(pg_get_number(result, at, RECEIVED)),
        .seq = (uint64_t)pg_get_number(result, at, PIV),
    };

    if (type < 0)
        return fail(failure, "a series' row is damaged; see docs/gateway.md, Damage (%s)", pg->label);
    row.reading.type = (enum reading_type)type;
    row.reading.format = (uint16_t)pg_get_number(result, at, FORMAT);
    row.reading.time = PQgetisnull(result, at, EARLY) ? pg_micros(pg_get_number(result, at, TIME))
                                                      : pg_get_number(result, at, EARLY);
    read_name(result, at, NAME, NAME_BYTES, &row.reading.name, &row.reading.name_len);
    read_name(result, at, UNIT, UNIT_BYTES, &row.reading.unit, &row.reading.unit_len);
    read_value(result, at, &row.reading);
    return visit(context, &row) == 0;
}

/* ---- selections ---- */

bool postgres_selection(struct pg_parameters *parameters, const struct reading_filter *filter)
{
    pg_text(parameters, filter->device);
    pg_text(parameters, filter->name);
    return (filter->device == NULL || pg_is_text(filter->device, strlen(filter->device))) &&
           (filter->name == NULL || pg_is_text(filter->name, strlen(filter->name)));
}

/* Narrows since and until to the hours that the selected series have readings in: 1, or 0 if there are none.
 */
static int narrow(struct postgres *pg, struct reading_filter *filter, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    if (!postgres_selection(&parameters, filter))
        return 0;
    PGresult *result = pg_read(pg, PG_SERIES_RANGE, &parameters, "read readings", failure);
    if (result == NULL)
        return -1;
    bool found = !PQgetisnull(result, 0, 0);
    int64_t first = pg_get_number(result, 0, 0);
    int64_t last = pg_get_number(result, 0, 1);
    PQclear(result);
    filter->since = first > filter->since ? first : filter->since;
    filter->until = last < filter->until ? last : filter->until;
    return found;
}

/* Where a listing stands: the key of the last row, as the columns have it. */
struct cursor {
    int64_t time;
    int64_t tx;
    int64_t k;
};

/* Finds the oldest of the newest `limit`: readings begin behind the cursor. */
static int find_start(struct postgres *pg, const struct reading_filter *filter, struct cursor *cursor,
                      struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    *cursor = (struct cursor){.time = pg_time_of(filter->since), .tx = -1, .k = -1};
    if (filter->limit < 0)
        return 0;
    (void)postgres_selection(&parameters, filter);
    pg_number(&parameters, pg_time_of(filter->since));
    pg_number(&parameters, pg_time_of(filter->until));
    pg_number(&parameters, filter->limit - 1);
    PGresult *result = pg_read(pg, PG_POINTS_START, &parameters, "read readings", failure);
    if (result == NULL)
        return -1;
    if (PQntuples(result) > 0)
        *cursor = (struct cursor){pg_get_number(result, 0, 0), pg_get_number(result, 0, 1),
                                  pg_get_number(result, 0, 2) - 1};
    PQclear(result);
    return 0;
}

static PGresult *read_page(struct postgres *pg, const struct reading_filter *filter,
                           const struct postgres_view *view, const struct cursor *cursor,
                           struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};

    (void)postgres_selection(&parameters, filter);
    pg_number(&parameters, cursor->time);
    pg_number(&parameters, pg_time_of(filter->until));
    pg_number(&parameters, cursor->tx);
    pg_number(&parameters, cursor->k);
    if (view == NULL)
        return pg_read(pg, PG_POINTS_PAGE, &parameters, "read readings", failure);
    pg_text(&parameters, view->snapshot);
    pg_number(&parameters, view->begun);
    return pg_read(pg, PG_POINTS_PAGE_SEEN, &parameters, "read readings", failure);
}

/* At most `*left` rows, though more may have come meanwhile. 1 there may be more, 0 that was all. */
static int visit_page(struct postgres *pg, const PGresult *result, struct cursor *cursor, int64_t *left,
                      reading_visitor *visit, void *context, struct failure *failure)
{
    for (int i = 0; i < PQntuples(result); i++) {
        int going = (*left)-- == 0 ? 0 : postgres_show(pg, result, i, visit, context, failure);
        if (going <= 0)
            return going;
        *cursor = (struct cursor){pg_get_number(result, i, TIME), pg_get_number(result, i, TX),
                                  pg_get_number(result, i, K)};
    }
    return PQntuples(result) > 0;
}

int postgres_list(struct postgres *pg, const struct reading_filter *filter, const struct postgres_view *view,
                  reading_visitor *visit, void *context, struct failure *failure)
{
    struct reading_filter narrowed = *filter;
    int64_t left = filter->limit;
    struct cursor cursor;
    int going = filter->limit == 0 ? 0 : narrow(pg, &narrowed, failure);

    if (going > 0 && find_start(pg, &narrowed, &cursor, failure) != 0)
        going = -1;
    while (going > 0) {
        PGresult *result = read_page(pg, &narrowed, view, &cursor, failure);
        going = result == NULL ? -1 : visit_page(pg, result, &cursor, &left, visit, context, failure);
        PQclear(result);
    }
    return going;
}

int postgres_readings_each(struct store *store, const struct reading_filter *filter, reading_visitor *visit,
                           void *context, struct failure *failure)
{
    return postgres_list(postgres_of(store), filter, NULL, visit, context, failure);
}
