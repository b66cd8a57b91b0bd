/*
 * What arrives (transfer.h), by COPY in its binary form.
 */
#include "gateway/store/postgres/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/store/series_digest.h"

/* ---- statements ---- */

/* The sequences that ids come from, by the column. */
static const struct {
    const char *name;  /* of the number */
    const char *raise; /* to $1 */
} sequences[] = {
#define RAISE(sequence)                                                                                      \
    "SELECT setval('" sequence "', $1::bigint) FROM " sequence                                               \
    " WHERE last_value < $1::bigint OR (NOT is_called AND last_value <= $1::bigint)"
    {"last_devices", RAISE("devices_id_seq")},
    {"last_series", RAISE("series_id_seq")},
    {"last_session_ids", RAISE("session_ids_n_seq")},
    {"last_wires", RAISE("wires_id_seq")},
};

static const char raise_number[] = "UPDATE numbers SET value = greatest(value, $2::bigint)"
                                   " WHERE name = $1::text";
/* What follows from rows that were entered as they were. */
static const char raise_events[] =
    "SELECT setval(s.name::regclass, s.value) FROM (SELECT CASE WHEN authentic THEN 'events_authentic'"
    " ELSE 'events_other' END AS name, max(id) AS value FROM events GROUP BY authentic) s"
    " WHERE s.value > (SELECT CASE WHEN q.is_called THEN q.last_value ELSE 0 END FROM"
    " (SELECT 'events_authentic' AS name, last_value, is_called FROM events_authentic"
    " UNION ALL SELECT 'events_other', last_value, is_called FROM events_other) q WHERE q.name = s.name)";

static const char raise_outbox[] =
    "UPDATE outbox_end e SET n = o.n, points = o.all_points, bytes = o.all_bytes"
    " FROM (SELECT n, all_points, all_bytes FROM outbox ORDER BY n DESC LIMIT 1) o WHERE o.n > e.n";
static const char raise_sinks[] =
    "UPDATE outbox_end e SET n = s.n, points = s.points, bytes = s.bytes"
    " FROM (SELECT n, points, bytes FROM sinks ORDER BY n DESC LIMIT 1) s WHERE s.n > e.n";

static const char *const afterwards[TRANSFER_TABLES] = {
    [TRANSFER_EVENTS] = raise_events,
    [TRANSFER_OUTBOX] = raise_outbox,
    [TRANSFER_SINKS] = raise_sinks,
};

/* ---- COPY's binary form ---- */

struct copy {
    struct postgres *pg;
    uint8_t *at;
    size_t used;
    size_t room;
    bool failed; /* no memory */
};

#define COPY_PART (64u * 1024) /* bytes that are sent together */

static uint8_t *copy_room(struct copy *copy, size_t len)
{
    if (copy->room - copy->used < len) {
        size_t room = (copy->used + len) * 2;
        uint8_t *at = copy->failed ? NULL : realloc(copy->at, room);
        if (at == NULL) {
            copy->failed = true;
            return NULL;
        }
        copy->at = at;
        copy->room = room;
    }
    uint8_t *place = copy->at + copy->used;
    copy->used += len;
    return place;
}

