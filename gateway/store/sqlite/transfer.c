/* Everything, read out and written in (transfer.h). */
#include "gateway/store/sqlite/sqlite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SQL_MAX 1024

static const char reading_out[] = "read the database";
static const char writing_in[] = "write what arrives";

/* ---- statements ---- */

/* Where it is not the table's columns as they are. Keys that are bound stand as ?1. */
static const char *const selects[TRANSFER_TABLES] = {
    [TRANSFER_META] = "SELECT name, value FROM meta WHERE typeof(value) = 'blob'"
                      " AND name NOT IN ('challenge', 'arriving', 'leaving') ORDER BY name",
    [TRANSFER_POINTS] = "SELECT time, 0, series, piv, delay, value FROM points"
                        " WHERE time >= ?1 ORDER BY time, n",
    [TRANSFER_NUMBERS] =
        "SELECT n.name, coalesce((SELECT seq FROM sqlite_sequence q WHERE q.name = substr(n.name, 6)),"
        " (SELECT value FROM meta m WHERE m.name = n.name), 0) FROM (SELECT 'floor' AS name"
        " UNION ALL SELECT 'issued_t' UNION ALL SELECT 'last_devices' UNION ALL SELECT 'last_series'"
        " UNION ALL SELECT 'last_session_ids' UNION ALL SELECT 'last_wires') n ORDER BY n.name",
};

static const char *const inserts[TRANSFER_TABLES] = {
    [TRANSFER_POINTS] = "INSERT INTO points (time, n, series, value, piv, delay)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [TRANSFER_NUMBERS] = "INSERT INTO meta (name, value) VALUES (?1, ?2)"
                         " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
};

/* "?1, ?2, ?3" */
static void make_parameters(char *out, size_t size, size_t count)
{
    size_t used = 0;

    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s?%zu", i == 0 ? "" : ", ", i + 1);
}

static void make_select(char sql[SQL_MAX], enum transfer_table table, bool behind)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    char columns[SQL_MAX / 2], keys[SQL_MAX / 8], parameters[SQL_MAX / 8];

    transfer_names(columns, sizeof(columns), table, shape->count, "");
    transfer_names(keys, sizeof(keys), table, shape->keys, "");
    make_parameters(parameters, sizeof(parameters), shape->keys);
    if (behind)
        snprintf(sql, SQL_MAX, "SELECT %s FROM %s WHERE (%s) >= (%s) ORDER BY %s", columns, shape->name, keys,
                 parameters, keys);
    else
        snprintf(sql, SQL_MAX, "SELECT %s FROM %s ORDER BY %s", columns, shape->name, keys);
}

static void make_insert(char sql[SQL_MAX], enum transfer_table table)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    char columns[SQL_MAX / 2], parameters[SQL_MAX / 4];

    transfer_names(columns, sizeof(columns), table, shape->count, "");
    make_parameters(parameters, sizeof(parameters), shape->count);
    snprintf(sql, SQL_MAX, "INSERT INTO %s (%s) VALUES (%s)", shape->name, columns, parameters);
}

static int prepare(struct sqlite *sqlite, const char *sql, sqlite3_stmt **statement, const char *what,
                   struct failure *failure)
{
    return sqlite3_prepare_v2(sqlite->db, sql, -1, statement, NULL) == SQLITE_OK
               ? 0
               : sqlite_fail(sqlite, what, failure);
}

static void bind_cell(sqlite3_stmt *statement, int parameter, const struct transfer_cell *cell)
{
    switch (cell->kind) {
    case TRANSFER_INTEGER:
        bind_number(statement, parameter, cell->value.integer);
        break;
    case TRANSFER_REAL:
        sqlite3_bind_double(statement, parameter, cell->value.real); /* of a NaN it makes NULL */
        break;
    case TRANSFER_TEXT:
        bind_text(statement, parameter, (const char *)cell->value.bytes.at, cell->value.bytes.len);
        break;
    case TRANSFER_BYTES:
        bind_bytes(statement, parameter, cell->value.bytes.at, cell->value.bytes.len);
        break;
    default:
        sqlite3_bind_null(statement, parameter);
        break;
    }
}

/* ---- out ---- */

static void stop_reading(struct sqlite *sqlite)
{
    sqlite3_finalize(sqlite->transfer.query);
    sqlite->transfer.query = NULL;
    sqlite->transfer.waits = false;
}

static int transfer_read(struct store *store, enum transfer_table table, const struct transfer_key *from,
                         struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    bool behind = from != NULL && from->count > 0;
    char made[SQL_MAX];

    stop_reading(sqlite);
    if (selects[table] == NULL)
        make_select(made, table, behind);
    if (prepare(sqlite, selects[table] == NULL ? made : selects[table], &sqlite->transfer.query, reading_out,
                failure) != 0)
        return -1;
    sqlite->transfer.table = table;
    if (table == TRANSFER_POINTS)
        bind_number(sqlite->transfer.query, 1, behind ? from->cells[POINT_TIME].value.integer : INT64_MIN);
    for (size_t i = 0; behind && selects[table] == NULL && i < from->count; i++)
        bind_cell(sqlite->transfer.query, (int)i + 1, &from->cells[i]);
    return 0;
}

