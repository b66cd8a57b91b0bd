/*
 * Everything, read out and written in (transfer.h): a query whose rows are taken one after the other as they
 * come, and COPY in its binary form.
 */
#include "gateway/store/postgres.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/store/series_digest.h"

#define SQL_MAX   1024
#define HAS_SINKS (POSTGRES_SCHEMA >= 3) /* they came with that version */

static const char reading_out[] = "read the database";
static const char writing_in[] = "write what arrives";

/* ---- statements ---- */

/*
 * Where it is not the table's columns as they are. Points have their value in one of the columns from the
 * sixth on; behind these stands whether bytes are a text. Times before all stand in one place of the index,
 * and are sorted there by what they are.
 */
static const char *const selects[TRANSFER_TABLES] = {
    [TRANSFER_META] = "SELECT name, value FROM meta WHERE name NOT IN ('challenge', 'arriving', 'leaving')"
                      " ORDER BY name",
    [TRANSFER_SERIES] = "SELECT id, device, coalesce(name_bytes, convert_to(name, 'UTF8')),"
                        " coalesce(unit_bytes, convert_to(unit, 'UTF8')), type, format, device_name, first,"
                        " last FROM series WHERE id >= $1::bigint ORDER BY id",
    [TRANSFER_POINTS] =
        "SELECT p.time, p.early, p.series, p.piv, p.received, p.number, p.whole, p.text, p.data,"
        " CASE WHEN p.data IS NOT NULL THEN (SELECT s.type = 'text' FROM series s WHERE s.id = p.series) END"
        " FROM points p WHERE p.time >= $1::timestamptz ORDER BY p.time, p.early, p.tx, p.k",
    [TRANSFER_NUMBERS] =
        "SELECT name, value FROM (SELECT name, value FROM numbers WHERE name IN ('floor', 'issued_t')"
        " UNION ALL SELECT 'last_devices', CASE WHEN is_called THEN last_value ELSE 0 END FROM devices_id_seq"
        " UNION ALL SELECT 'last_series', CASE WHEN is_called THEN last_value ELSE 0 END FROM series_id_seq"
        " UNION ALL SELECT 'last_session_ids', CASE WHEN is_called THEN last_value ELSE 0 END"
        " FROM session_ids_n_seq"
        " UNION ALL SELECT 'last_wires', CASE WHEN is_called THEN last_value ELSE 0 END FROM wires_id_seq) n"
        " ORDER BY name COLLATE \"C\"",
};

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

static const int all_binary[PG_PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* ---- one statement ---- */

static PGresult *execute(struct postgres *pg, const char *sql, const struct pg_parameters *parameters,
                         const char *what, struct failure *failure)
{
    static const struct pg_parameters none;

    if (parameters == NULL)
        parameters = &none;
    PGresult *result = PQexecParams(pg->conn, sql, parameters->count, NULL, parameters->values,
                                    parameters->lengths, all_binary, 1);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN)
        return result;
    postgres_fail(pg, result, what, failure);
    PQclear(result);
    return NULL;
}

static int run(struct postgres *pg, const char *sql, const struct pg_parameters *parameters, const char *what,
               struct failure *failure)
{
    PGresult *result = execute(pg, sql, parameters, what, failure);

    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* ---- out ---- */

/* What is still coming is called off. */
static void stop_reading(struct postgres *pg)
{
    PGresult *result;

    PQclear(pg->transfer.waits);
    pg->transfer.waits = NULL;
    if (!pg->transfer.coming)
        return;
    pg->transfer.coming = false;
    PGcancel *cancel = PQgetCancel(pg->conn);
    char unused[256];
    if (cancel != NULL)
        (void)PQcancel(cancel, unused, sizeof(unused));
    PQfreeCancel(cancel);
    while ((result = PQgetResult(pg->conn)) != NULL)
        PQclear(result);
}

/* A column that is a yes or no here. */
static bool is_boolean(enum transfer_table table, size_t column)
{
    static const struct {
        enum transfer_table table;
        const char *name;
    } booleans[] = {
        {TRANSFER_DEVICES, "revoked"}, {TRANSFER_CONTEXTS, "proven"}, {TRANSFER_EVENTS, "authentic"}};

    for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++)
        if (booleans[i].table == table &&
            strcmp(booleans[i].name, transfer_shapes[table].columns[column].name) == 0)
            return true;
    return false;
}