static void put_bits(struct copy *copy, uint64_t value, size_t bytes)
{
    uint8_t *at = copy_room(copy, bytes);

    for (size_t i = 0; at != NULL && i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void put_bytes(struct copy *copy, const void *bytes, size_t len)
{
    put_bits(copy, len, 4);
    uint8_t *at = copy_room(copy, len);
    if (at != NULL && len > 0)
        memcpy(at, bytes, len);
}

static void put_number(struct copy *copy, int64_t value, size_t size)
{
    put_bits(copy, size, 4);
    put_bits(copy, (uint64_t)value, size);
}

static void put_real(struct copy *copy, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put_number(copy, (int64_t)bits, 8);
}

static void put_null(struct copy *copy)
{
    put_bits(copy, UINT32_MAX, 4);
}

static void put_cell(struct copy *copy, enum transfer_table table, size_t column,
                     const struct transfer_cell *cell)
{
    switch (cell->kind) {
    case TRANSFER_INTEGER:
        if (pg_transfer_is_boolean(table, column))
            put_number(copy, cell->value.integer != 0, 1);
        else
            put_number(copy,
                       pg_transfer_is_time(table, column) ? pg_time_of(cell->value.integer)
                                                          : cell->value.integer,
                       8);
        break;
    case TRANSFER_REAL:
        put_real(copy, cell->value.real);
        break;
    case TRANSFER_NULL:
        put_null(copy);
        break;
    default:
        put_bytes(copy, cell->value.bytes.at, cell->value.bytes.len);
        break;
    }
}

/* Text that the database cannot take as such stands as bytes, and as it can be shown. */
static void put_name(struct copy *copy, const struct transfer_cell *cell, bool as_bytes)
{
    bool is_text = pg_is_text((const char *)cell->value.bytes.at, cell->value.bytes.len);

    if (as_bytes && is_text) {
        put_null(copy);
        return;
    }
    put_bytes(copy, cell->value.bytes.at, cell->value.bytes.len);
    if (!as_bytes && !is_text && !copy->failed)
        postgres_show_bytes((char *)copy->at + copy->used - cell->value.bytes.len, cell->value.bytes.len);
}

static void put_series(struct copy *copy, const struct transfer_cell *row)
{
    enum { ID, DEVICE, NAME, UNIT, TYPE, FORMAT, DEVICE_NAME, FIRST, LAST };
    const struct transfer_cell *name = &row[NAME], *unit = &row[UNIT], *type = &row[TYPE];
    uint8_t digest[SERIES_DIGEST];

    struct series_key key = {
        .name = (const char *)name->value.bytes.at,
        .unit = (const char *)unit->value.bytes.at,
        .name_len = name->value.bytes.len,
        .unit_len = unit->value.bytes.len,
        .format = (uint16_t)row[FORMAT].value.integer,
    };

    if (!series_digest(&key, (const char *)type->value.bytes.at, type->value.bytes.len, digest))
        copy->failed = true;
    put_bits(copy, 12, 2);
    for (size_t i = ID; i <= LAST; i++) {
        if (i == NAME || i == UNIT)
            put_name(copy, &row[i], false);
        else
            put_cell(copy, TRANSFER_SERIES, i, &row[i]);
    }
    put_name(copy, name, true);
    put_name(copy, unit, true);
    put_bytes(copy, digest, sizeof(digest));
}

static void put_value(struct copy *copy, const struct transfer_cell *cell)
{
    enum { NUMBER, WHOLE, TEXT, DATA, VALUES };
    int column = DATA;

    if (cell->kind == TRANSFER_REAL)
        column = NUMBER;
    else if (cell->kind == TRANSFER_INTEGER)
        column = WHOLE;
    else if (cell->kind == TRANSFER_TEXT &&
             pg_is_text((const char *)cell->value.bytes.at, cell->value.bytes.len))
        column = TEXT;
    for (int i = NUMBER; i < VALUES; i++)
        if (i == column)
            put_cell(copy, TRANSFER_POINTS, POINT_VALUE, cell);
        else
            put_null(copy);
}

static void put_point(struct copy *copy, const struct transfer_cell *row)
{
    int64_t time = row[POINT_TIME].value.integer;

    put_bits(copy, 11, 2);
    put_number(copy, pg_point_time(copy->pg, time), 8);
    put_number(copy, copy->pg->transfer.tx, 8);
    put_cell(copy, TRANSFER_POINTS, POINT_SERIES, &row[POINT_SERIES]);
    put_cell(copy, TRANSFER_POINTS, POINT_PIV, &row[POINT_PIV]);
    put_number(copy, pg_time_of(row[POINT_RECEIVED].value.integer), 8);
    if (pg_is_early(copy->pg, time))
        put_number(copy, time, 8);
    else
        put_null(copy);
    /* In one transaction it tells apart those of one time, which is the same for all that are early. */
    put_number(copy,
               pg_is_early(copy->pg, time) ? copy->pg->transfer.early++ : row[POINT_PLACE].value.integer + 1,
               4);
    put_value(copy, &row[POINT_VALUE]);
}

static void put_row(struct copy *copy, const struct transfer_rows *rows, size_t i)
{
    const struct transfer_cell *row = transfer_row(rows, i);
    size_t count = transfer_shapes[rows->table].count;

    if (rows->table == TRANSFER_POINTS) {
        put_point(copy, row);
    } else if (rows->table == TRANSFER_SERIES) {
        put_series(copy, row);
    } else {
        put_bits(copy, count, 2);
        for (size_t column = 0; column < count; column++)
            put_cell(copy, rows->table, column, &row[column]);
    }
}

static bool copy_send(struct copy *copy)
{
    bool good = !copy->failed && PQputCopyData(copy->pg->conn, (const char *)copy->at, (int)copy->used) == 1;

    copy->used = 0;
    return good;
}

/* A row larger than what COPY takes at once cannot be: its values are bounded where they come in. */
static bool copy_rows(struct copy *copy, const struct transfer_rows *rows)
{
    static const char head[] =
        "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* and its last zero: no flags, no extension */
    uint8_t *at = copy_room(copy, sizeof(head));
    bool good = at != NULL;

    if (good)
        memcpy(at, head, sizeof(head));
    for (size_t i = 0; good && i < rows->count; i++) {
        put_row(copy, rows, i);
        if (copy->used >= COPY_PART)
            good = copy_send(copy);
    }
    put_bits(copy, UINT16_MAX, 2);
    return good && copy_send(copy);
}

/* What the server says to it; called when all was sent, or sending has failed. */
static int copy_finish(struct copy *copy, bool sent, struct failure *failure)
{
    struct postgres *pg = copy->pg;
    int result = 0;
    PGresult *answer;

    if (PQputCopyEnd(pg->conn, sent ? NULL : "stopped") != 1)
        result = postgres_fail(pg, NULL, pg_writing_in, failure);
    while ((answer = PQgetResult(pg->conn)) != NULL) {
        if (PQresultStatus(answer) != PGRES_COMMAND_OK && result == 0)
            result = postgres_fail(pg, answer, pg_writing_in, failure);
        PQclear(answer);
        if (!postgres_is_connected(pg))
            break;
    }
    return copy->failed ? fail(failure, "cannot %s: no memory is left", pg_writing_in) : result;
}

static void make_copy(char sql[PG_TRANSFER_SQL], enum transfer_table table)
{
    char columns[PG_TRANSFER_SQL / 2];

    transfer_names(columns, sizeof(columns), table, transfer_shapes[table].count, "");
    snprintf(sql, PG_TRANSFER_SQL, "COPY %s (%s%s) FROM STDIN (FORMAT binary)", transfer_shapes[table].name,
             table == TRANSFER_POINTS ? "time, tx, series, piv, received, early, k, number, whole, text, data"
                                      : columns,
             table == TRANSFER_SERIES ? ", name_bytes, unit_bytes, key" : "");
}

static int copy_in(struct postgres *pg, const struct transfer_rows *rows, struct failure *failure)
{
    struct copy copy = {.pg = pg};
    char sql[PG_TRANSFER_SQL];

    make_copy(sql, rows->table);
    PGresult *begun = pg_transfer_execute(pg, sql, NULL, pg_writing_in, failure);
    if (begun == NULL)
        return -1;
    PQclear(begun);
    int result = copy_finish(&copy, copy_rows(&copy, rows), failure);
    free(copy.at);
    return result;
}

/* ---- what needs more ---- */

static bool is_named(const struct transfer_cell *cell, const char *name)
{
    return cell->value.bytes.len == strlen(name) && memcmp(cell->value.bytes.at, name, strlen(name)) == 0;
}

/* Nothing takes a number back from a sequence: it is raised though the transaction may fail, which does no
 * harm. */
static int write_number(struct postgres *pg, const struct transfer_cell *row, struct failure *failure)
{
    struct pg_parameters value = {.count = 0}, both = {.count = 0};

    pg_number(&value, row[1].value.integer);
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
        if (is_named(&row[0], sequences[i].name))
            return row[1].value.integer > 0
                       ? pg_transfer_run(pg, sequences[i].raise, &value, pg_writing_in, failure)
                       : 0;
    pg_bytes(&both, row[0].value.bytes.at, row[0].value.bytes.len);
    pg_number(&both, row[1].value.integer);
    return pg_transfer_run(pg, raise_number, &both, pg_writing_in, failure);
}

static int write_numbers(struct postgres *pg, const struct transfer_rows *rows, struct failure *failure)
{
    int result = 0;

    for (size_t i = 0; i < rows->count && result == 0; i++)
        result = write_number(pg, transfer_row(rows, i), failure);
    return result;
}

static int know_transaction(struct postgres *pg, struct failure *failure)
{
    PGresult *result;

    if (pg->transfer.tx != 0)
        return 0;
    result =
        pg_transfer_execute(pg, "SELECT pg_current_xact_id()::text::bigint", NULL, pg_writing_in, failure);
    if (result == NULL)
        return -1;
    pg->transfer.tx = pg_get_number(result, 0, 0);
    PQclear(result);
    return 0;
}

int pg_transfer_write(struct store *store, const struct transfer_rows *rows, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (rows->table == TRANSFER_NUMBERS)
        return write_numbers(pg, rows, failure);
    if (rows->table == TRANSFER_POINTS && know_transaction(pg, failure) != 0)
        return -1;
    if (copy_in(pg, rows, failure) != 0)
        return -1;
    return afterwards[rows->table] == NULL
               ? 0
               : pg_transfer_run(pg, afterwards[rows->table], NULL, pg_writing_in, failure);
}

/* F, T and the ids that were given out stay; who has ids of series in a cache forgets them. Whoever reads the
 * tables is waited for. */
int pg_transfer_clear(struct store *store, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    char sql[PG_TRANSFER_SQL] = "TRUNCATE meta";
    size_t used = strlen(sql);

    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++)
        if (table != TRANSFER_META && table != TRANSFER_NUMBERS)
            used += (size_t)snprintf(sql + used, sizeof(sql) - used, ", %s", transfer_shapes[table].name);
    if (pg_transfer_run(pg, "SET LOCAL lock_timeout = 30000", NULL, pg_writing_in, failure) != 0 ||
        pg_transfer_run(pg, sql, NULL, "delete what is there", failure) != 0 ||
        pg_transfer_run(pg, "UPDATE outbox_end SET n = 0, points = 0, bytes = 0", NULL, pg_writing_in,
                        failure) != 0)
        return -1;
    return pg_transfer_run(
        pg, "UPDATE numbers SET value = value + 1 WHERE name IN ('generation', 'series_gone', 'wires')", NULL,
        pg_writing_in, failure);
}

int pg_transfer_note(struct store *store, const char *name, const void *value, size_t len,
                     struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    if (value == NULL)
        return pg_transfer_run(pg, "DELETE FROM meta WHERE name = $1::text", &parameters, pg_writing_in,
                               failure);
    pg_bytes(&parameters, value, len);
    return pg_transfer_run(pg,
                           "INSERT INTO meta (name, value) VALUES ($1::text, $2::bytea)"
                           " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                           &parameters, pg_writing_in, failure);
}