/* The bytes of the texts in the row that the query stands on. */
static size_t texts_in(sqlite3_stmt *query, enum transfer_table table)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    size_t len = 0;

    for (size_t i = 0; i < shape->count; i++)
        if (sqlite3_column_type(query, (int)i) == SQLITE_TEXT ||
            sqlite3_column_type(query, (int)i) == SQLITE_BLOB)
            len += (size_t)sqlite3_column_bytes(query, (int)i);
    return len;
}

/* Texts may stand as bytes, and bytes as a text; in a column of numbers, neither is one. */
static enum transfer_kind kind_of(enum transfer_kind column, int type)
{
    if (column == TRANSFER_TEXT || column == TRANSFER_BYTES)
        return column;
    return type == SQLITE_TEXT ? TRANSFER_TEXT : TRANSFER_BYTES;
}

static void take_cell(struct transfer_rows *rows, struct transfer_cell *cell, enum transfer_kind kind,
                      sqlite3_stmt *query, int column)
{
    int type = sqlite3_column_type(query, column);

    if (type == SQLITE_NULL && kind == TRANSFER_VALUE)
        transfer_set_real(cell, NAN); /* SQLite has none: one that came against reading.h stands as NULL */
    if (type == SQLITE_NULL)
        return;
    if (type == SQLITE_INTEGER)
        transfer_set_number(cell, sqlite3_column_int64(query, column));
    else if (type == SQLITE_FLOAT)
        transfer_set_real(cell, sqlite3_column_double(query, column));
    else
        transfer_set_bytes(rows, cell, kind_of(kind, type), sqlite3_column_blob(query, column),
                           (size_t)sqlite3_column_bytes(query, column));
}

/* Takes the row that the query stands on: 1, or 0 if it does not fit any more. */
static int take_row(struct sqlite *sqlite, struct transfer_rows *rows, struct failure *failure)
{
    const struct transfer_shape *shape = &transfer_shapes[rows->table];
    sqlite3_stmt *query = sqlite->transfer.query;
    struct transfer_cell *cells;
    int fits = transfer_rows_add(rows, texts_in(query, rows->table), &cells, failure);

    if (fits <= 0)
        return fits;
    for (size_t i = 0; i < shape->count; i++)
        take_cell(rows, &cells[i], shape->columns[i].kind, query, (int)i);
    if (rows->table == TRANSFER_POINTS) /* it was the delay */
        transfer_set_number(&cells[POINT_RECEIVED], (int64_t)((uint64_t)cells[POINT_TIME].value.integer +
                                                              (uint64_t)cells[POINT_RECEIVED].value.integer));
    return 1;
}

static int transfer_next(struct store *store, struct transfer_rows *rows, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    int fits = 1;

    transfer_rows_begin(rows, sqlite->transfer.table);
    while (fits > 0 && sqlite->transfer.query != NULL) {
        int code = sqlite->transfer.waits ? SQLITE_ROW : sqlite3_step(sqlite->transfer.query);
        if (code != SQLITE_ROW) {
            if (code != SQLITE_DONE)
                sqlite_fail(sqlite, reading_out, failure);
            stop_reading(sqlite);
            if (code != SQLITE_DONE)
                return -1;
            break;
        }
        fits = take_row(sqlite, rows, failure);
        sqlite->transfer.waits = fits == 0;
    }
    return fits < 0 ? -1 : rows->count > 0;
}

static int transfer_count(struct store *store, enum transfer_table table, int64_t *rows,
                          struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *query = NULL;
    char sql[SQL_MAX];
    int result = -1;

    if (table == TRANSFER_META || table == TRANSFER_NUMBERS)
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM (%s)", selects[table]);
    else
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", transfer_shapes[table].name);
    if (prepare(sqlite, sql, &query, reading_out, failure) != 0)
        return -1;
    if (sqlite3_step(query) == SQLITE_ROW) {
        *rows = sqlite3_column_int64(query, 0);
        result = 0;
    } else {
        sqlite_fail(sqlite, reading_out, failure);
    }
    sqlite3_finalize(query);
    return result;
}

/* ---- in ---- */

static void bind_point(sqlite3_stmt *insert, const struct transfer_cell *row)
{
    uint64_t delay = (uint64_t)row[POINT_RECEIVED].value.integer - (uint64_t)row[POINT_TIME].value.integer;

    bind_cell(insert, 1, &row[POINT_TIME]);
    bind_cell(insert, 2, &row[POINT_PLACE]);
    bind_cell(insert, 3, &row[POINT_SERIES]);
    bind_cell(insert, 4, &row[POINT_VALUE]);
    bind_cell(insert, 5, &row[POINT_PIV]);
    bind_unsigned(insert, 6, delay);
}

static int write_row(struct sqlite *sqlite, sqlite3_stmt *insert, enum transfer_table table,
                     const struct transfer_cell *row, struct failure *failure)
{
    if (table == TRANSFER_POINTS)
        bind_point(insert, row);
    else
        for (size_t i = 0; i < transfer_shapes[table].count; i++)
            bind_cell(insert, (int)i + 1, &row[i]);
    return sqlite_run(sqlite, insert, writing_in, failure) < 0 ? -1 : 0;
}