static bool is_time(enum transfer_table table, size_t column)
{
    return table == TRANSFER_EVENTS && strcmp(transfer_shapes[table].columns[column].name, "time") == 0;
}

static void make_select(char sql[SQL_MAX], enum transfer_table table, bool behind)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    char columns[SQL_MAX / 2], keys[SQL_MAX / 8];

    transfer_names(columns, sizeof(columns), table, shape->count, "");
    transfer_names(keys, sizeof(keys), table, shape->keys, "");
    snprintf(sql, SQL_MAX, "SELECT %s FROM %s%s%s%s ORDER BY %s", columns, shape->name,
             behind ? " WHERE (" : "", behind ? keys : "",
             !behind            ? ""
             : shape->keys == 1 ? ") >= ($1)"
                                : ") >= ($1, $2)",
             keys);
}

static void add_key(struct pg_parameters *parameters, enum transfer_table table,
                    const struct transfer_key *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct transfer_cell *cell = &from->cells[i];
        if (cell->kind != TRANSFER_INTEGER)
            pg_bytes(parameters, cell->value.bytes.at, cell->value.bytes.len);
        else if (is_boolean(table, i))
            pg_boolean(parameters, cell->value.integer != 0);
        else
            pg_number(parameters, cell->value.integer);
    }
}

static int transfer_read(struct store *store, enum transfer_table table, const struct transfer_key *from,
                         struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};
    bool behind = from != NULL && from->count > 0;
    char made[SQL_MAX];

    stop_reading(pg);
    if (selects[table] == NULL)
        make_select(made, table, behind);
    if (table == TRANSFER_POINTS)
        pg_number(&parameters,
                  behind ? pg_point_time(pg, from->cells[POINT_TIME].value.integer) : PG_BEFORE_ALL);
    else if (table == TRANSFER_SERIES)
        pg_number(&parameters, behind ? from->cells[0].value.integer : INT64_MIN);
    else if (selects[table] == NULL && behind)
        add_key(&parameters, table, from);
    if (PQsendQueryParams(pg->conn, selects[table] == NULL ? made : selects[table], parameters.count, NULL,
                          parameters.values, parameters.lengths, all_binary, 1) != 1)
        return postgres_fail(pg, NULL, reading_out, failure);
    pg->transfer.coming = true;
    pg->transfer.table = table;
    return PQsetSingleRowMode(pg->conn) == 1 ? 0 : postgres_fail(pg, NULL, reading_out, failure);
}

#define TYPE_BOOL 16 /* pg_type.dat */

static void take_cell(struct transfer_rows *rows, struct transfer_cell *cell, enum transfer_kind kind,
                      const PGresult *result, int column)
{
    Oid type = PQftype(result, column);

    if (PQgetisnull(result, 0, column))
        return;
    if (type == TYPE_BOOL)
        transfer_set_number(cell, pg_get_boolean(result, 0, column));
    else if (type == PG_TIMESTAMPTZ)
        transfer_set_number(cell, pg_micros(pg_get_number(result, 0, column)));
    else if (kind == TRANSFER_INTEGER)
        transfer_set_number(cell, pg_get_number(result, 0, column));
    else
        transfer_set_bytes(rows, cell, kind, PQgetvalue(result, 0, column),
                           (size_t)PQgetlength(result, 0, column));
}

/* Columns of the query for points that differ from the table's. */
enum { Q_EARLY = 1, Q_NUMBER = 5, Q_WHOLE, Q_TEXT, Q_DATA, Q_IS_TEXT };

static void take_point(struct transfer_rows *rows, struct transfer_cell *cells, const PGresult *result)
{
    enum transfer_kind bytes = pg_get_boolean(result, 0, Q_IS_TEXT) ? TRANSFER_TEXT : TRANSFER_BYTES;

    for (int i = POINT_TIME; i < POINT_VALUE; i++)
        if (i != POINT_PLACE)
            take_cell(rows, &cells[i], TRANSFER_INTEGER, result, i);
    transfer_set_number(&cells[POINT_PLACE], 0);
    take_cell(rows, &cells[POINT_TIME], TRANSFER_INTEGER, result,
              PQgetisnull(result, 0, Q_EARLY) ? POINT_TIME : Q_EARLY);
    if (!PQgetisnull(result, 0, Q_NUMBER))
        transfer_set_real(&cells[POINT_VALUE], pg_get_real(result, 0, Q_NUMBER));
    else if (!PQgetisnull(result, 0, Q_WHOLE))
        transfer_set_number(&cells[POINT_VALUE], pg_get_number(result, 0, Q_WHOLE));
    else if (!PQgetisnull(result, 0, Q_TEXT))
        take_cell(rows, &cells[POINT_VALUE], TRANSFER_TEXT, result, Q_TEXT);
    else
        take_cell(rows, &cells[POINT_VALUE], bytes, result, Q_DATA);
}

