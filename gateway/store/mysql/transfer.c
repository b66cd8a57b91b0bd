/*
 * Everything, read out and written in (transfer.h): a query whose rows are taken one after the other as they
 * come, and INSERTs of many rows.
 */
#include "gateway/store/mysql/listing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SQL_MAX 1024

static const char reading_out[] = "read the database";
static const char writing_in[] = "write what arrives";

/* ---- names ---- */

/* Columns that have another name here, because theirs is a word of SQL. */
static const struct {
    enum transfer_table table;
    const char *name;
    const char *here;
} renamed[] = {
    {TRANSFER_LABELS, "key", "word"},
    {TRANSFER_CONTEXTS, "rank", "nth"},
    {TRANSFER_WIRES, "keys", "packed"},
    {TRANSFER_WIRES, "stored", "messages"},
};

static const char *column_name(enum transfer_table table, size_t column)
{
    const char *name = transfer_shapes[table].columns[column].name;

    for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
        if (renamed[i].table == table && strcmp(renamed[i].name, name) == 0)
            return renamed[i].here;
    return name;
}

/* "a, b, c" */
static void make_names(char *out, size_t size, enum transfer_table table, size_t count)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", column_name(table, i));
}

/* ---- statements ---- */

/*
 * Where it is not the table's columns as they are. A time that DATETIME does not have stands in `beyond`.
 * What `data` is, the series' type says. Of ids that were given out, the server knows the next one.
 */
static const char *const selects[TRANSFER_TABLES] = {
    [TRANSFER_META] = "SELECT name, value FROM meta WHERE name NOT IN ('challenge', 'arriving', 'leaving')"
                      " ORDER BY name",
    [TRANSFER_POINTS] =
        "SELECT p.time, p.beyond, p.series, p.piv, p.received, p.number, p.whole, p.data,"
        " CASE WHEN p.data IS NOT NULL THEN (SELECT s.type FROM series s WHERE s.id = p.series) END"
        " FROM points p WHERE (p.time, p.beyond) >= ($1, $2) ORDER BY p.time, p.beyond, p.n",
    [TRANSFER_NUMBERS] =
        "SELECT name, value FROM (SELECT name, value FROM numbers WHERE name IN ('floor', 'issued_t')"
        " UNION ALL SELECT CONCAT('last_', table_name), COALESCE(auto_increment, 1) - 1"
        " FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_name IN ('devices', 'series', 'session_ids', 'wires')) n ORDER BY name",
};

/*
 * Rows that raise what the server knows of ids: it does not take that back when the row goes again, nor when
 * the transaction fails.
 */
static const struct {
    const char *name; /* of the number */
    const char *table;
    const char *id;
    const char *row; /* of which $1 is the id */
} sequences[] = {
    {"last_devices", "devices", "id",
     "INSERT INTO devices (id, name, alg, kind, revoked, exported, created) VALUES ($1, X'', 0, 0, 1, 0, 0)"},
    {"last_series", "series", "id",
     "INSERT INTO series (id, device, digest, name, unit, type, format, device_name, first, last)"
     " VALUES ($1, 0, X'', X'', X'', X'', 0, '', 0, 0)"},
    {"last_session_ids", "session_ids", "n",
     "INSERT INTO session_ids (n, topic, id, issued) VALUES ($1, X'', X'', 0)"},
    {"last_wires", "wires", "id",
     "INSERT INTO wires (id, device, grp, wire, route, session_topic, node, reading_name, flags, lifetime,"
     " grace, packed) VALUES ($1, 0, 0, X'', X'', X'', X'', X'', 0, 0, 0, X'')"},
};

static int run(struct mysql *my, const char *sql, struct mq_parameters *parameters, struct failure *failure)
{
    struct mq_result result;
    int status = mq_text_with(my, sql, parameters, MQ_WHOLE, &result, writing_in, failure);

    mq_clear(&result);
    return status;
}

static int read_number(struct mysql *my, const char *sql, int64_t *number, struct failure *failure)
{
    struct mq_result result;

    if (mq_text_query(my, sql, &result, reading_out, failure) != 0)
        return -1;
    *number = mq_next(&result) ? mq_get_number(&result, 0) : 0;
    mq_clear(&result);
    return 0;
}

/* ---- out ---- */