/*
 * Raises the highest id that SQLite has given out in a table (sqlite_sequence, which has no key): 1, or 0 if
 * the number is not one of those, which are named last_TABLE.
 */
static int raise_sequence(struct sqlite *sqlite, const struct transfer_cell *row, struct failure *failure)
{
    static const char *const raise[] = {
        "INSERT INTO sqlite_sequence (name, seq) SELECT substr(?1, 6), 0 WHERE substr(?1, 1, 5) = 'last_'"
        " AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = substr(?1, 6))",
        "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = substr(?1, 6)",
    };
    int changed = 0;

    for (size_t i = 0; i < sizeof(raise) / sizeof(raise[0]) && changed >= 0; i++) {
        sqlite3_stmt *statement = NULL;
        if (prepare(sqlite, raise[i], &statement, writing_in, failure) != 0)
            return -1;
        bind_cell(statement, 1, &row[0]);
        if (i == 1)
            bind_cell(statement, 2, &row[1]);
        changed = sqlite_run(sqlite, statement, writing_in, failure);
        sqlite3_finalize(statement);
    }
    return changed < 0 ? -1 : changed > 0;
}

static int write_numbers(struct sqlite *sqlite, sqlite3_stmt *insert, const struct transfer_rows *rows,
                         struct failure *failure)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct transfer_cell *row = transfer_row(rows, i);
        int raised = raise_sequence(sqlite, row, failure);
        if (raised < 0 || (raised == 0 && write_row(sqlite, insert, TRANSFER_NUMBERS, row, failure) != 0))
            return -1;
    }
    return 0;
}

static int transfer_write(struct store *store, const struct transfer_rows *rows, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *insert = NULL;
    char made[SQL_MAX];
    int result = 0;

    if (inserts[rows->table] == NULL)
        make_insert(made, rows->table);
    if (prepare(sqlite, inserts[rows->table] == NULL ? made : inserts[rows->table], &insert, writing_in,
                failure) != 0)
        return -1;
    if (rows->table == TRANSFER_NUMBERS)
        result = write_numbers(sqlite, insert, rows, failure);
    else
        for (size_t i = 0; i < rows->count && result == 0; i++)
            result = write_row(sqlite, insert, rows->table, transfer_row(rows, i), failure);
    sqlite3_finalize(insert);
    return result;
}

/* F, T and the ids that were given out stay; who has ids of series in a cache forgets them. */
static int transfer_clear(struct store *store, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    char sql[SQL_MAX];

    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++) {
        if (table == TRANSFER_NUMBERS)
            continue;
        snprintf(sql, sizeof(sql), "DELETE FROM %s%s", transfer_shapes[table].name,
                 table == TRANSFER_META ? " WHERE typeof(value) = 'blob'" : "");
        if (sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) != SQLITE_OK)
            return sqlite_fail(sqlite, "delete what is there", failure);
    }
    if (sqlite_run_id(sqlite, ST_SERIES_GONE_RAISE, writing_in, failure) < 0 ||
        sqlite_run_id(sqlite, ST_WIRES_RAISE, writing_in, failure) < 0 ||
        sqlite_run_id(sqlite, ST_GENERATION_RAISE, writing_in, failure) < 0)
        return -1;
    return 0;
}

static int transfer_note(struct store *store, const char *name, const void *value, size_t len,
                         struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *statement = NULL;
    const char *sql = value == NULL ? "DELETE FROM meta WHERE name = ?1"
                                    : "INSERT INTO meta (name, value) VALUES (?1, ?2)"
                                      " ON CONFLICT DO UPDATE SET value = excluded.value";

    if (prepare(sqlite, sql, &statement, writing_in, failure) != 0)
        return -1;
    bind_text(statement, 1, name, strlen(name));
    if (value != NULL)
        bind_bytes(statement, 2, value, len);
    int result = sqlite_run(sqlite, statement, writing_in, failure);
    sqlite3_finalize(statement);
    return result < 0 ? -1 : 0;
}

/* ---- transactions ---- */

static int transfer_begin(struct store *store, enum transfer_direction direction, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    if (direction == TRANSFER_IN)
        return sqlite_begin(sqlite, writing_in, failure);
    if (sqlite3_exec(sqlite->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    sqlite_fail(sqlite, reading_out, failure);
    sqlite_rollback(sqlite);
    return -1;
}

static int transfer_end(struct store *store, int result, struct failure *failure)
{
    struct sqlite *sqlite = sqlite_of(store);

    stop_reading(sqlite);
    sqlite->generation_known = false;
    series_cache_forget(&sqlite->series.cache);
    return sqlite_end(sqlite, result, writing_in, failure);
}

const struct transfer_ops sqlite_transfer = {
    .begin = transfer_begin,
    .end = transfer_end,
    .count = transfer_count,
    .read = transfer_read,
    .next = transfer_next,
    .write = transfer_write,
    .clear = transfer_clear,
    .note = transfer_note,
};