/* Takes the row: 1, or 0 if it does not fit any more. */
static int take_row(struct transfer_rows *rows, const PGresult *result, struct failure *failure)
{
    const struct transfer_shape *shape = &transfer_shapes[rows->table];
    struct transfer_cell *cells;
    size_t len = 0;

    for (int i = 0; i < PQnfields(result); i++)
        len += (size_t)PQgetlength(result, 0, i);
    int fits = transfer_rows_add(rows, len, &cells, failure);
    if (fits <= 0)
        return fits;
    if (rows->table == TRANSFER_POINTS)
        take_point(rows, cells, result);
    else
        for (size_t i = 0; i < shape->count; i++)
            take_cell(rows, &cells[i], shape->columns[i].kind, result, (int)i);
    return 1;
}

/* The next row; NULL when there are no more, or with the failure (then *result is -1). */
static PGresult *next_row(struct postgres *pg, int *result, struct failure *failure)
{
    PGresult *row = pg->transfer.waits;

    pg->transfer.waits = NULL;
    if (row == NULL && pg->transfer.coming)
        row = PQgetResult(pg->conn);
    if (row == NULL || PQresultStatus(row) == PGRES_SINGLE_TUPLE)
        return row;
    if (PQresultStatus(row) != PGRES_TUPLES_OK)
        *result = postgres_fail(pg, row, reading_out, failure);
    PQclear(row);
    while ((row = PQgetResult(pg->conn)) != NULL)
        PQclear(row);
    pg->transfer.coming = false;
    return NULL;
}

static int transfer_next(struct store *store, struct transfer_rows *rows, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    PGresult *row;
    int result = 1;

    transfer_rows_begin(rows, pg->transfer.table);
    while (result > 0 && (row = next_row(pg, &result, failure)) != NULL) {
        result = take_row(rows, row, failure);
        if (result == 0)
            pg->transfer.waits = row;
        else
            PQclear(row);
    }
    return result < 0 ? -1 : rows->count > 0;
}

static int transfer_count(struct store *store, enum transfer_table table, int64_t *rows,
                          struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    char sql[2 * SQL_MAX];

    if (table == TRANSFER_META || table == TRANSFER_NUMBERS)
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM (%s) c", selects[table]);
    else
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", transfer_shapes[table].name);
    PGresult *result = execute(pg, sql, NULL, reading_out, failure);
    if (result == NULL)
        return -1;
    *rows = pg_get_number(result, 0, 0);
    PQclear(result);
    return 0;
}

/* ---- in: COPY's binary form ---- */

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
        if (is_boolean(table, column))
            put_number(copy, cell->value.integer != 0, 1);
        else
            put_number(copy, is_time(table, column) ? pg_time_of(cell->value.integer) : cell->value.integer,
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
        result = postgres_fail(pg, NULL, writing_in, failure);
    while ((answer = PQgetResult(pg->conn)) != NULL) {
        if (PQresultStatus(answer) != PGRES_COMMAND_OK && result == 0)
            result = postgres_fail(pg, answer, writing_in, failure);
        PQclear(answer);
        if (!postgres_is_connected(pg))
            break;
    }
    return copy->failed ? fail(failure, "cannot %s: no memory is left", writing_in) : result;
}

static void make_copy(char sql[SQL_MAX], enum transfer_table table)
{
    char columns[SQL_MAX / 2];

    transfer_names(columns, sizeof(columns), table, transfer_shapes[table].count, "");
    snprintf(sql, SQL_MAX, "COPY %s (%s%s) FROM STDIN (FORMAT binary)", transfer_shapes[table].name,
             table == TRANSFER_POINTS ? "time, tx, series, piv, received, early, k, number, whole, text, data"
                                      : columns,
             table == TRANSFER_SERIES ? ", name_bytes, unit_bytes, key" : "");
}

