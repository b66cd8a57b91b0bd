/*
 * MariaDB and MySQL as a sink: a batch is one INSERT of many rows (or some, where it is long) that leaves
 * what is there as it is, over the connection that the store has (store/mysql/connection.c), for another
 * purpose.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/lookup.h"
#include "gateway/sink/sql_address.h"
#include "gateway/sink/sql_hold.h"
#include "gateway/sink/sql_row.h"
#include "gateway/store/mysql/mysql.h"

#define ANSWER_SECONDS                                                                                       \
    15 /* that a server may be silent while it owes an answer, where the URL says nothing */

struct sql_mysql {
    struct sink sink; /* first */
    struct mysql *my;
    struct sql_hold hold;
};

static const char what[] = "write readings";

/* ---- the table ---- */

#define SCHEMA 1
#define TABLE  " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

static const char making[] = "make the table of readings";

/*
 * Version 1. Statements that make a table commit by themselves here: one program does it at a time
 * (GET_LOCK), each may be carried out again, and the version is entered last. A released version is never
 * changed.
 *
 * The primary key begins with device and time, so that it also is the index that people's queries want. A
 * time outside of the years 1000 to 9999 stands as the nearest that the type has, and in `far` as it is (else
 * 0).
 */
static const char *const first[] = {
    "CREATE TABLE IF NOT EXISTS bulla_readings (device VARCHAR(64) NOT NULL, time DATETIME(6) NOT NULL,"
    " far BIGINT NOT NULL, name MEDIUMTEXT NOT NULL, value DOUBLE, unit MEDIUMTEXT, type VARCHAR(16) NOT "
    "NULL,"
    " `integer` BIGINT, text LONGTEXT, data LONGBLOB, format INT, seq BIGINT NOT NULL,"
    " received DATETIME(6) NOT NULL, device_id BIGINT NOT NULL, context VARBINARY(9) NOT NULL,"
    " place BIGINT NOT NULL, PRIMARY KEY (device, time, far, seq, context, place, device_id),"
    " KEY bulla_readings_time (time))" TABLE,
    "CREATE OR REPLACE SQL SECURITY INVOKER VIEW bulla_readings_plain AS"
    " SELECT device, time, name, value, unit, text FROM bulla_readings",
    "CREATE TABLE IF NOT EXISTS bulla_readings_schema (version INT NOT NULL PRIMARY KEY)" TABLE,
    "INSERT INTO bulla_readings_schema (version) VALUES (1) ON DUPLICATE KEY UPDATE version = 1",
};

/* The number that a query gives, or 0 where it gives none; -1 with the failure. */
static int read_number(struct mysql *my, const char *sql, struct failure *failure)
{
    struct mq_result result;
    int number = 0;

    if (mq_text_query(my, sql, &result, making, failure) != 0)
        return -1;
    if (mq_next(&result))
        number = (int)mq_get_number(&result, 0);
    mq_clear(&result);
    return number;
}

static int read_version(struct mysql *my, struct failure *failure)
{
    int there = read_number(my,
                            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
                            " AND table_name = 'bulla_readings_schema'",
                            failure);

    return there <= 0 ? there : read_number(my, "SELECT MAX(version) FROM bulla_readings_schema", failure);
}

#define LOCK "CONCAT('bulla.', LEFT(SHA2(DATABASE(), 256), 24), '.readings')"

static int migrate(struct mysql *my, struct failure *failure)
{
    int version = read_number(my, "SELECT GET_LOCK(" LOCK ", 10)", failure);
    int result;

    if (version == 0)
        return fail(failure, "cannot %s: another gateway is about it; it is tried again (%s)", making,
                    my->label);
    if (version > 0)
        version = read_version(my, failure);
    result = version < 0 ? -1 : 0;
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]) && version == 0 && result == 0; i++)
        result = mq_text_run(my, first[i], making, failure) < 0 ? -1 : 0;
    if (result == 0 && mq_text_run(my, "DO RELEASE_LOCK(" LOCK ")", making, failure) < 0)
        result = -1;
    return result;
}

static int set_up_table(struct mysql *my, struct failure *failure)
{
    int version = read_version(my, failure);

    if (version < 0)
        return -1;
    if (version > SCHEMA)
        return fail(failure,
                    "its table of readings was made by a newer bulla: version %d, this program knows "
                    "versions up to %d; install the newer program (%s)",
                    version, SCHEMA, my->label);
    return version == SCHEMA ? 0 : migrate(my, failure);
}

/* ---- opening ---- */

static void mysql_sink_close(struct sink *sink)
{
    struct sql_mysql *sql = (struct sql_mysql *)sink;

    if (sql->my != NULL)
        maria_close(&sql->my->store);
    sql_hold_wipe(&sql->hold);
    free(sql);
}

static int connect_later(struct sql_mysql *sql, const struct sink_address *address, struct failure *failure)
{
    sql->my = maria_new(strchr(address->url, ':') + 1, STORE_CREATE, failure);
    if (sql->my == NULL || sql_mysql_take(address, sql->my->url, sql->sink.name, failure) < 0)
        return -1;
    if (sql->my->url->read_timeout == NULL)
        sql->my->url->read_seconds = ANSWER_SECONDS;
    sql->my->set_up = set_up_table;
    lookup_prepare(sql->my->url->host);
    return 0;
}

static int mysql_sink_open(struct sink **sink, const struct sink_address *address, struct failure *failure)
{
    struct sql_mysql *sql = calloc(1, sizeof(*sql));

    if (sql == NULL)
        return fail(failure, "memory is out");
    sql_hold_init(&sql->hold);
    if (connect_later(sql, address, failure) < 0) {
        mysql_sink_close(&sql->sink);
        return -1;
    }
    *sink = &sql->sink;
    return 0;
}