/* The rest of a result would have to be read: the connection, which is of no use for anything else, goes. */
static void stop_reading(struct mysql *my)
{
    if (!my->transfer.coming)
        return;
    my->transfer.coming = false;
    my->transfer.waits = false;
    maria_disconnect(my);
    mq_clear(&my->transfer.result);
}

static bool is_time(enum transfer_table table, size_t column)
{
    return table == TRANSFER_EVENTS && strcmp(transfer_shapes[table].columns[column].name, "time") == 0;
}

static void make_select(char sql[SQL_MAX], enum transfer_table table, bool behind)
{
    const struct transfer_shape *shape = &transfer_shapes[table];
    char columns[SQL_MAX / 2], keys[SQL_MAX / 8];

    make_names(columns, sizeof(columns), table, shape->count);
    make_names(keys, sizeof(keys), table, shape->keys);
    snprintf(sql, SQL_MAX, "SELECT %s FROM %s%s%s%s ORDER BY %s", columns, shape->name,
             behind ? " WHERE (" : "", behind ? keys : "",
             !behind            ? ""
             : shape->keys == 1 ? ") >= ($1)"
                                : ") >= ($1, $2)",
             keys);
}

static void put_cell(struct mq_parameters *parameters, const struct transfer_cell *cell)
{
    if (cell->kind == TRANSFER_NULL)
        mq_null(parameters);
    else if (cell->kind == TRANSFER_INTEGER)
        mq_number(parameters, cell->value.integer);
    else
        mq_bytes(parameters, cell->value.bytes.at, cell->value.bytes.len);
}

static int transfer_read(struct store *store, enum transfer_table table, const struct transfer_key *from,
                         struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    struct mq_parameters parameters = {0};
    bool behind = from != NULL && from->count > 0;
    char made[SQL_MAX];

    stop_reading(my);
    if (selects[table] == NULL)
        make_select(made, table, behind);
    if (table == TRANSFER_POINTS)
        maria_put_time(&parameters, behind ? from->cells[POINT_TIME].value.integer : INT64_MIN);
    for (size_t i = 0; selects[table] == NULL && behind && i < from->count; i++)
        put_cell(&parameters, &from->cells[i]);
    if (mq_text_with(my, selects[table] == NULL ? made : selects[table], &parameters, MQ_STREAMED,
                     &my->transfer.result, reading_out, failure) != 0)
        return -1;
    my->transfer.coming = true;
    my->transfer.table = table;
    return 0;
}

static void take_cell(struct transfer_rows *rows, struct transfer_cell *cell, enum transfer_table table,
                      size_t column, const struct mq_result *result)
{
    enum transfer_kind kind = transfer_shapes[table].columns[column].kind;

    if (mq_is_null(result, (int)column))
        return;
    if (is_time(table, column))
        transfer_set_number(cell, mq_get_time(result, (int)column));
    else if (kind == TRANSFER_INTEGER)
        transfer_set_number(cell, mq_get_number(result, (int)column));
    else
        transfer_set_bytes(rows, cell, kind, mq_get_text(result, (int)column),
                           mq_get_length(result, (int)column));
}

/* Columns of the query for points. */
enum { Q_TIME, Q_BEYOND, Q_SERIES, Q_PIV, Q_RECEIVED, Q_NUMBER, Q_WHOLE, Q_DATA, Q_TYPE };

static bool is_type(const struct mq_result *result, enum reading_type type)
{
    return strcmp(mq_get_text(result, Q_TYPE), reading_type_text(type)) == 0;
}

static void take_value(struct transfer_rows *rows, struct transfer_cell *cell, const struct mq_result *result)
{
    if (!mq_is_null(result, Q_WHOLE))
        transfer_set_number(cell, mq_get_number(result, Q_WHOLE));
    else if (mq_is_null(result, Q_DATA))
        transfer_set_real(cell, mq_get_real(result, Q_NUMBER));
    else if (is_type(result, READING_REAL) || is_type(result, READING_SUM))
        transfer_set_real(cell, maria_real_of(mq_get_text(result, Q_DATA), mq_get_length(result, Q_DATA)));
    else
        transfer_set_bytes(rows, cell, is_type(result, READING_TEXT) ? TRANSFER_TEXT : TRANSFER_BYTES,
                           mq_get_text(result, Q_DATA), mq_get_length(result, Q_DATA));
}