static int copy_in(struct postgres *pg, const struct transfer_rows *rows, struct failure *failure)
{
    struct copy copy = {.pg = pg};
    char sql[SQL_MAX];

    make_copy(sql, rows->table);
    PGresult *begun = execute(pg, sql, NULL, writing_in, failure);
    if (begun == NULL)
        return -1;
    PQclear(begun);
    int result = copy_finish(&copy, copy_rows(&copy, rows), failure);
    free(copy.at);
    return result;
}

/* ---- in: what needs more ---- */

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
            return row[1].value.integer > 0 ? run(pg, sequences[i].raise, &value, writing_in, failure) : 0;
    pg_bytes(&both, row[0].value.bytes.at, row[0].value.bytes.len);
    pg_number(&both, row[1].value.integer);
    return run(pg, raise_number, &both, writing_in, failure);
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
    result = execute(pg, "SELECT pg_current_xact_id()::text::bigint", NULL, writing_in, failure);
    if (result == NULL)
        return -1;
    pg->transfer.tx = pg_get_number(result, 0, 0);
    PQclear(result);
    return 0;
}

static int transfer_write(struct store *store, const struct transfer_rows *rows, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    if (rows->table == TRANSFER_NUMBERS)
        return write_numbers(pg, rows, failure);
    if (rows->table == TRANSFER_POINTS && know_transaction(pg, failure) != 0)
        return -1;
    if (copy_in(pg, rows, failure) != 0)
        return -1;
    return afterwards[rows->table] == NULL ? 0 : run(pg, afterwards[rows->table], NULL, writing_in, failure);
}

/* F, T and the ids that were given out stay; who has ids of series in a cache forgets them. Whoever reads the
 * tables is waited for. */
static int transfer_clear(struct store *store, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    char sql[SQL_MAX] = "TRUNCATE meta";
    size_t used = strlen(sql);

    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++)
        if (table != TRANSFER_META && table != TRANSFER_NUMBERS &&
            (postgres_transfer.without >> table & 1) == 0)
            used += (size_t)snprintf(sql + used, sizeof(sql) - used, ", %s", transfer_shapes[table].name);
    if (run(pg, "SET LOCAL lock_timeout = 30000", NULL, writing_in, failure) != 0 ||
        run(pg, sql, NULL, "delete what is there", failure) != 0 ||
        (HAS_SINKS &&
         run(pg, "UPDATE outbox_end SET n = 0, points = 0, bytes = 0", NULL, writing_in, failure) != 0))
        return -1;
    return run(pg,
               "UPDATE numbers SET value = value + 1 WHERE name IN ('generation', 'series_gone', 'wires')",
               NULL, writing_in, failure);
}

static int transfer_note(struct store *store, const char *name, const void *value, size_t len,
                         struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    struct pg_parameters parameters = {.count = 0};

    pg_text(&parameters, name);
    if (value == NULL)
        return run(pg, "DELETE FROM meta WHERE name = $1::text", &parameters, writing_in, failure);
    pg_bytes(&parameters, value, len);
    return run(pg,
               "INSERT INTO meta (name, value) VALUES ($1::text, $2::bytea)"
               " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
               &parameters, writing_in, failure);
}

/* ---- transactions ---- */

/* What reads out waits for what writes in, and the other way round. */
static int transfer_begin(struct store *store, enum transfer_direction direction, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    const char *what = direction == TRANSFER_OUT ? reading_out : writing_in;

    pg->transfer.tx = 0;
    pg->transfer.early = 1;
    if (postgres_connect(pg, failure) != 0)
        return -1;
    if (run(pg,
            direction == TRANSFER_OUT ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                      : "BEGIN ISOLATION LEVEL READ COMMITTED",
            NULL, what, failure) == 0 &&
        run(pg, "SET LOCAL idle_in_transaction_session_timeout = 0", NULL, what, failure) == 0 &&
        run(pg, "SET LOCAL statement_timeout = 0", NULL, what, failure) == 0)
        return 0;
    pg_rollback(pg);
    return -1;
}

static int transfer_end(struct store *store, int result, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    stop_reading(pg);
    series_cache_forget(&pg->series);
    return pg_end(pg, result, writing_in, failure);
}

const struct transfer_ops postgres_transfer = {
    .without = HAS_SINKS ? 0 : 1u << TRANSFER_OUTBOX | 1u << TRANSFER_SINKS,
    .text_is_utf8 = true,
    .begin = transfer_begin,
    .end = transfer_end,
    .count = transfer_count,
    .read = transfer_read,
    .next = transfer_next,
    .write = transfer_write,
    .clear = transfer_clear,
    .note = transfer_note,
};