/* ---- writing ---- */

static void put_bytes(struct mq_parameters *parameters, const struct sql_bytes *bytes)
{
    if (bytes->at == NULL)
        mq_null(parameters);
    else
        mq_bytes(parameters, bytes->at, bytes->len);
}

static void put_number(struct mq_parameters *parameters, bool there, int64_t number)
{
    if (there)
        mq_number(parameters, number);
    else
        mq_null(parameters);
}

/* The columns in the order of FLAT_ADD (store/mysql/statements.h). */
static void put_row(struct mq_parameters *parameters, const struct sql_row *row)
{
    const struct sink_point *point = row->point;
    int64_t time = point->reading.time;

    mq_row(parameters);
    mq_text(parameters, point->device);
    mq_time(parameters, time);
    mq_number(parameters, time < MQ_EARLIEST || time > MQ_LATEST ? time : 0);
    put_bytes(parameters, &row->name);
    if (row->has_value)
        mq_real(parameters, row->value == 0 ? 0 : row->value);
    else
        mq_null(parameters);
    put_bytes(parameters, &row->unit);
    mq_text(parameters, row->type);
    put_number(parameters, row->has_integer, row->integer);
    put_bytes(parameters, &row->text);
    put_bytes(parameters, &row->data);
    put_number(parameters, row->has_format, point->reading.format);
    mq_number(parameters, (int64_t)point->piv);
    mq_time(parameters, point->received);
    mq_number(parameters, point->device_id);
    mq_bytes(parameters, point->context, point->context_len);
    mq_number(parameters, point->index);
}

/* What these rows make impossible, and not the server's state: somebody's own constraint or trigger, and what
 * a column can not hold. Where a whole batch is too large for the server, half of it may not be. */
static bool is_refusal(unsigned error)
{
    static const unsigned refusals[] = {
        1048 /* ER_BAD_NULL_ERROR */,
        1153 /* ER_NET_PACKET_TOO_LARGE */,
        1264 /* ER_WARN_DATA_OUT_OF_RANGE */,
        1366 /* ER_TRUNCATED_WRONG_VALUE_FOR_FIELD */,
        1367 /* ER_ILLEGAL_VALUE_FOR_TYPE */,
        1406 /* ER_DATA_TOO_LONG */,
        1452 /* ER_NO_REFERENCED_ROW_2 */,
        1644 /* ER_SIGNAL_EXCEPTION */,
        3819 /* MySQL: ER_CHECK_CONSTRAINT_VIOLATED */,
        4025 /* MariaDB: ER_CONSTRAINT_FAILED */,
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (error == refusals[i])
            return true;
    return false;
}

/* One statement, from a point on. Returns how many points it has, or an enum sink_result below 0. */
static int write_some(struct mysql *my, const struct sink_point *points, size_t count,
                      struct failure *failure)
{
    struct mq_parameters parameters = {0};
    size_t taken = 0;
    int result = 0;

    mq_list(&parameters);
    while (taken < count && result == 0 && !mq_is_long(&parameters)) {
        struct sql_row row;
        result = sql_row_of(&row, &points[taken++]);
        if (result == 0)
            put_row(&parameters, &row);
        sql_row_wipe(&row);
    }
    mq_list_end(&parameters);
    if (result != 0) {
        mq_drop(&parameters);
        fail(failure, "memory is out");
        return SINK_AWAY;
    }
    my->error = 0;
    if (mq_run(my, MQ_FLAT_ADD, &parameters, what, failure) >= 0)
        return (int)taken;
    return is_refusal(my->error) ? SINK_REFUSED : SINK_AWAY;
}

static int write_rows(struct sql_mysql *sql, const struct sink_batch *batch, struct failure *failure)
{
    size_t done = 0;
    int result = 0;

    if (!sql_hold_take(&sql->hold, (int)mysql_get_socket(sql->my->conn))) {
        fail(failure, "the gateway is being stopped");
        return SINK_AWAY;
    }
    while (done < batch->count && result >= 0) {
        result = maria_is_connected(sql->my)
                     ? write_some(sql->my, batch->points + done, batch->count - done, failure)
                     : SINK_AWAY;
        done += result > 0 ? (size_t)result : 0;
    }
    sql_hold_release(&sql->hold);
    return result < 0 ? result : SINK_WRITTEN;
}

/* A table, or a database, that somebody has dropped is looked for again with the next connection. */
static void reconsider(struct mysql *my)
{
    if (my->error == 1146 /* ER_NO_SUCH_TABLE */ || my->error == 1046 /* ER_NO_DB_ERROR */ ||
        my->error == 1049 /* ER_BAD_DB_ERROR */)
        maria_disconnect(my);
}

static int mysql_sink_write(struct sink *sink, const struct sink_batch *batch, struct failure *failure)
{
    struct sql_mysql *sql = (struct sql_mysql *)sink;
    int result = SINK_AWAY;

    if (maria_connect(sql->my, failure) == 0) {
        result = write_rows(sql, batch, failure);
        reconsider(sql->my);
    }
    return result;
}

static void mysql_sink_interrupt(struct sink *sink)
{
    sql_hold_interrupt(&((struct sql_mysql *)sink)->hold);
}

const struct sink_ops sink_mysql = {
    .scheme = "mysql",
    .alias = "mariadb",
    .is_server = true,
    .open = mysql_sink_open,
    .write = mysql_sink_write,
    .interrupt = mysql_sink_interrupt,
    .close = mysql_sink_close,
};