static void take_point(struct transfer_rows *rows, struct transfer_cell *cells,
                       const struct mq_result *result)
{
    int64_t beyond = mq_get_number(result, Q_BEYOND);

    transfer_set_number(&cells[POINT_TIME], beyond != 0 ? beyond : mq_get_time(result, Q_TIME));
    transfer_set_number(&cells[POINT_PLACE], 0);
    transfer_set_number(&cells[POINT_SERIES], mq_get_number(result, Q_SERIES));
    transfer_set_number(&cells[POINT_PIV], mq_get_number(result, Q_PIV));
    transfer_set_number(&cells[POINT_RECEIVED], mq_get_number(result, Q_RECEIVED));
    take_value(rows, &cells[POINT_VALUE], result);
}

/* Takes the row: 1, or 0 if it does not fit any more. */
static int take_row(struct transfer_rows *rows, const struct mq_result *result, struct failure *failure)
{
    size_t count = transfer_shapes[rows->table].count;
    struct transfer_cell *cells;
    size_t len = 0;

    for (unsigned i = 0; i < mysql_num_fields(result->rows); i++)
        len += mq_get_length(result, (int)i);
    int fits = transfer_rows_add(rows, len, &cells, failure);
    if (fits <= 0)
        return fits;
    if (rows->table == TRANSFER_POINTS)
        take_point(rows, cells, result);
    else
        for (size_t i = 0; i < count; i++)
            take_cell(rows, &cells[i], rows->table, i, result);
    return 1;
}

/* 1 there is a row, 0 that was all. */
static int next_row(struct mysql *my, struct failure *failure)
{
    if (!my->transfer.coming)
        return 0;
    if (my->transfer.waits || mq_next(&my->transfer.result))
        return 1;
    my->transfer.coming = false;
    int result = mysql_errno(my->conn) == 0 ? 0 : maria_fail(my, reading_out, failure);
    mq_clear(&my->transfer.result);
    return result;
}

static int transfer_next(struct store *store, struct transfer_rows *rows, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int result = 1;

    transfer_rows_begin(rows, my->transfer.table);
    while (result > 0 && (result = next_row(my, failure)) > 0) {
        result = take_row(rows, &my->transfer.result, failure);
        my->transfer.waits = result == 0;
    }
    return result < 0 ? -1 : rows->count > 0;
}

static int transfer_count(struct store *store, enum transfer_table table, int64_t *rows,
                          struct failure *failure)
{
    char sql[2 * SQL_MAX];

    if (table == TRANSFER_META || table == TRANSFER_NUMBERS)
        snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM (%s) c", selects[table]);
    else
        snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", transfer_shapes[table].name);
    return read_number(mysql_of(store), sql, rows, failure);
}

/* ---- in ---- */

/* What a DOUBLE does not say stands as its bits in `data` (points.c). */
static void put_value(struct mq_parameters *list, const struct transfer_cell *cell)
{
    bool is_real = cell->kind == TRANSFER_REAL;
    double real = is_real ? cell->value.real : 0;
    uint8_t bits[8];

    if (is_real)
        mq_real(list, real);
    else
        mq_null(list);
    if (cell->kind == TRANSFER_INTEGER)
        mq_number(list, cell->value.integer);
    else
        mq_null(list);
    if (is_real && (!isfinite(real) || (real == 0 && signbit(real)))) {
        maria_bits_of(real, bits);
        mq_bytes(list, bits, sizeof(bits));
    } else if (is_real || cell->kind == TRANSFER_INTEGER) {
        mq_null(list);
    } else {
        mq_bytes(list, cell->value.bytes.at, cell->value.bytes.len);
    }
}

static void put_point(struct mq_parameters *list, const struct transfer_cell *row, int64_t n)
{
    maria_put_time(list, row[POINT_TIME].value.integer);
    mq_number(list, n);
    put_cell(list, &row[POINT_SERIES]);
    put_cell(list, &row[POINT_PIV]);
    put_cell(list, &row[POINT_RECEIVED]);
    put_value(list, &row[POINT_VALUE]);
}

/* With the digest that is the key here. False where there is no SHA-256. */
static bool put_series(struct mq_parameters *list, const struct transfer_cell *row)
{
    enum { NAME = 2, UNIT, TYPE, FORMAT };
    struct series_key key = {
        .name = (const char *)row[NAME].value.bytes.at,
        .unit = (const char *)row[UNIT].value.bytes.at,
        .name_len = row[NAME].value.bytes.len,
        .unit_len = row[UNIT].value.bytes.len,
        .format = (uint16_t)row[FORMAT].value.integer,
    };
    uint8_t digest[SERIES_DIGEST];

    if (!series_digest(&key, (const char *)row[TYPE].value.bytes.at, row[TYPE].value.bytes.len, digest))
        return false;
    for (size_t i = 0; i < transfer_shapes[TRANSFER_SERIES].count; i++)
        put_cell(list, &row[i]);
    mq_bytes(list, digest, sizeof(digest));
    return true;
}

