/*
 * Everything, read out and written in (transfer.h): how it is read, by a query whose rows are taken one after
 * the other as they come. transfer_in.c writes.
 */
#include "gateway/store/postgres/transfer.h"

#include <stdio.h>
#include <string.h>

const char pg_reading_out[] = "read the database";
const char pg_writing_in[] = "write what arrives";

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

static const int all_binary[PG_PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* ---- one statement ---- */

PGresult *pg_transfer_execute(struct postgres *pg, const char *sql, const struct pg_parameters *parameters,
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

int pg_transfer_run(struct postgres *pg, const char *sql, const struct pg_parameters *parameters,
                    const char *what, struct failure *failure)
{
    PGresult *result = pg_transfer_execute(pg, sql, parameters, what, failure);

    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* ---- out ---- */

bool pg_transfer_is_boolean(enum transfer_table table, size_t column)
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

bool pg_transfer_is_time(enum transfer_table table, size_t column)
{
    return table == TRANSFER_EVENTS && strcmp(transfer_shapes[table].columns[column].name, "time") == 0;
}

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

static void make_select(char sql[PG_TRANSFER_SQL], enum transfer_table table, bool behind)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    char columns[PG_TRANSFER_SQL / 2], keys[PG_TRANSFER_SQL / 8];

    transfer_names(columns, sizeof(columns), table, shape->count, "");
    transfer_names(keys, sizeof(keys), table, shape->keys, "");
    snprintf(sql, PG_TRANSFER_SQL, "SELECT %s FROM %s%s%s%s ORDER BY %s", columns, shape->name,
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
        else if (pg_transfer_is_boolean(table, i))
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
    char made[PG_TRANSFER_SQL];

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
        return postgres_fail(pg, NULL, pg_reading_out, failure);
    pg->transfer.coming = true;
    pg->transfer.table = table;
    return PQsetSingleRowMode(pg->conn) == 1 ? 0 : postgres_fail(pg, NULL, pg_reading_out, failure);
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
        *result = postgres_fail(pg, row, pg_reading_out, failure);
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
    char sql[2 * PG_TRANSFER_SQL];

    if (table == TRANSFER_META || table == TRANSFER_NUMBERS)
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM (%s) c", selects[table]);
    else
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", transfer_shapes[table].name);
    PGresult *result = pg_transfer_execute(pg, sql, NULL, pg_reading_out, failure);
    if (result == NULL)
        return -1;
    *rows = pg_get_number(result, 0, 0);
    PQclear(result);
    return 0;
}

/* ---- transactions ---- */

/* What reads out waits for what writes in, and the other way round. */
static int transfer_begin(struct store *store, enum transfer_direction direction, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);
    const char *what = direction == TRANSFER_OUT ? pg_reading_out : pg_writing_in;

    pg->transfer.tx = 0;
    pg->transfer.early = 1;
    if (postgres_connect(pg, failure) != 0)
        return -1;
    if (pg_transfer_run(pg,
                        direction == TRANSFER_OUT ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                                  : "BEGIN ISOLATION LEVEL READ COMMITTED",
                        NULL, what, failure) == 0 &&
        pg_transfer_run(pg, "SET LOCAL idle_in_transaction_session_timeout = 0", NULL, what, failure) == 0 &&
        pg_transfer_run(pg, "SET LOCAL statement_timeout = 0", NULL, what, failure) == 0)
        return 0;
    pg_rollback(pg);
    return -1;
}

static int transfer_end(struct store *store, int result, struct failure *failure)
{
    struct postgres *pg = postgres_of(store);

    stop_reading(pg);
    series_cache_forget(&pg->series);
    return pg_end(pg, result, pg_writing_in, failure);
}

const struct transfer_ops postgres_transfer = {
    .text_is_utf8 = true,
    .begin = transfer_begin,
    .end = transfer_end,
    .count = transfer_count,
    .read = transfer_read,
    .next = transfer_next,
    .write = pg_transfer_write,
    .clear = pg_transfer_clear,
    .note = pg_transfer_note,
};