static bool put_row(struct mq_parameters *list, const struct transfer_rows *rows, size_t i, int64_t n)
{
    const struct transfer_cell *row = transfer_row(rows, i);

    mq_row(list);
    if (rows->table == TRANSFER_POINTS)
        put_point(list, row, n);
    else if (rows->table == TRANSFER_SERIES)
        return put_series(list, row);
    else
        for (size_t column = 0; column < transfer_shapes[rows->table].count; column++)
            if (is_time(rows->table, column))
                mq_time(list, row[column].value.integer);
            else
                put_cell(list, &row[column]);
    return true;
}

static void make_insert(char sql[SQL_MAX], enum transfer_table table)
{
    char columns[SQL_MAX / 2];

    make_names(columns, sizeof(columns), table, transfer_shapes[table].count);
    snprintf(sql, SQL_MAX, "INSERT INTO %s (%s%s) VALUES $1", transfer_shapes[table].name,
             table == TRANSFER_POINTS ? "time, beyond, n, series, piv, received, number, whole, data"
                                      : columns,
             table == TRANSFER_SERIES ? ", digest" : "");
}

/* `n` is the number of the first point. */
static int insert(struct mysql *my, const struct transfer_rows *rows, int64_t n, struct failure *failure)
{
    struct mq_parameters list = {0};
    char sql[SQL_MAX];

    make_insert(sql, rows->table);
    for (size_t i = 0; i < rows->count;) {
        mq_list(&list);
        for (; i < rows->count && !mq_is_long(&list); i++)
            if (!put_row(&list, rows, i, n + (int64_t)i)) {
                mq_drop(&list);
                return fail(failure, "cannot %s: there is no SHA-256", writing_in);
            }
        mq_list_end(&list);
        if (run(my, sql, &list, failure) != 0)
            return -1;
    }
    return 0;
}

static int write_points(struct mysql *my, const struct transfer_rows *rows, struct failure *failure)
{
    struct mq_parameters count = {0};
    int64_t last;

    mq_number(&count, (int64_t)rows->count);
    if (run(my, "UPDATE numbers SET value = value + $1 WHERE name = 'points'", &count, failure) != 0 ||
        read_number(my, "SELECT value FROM numbers WHERE name = 'points'", &last, failure) != 0)
        return -1;
    return insert(my, rows, last - (int64_t)rows->count + 1, failure);
}

static bool is_named(const struct transfer_cell *cell, const char *name)
{
    return cell->value.bytes.len == strlen(name) && memcmp(cell->value.bytes.at, name, strlen(name)) == 0;
}

static int raise_sequence(struct mysql *my, size_t i, int64_t value, struct failure *failure)
{
    struct mq_parameters row = {0}, id = {0};
    char sql[SQL_MAX];
    int64_t known = 0;

    snprintf(sql, sizeof(sql),
             "SELECT COALESCE(auto_increment, 1) - 1 FROM information_schema.tables"
             " WHERE table_schema = DATABASE() AND table_name = '%s'",
             sequences[i].table);
    if (read_number(my, sql, &known, failure) != 0 || known >= value)
        return known >= value ? 0 : -1;
    snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE %s = $1", sequences[i].table, sequences[i].id);
    mq_number(&row, value);
    if (run(my, sequences[i].row, &row, failure) != 0)
        return -1;
    mq_number(&id, value);
    return run(my, sql, &id, failure);
}

static int write_number(struct mysql *my, const struct transfer_cell *row, struct failure *failure)
{
    struct mq_parameters both = {0};

    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
        if (is_named(&row[0], sequences[i].name))
            return raise_sequence(my, i, row[1].value.integer, failure);
    put_cell(&both, &row[0]);
    put_cell(&both, &row[1]);
    return run(my, "UPDATE numbers SET value = GREATEST(value, $2) WHERE name = $1", &both, failure);
}

/* What follows from rows that were entered as they were. */
static const char *const afterwards[TRANSFER_TABLES] = {
    [TRANSFER_EVENTS] = "UPDATE numbers SET value = GREATEST(value, COALESCE((SELECT MAX(id) FROM events"
                        " WHERE authentic = (numbers.name = 'events_authentic')), 0))"
                        " WHERE name IN ('events_authentic', 'events_other')",
    [TRANSFER_OUTBOX] = "UPDATE outbox_end e JOIN (SELECT n, all_points, all_bytes FROM outbox"
                        " ORDER BY n DESC LIMIT 1) o SET e.points = o.all_points, e.bytes = o.all_bytes,"
                        " e.n = o.n WHERE o.n > e.n",
    [TRANSFER_SINKS] =
        "UPDATE outbox_end e JOIN (SELECT n, points, bytes FROM sinks ORDER BY n DESC LIMIT 1) s"
        " SET e.points = s.points, e.bytes = s.bytes, e.n = s.n WHERE s.n > e.n",
};

static int transfer_write(struct store *store, const struct transfer_rows *rows, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    int result = 0;

    if (rows->table == TRANSFER_POINTS)
        return write_points(my, rows, failure);
    if (rows->table != TRANSFER_NUMBERS)
        result = insert(my, rows, 0, failure);
    else
        for (size_t i = 0; i < rows->count && result == 0; i++)
            result = write_number(my, transfer_row(rows, i), failure);
    if (result == 0 && afterwards[rows->table] != NULL)
        result = run(my, afterwards[rows->table], NULL, failure);
    return result;
}

/* F, T and the ids that were given out stay; who has ids of series in a cache forgets them. TRUNCATE would be
 * faster, and no part of the transaction. */
static int transfer_clear(struct store *store, struct failure *failure)
{
    struct mysql *my = mysql_of(store);
    char sql[SQL_MAX];

    for (enum transfer_table table = 0; table < TRANSFER_TABLES; table++) {
        snprintf(sql, sizeof(sql), "DELETE FROM %s", transfer_shapes[table].name);
        if (table != TRANSFER_NUMBERS && run(my, sql, NULL, failure) != 0)
            return -1;
    }
    if (run(my, "UPDATE outbox_end SET n = 0, points = 0, bytes = 0", NULL, failure) != 0)
        return -1;
    return run(my,
               "UPDATE numbers SET value = value + 1 WHERE name IN ('generation', 'series_gone', 'wires')",
               NULL, failure);
}

static int transfer_note(struct store *store, const char *name, const void *value, size_t len,
                         struct failure *failure)
{
    struct mq_parameters parameters = {0};

    mq_text(&parameters, name);
    if (value == NULL)
        return run(mysql_of(store), "DELETE FROM meta WHERE name = $1", &parameters, failure);
    mq_bytes(&parameters, value, len);
    return run(mysql_of(store),
               "INSERT INTO meta (name, value) VALUES ($1, $2) ON DUPLICATE KEY UPDATE value = VALUES(value)",
               &parameters, failure);
}

/* ---- transactions ---- */

/* MySQL is told to look at ids as they are now (MariaDB does so anyway); what reads out waits for what writes
 * in, and the server waits with it. */
static const char patience[] =
    "SET SESSION /*!80000 information_schema_stats_expiry = 0, */ net_write_timeout = 86400,"
    " wait_timeout = 86400, innodb_lock_wait_timeout = 60";

static int begin_out(struct mysql *my, struct failure *failure)
{
    if (mq_text_run(my, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", reading_out, failure) != 0 ||
        mq_text_run(my, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", reading_out, failure) != 0)
        return -1;
    my->in_transaction = true;
    return 0;
}

static int transfer_begin(struct store *store, enum transfer_direction direction, struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    if (mq_text_run(my, patience, reading_out, failure) != 0)
        return -1;
    return direction == TRANSFER_OUT ? begin_out(my, failure) : mq_begin(my, writing_in, failure);
}

static int transfer_end(struct store *store, int result, struct failure *failure)
{
    struct mysql *my = mysql_of(store);

    stop_reading(my);
    series_cache_forget(&my->series);
    return mq_end(my, result, writing_in, failure);
}

const struct transfer_ops maria_transfer = {
    .begin = transfer_begin,
    .end = transfer_end,
    .count = transfer_count,
    .read = transfer_read,
    .next = transfer_next,
    .write = transfer_write,
    .clear = transfer_clear,
    .note = transfer_note,
};
