/*
 * PostgreSQL as a sink: a batch is one INSERT of what is not there yet, over the connection that the store
 * has (store/postgres/connection.c), for another purpose.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gateway/sink/sql_address.h"
#include "gateway/sink/sql_hold.h"
#include "gateway/sink/sql_row.h"
#include "gateway/store/postgres/postgres.h"

enum column {
    DEVICE,
    TIME,
    FAR,
    NAME,
    VALUE,
    UNIT,
    TYPE,
    INTEGER,
    TEXT,
    DATA,
    FORMAT,
    SEQ,
    RECEIVED,
    DEVICE_ID,
    CONTEXT,
    PLACE,
    COLUMNS
};

static const enum pg_type types[COLUMNS] = {
    PG_TEXT, PG_TIMESTAMPTZ, PG_INT8, PG_TEXT, PG_FLOAT8,      PG_TEXT, PG_TEXT,  PG_INT8,
    PG_TEXT, PG_BYTEA,       PG_INT8, PG_INT8, PG_TIMESTAMPTZ, PG_INT8, PG_BYTEA, PG_INT8,
};

struct sql_postgres {
    struct sink sink; /* first */
    struct postgres *pg;
    struct pg_array arrays[COLUMNS];
    struct sql_hold hold;
};

static const char what[] = "write readings";

/* ---- the table ---- */

#define SCHEMA       1
#define LOCK_MIGRATE "1651862580, " PG_THIS_SCHEMA /* "bul4" in ASCII (store/postgres/statements.h) */

/*
 * Versions, forwards only: entry i brings version i to i + 1. A released entry is never changed.
 *
 * The primary key begins with device and time, so that it also is the index that people's queries want; over
 * all devices the BRIN index finds a time. A time that is none for PostgreSQL (before the year 4714 BC, or
 * the last of 64 bits) stands as an infinity, and as it is in `far`.
 */
static const char *const migrations[SCHEMA] = {
    "CREATE TABLE bulla_readings (device text COLLATE \"C\" NOT NULL, time timestamptz NOT NULL,"
    " far bigint, name text COLLATE \"C\" NOT NULL, value double precision, unit text COLLATE \"C\","
    " type text COLLATE \"C\" NOT NULL, \"integer\" bigint, text text, data bytea, format integer,"
    " seq bigint NOT NULL, received timestamptz NOT NULL, device_id bigint NOT NULL, context bytea NOT NULL,"
    " place bigint NOT NULL, PRIMARY KEY (device, time, seq, context, place, device_id));"
    "CREATE INDEX bulla_readings_time ON bulla_readings USING brin (time) WITH (autosummarize = on);"
    "COMMENT ON TABLE bulla_readings IS 'readings, written by bulla';"
    "CREATE VIEW bulla_readings_plain AS SELECT device, time, name, value, unit, text FROM bulla_readings;"
    "CREATE TABLE bulla_readings_schema (version integer NOT NULL);"
    "INSERT INTO bulla_readings_schema VALUES (1);"
    "COMMENT ON TABLE bulla_readings_schema IS 'made and kept up to date by bulla; leave it alone';"
    /* TimescaleDB, where somebody has put it into the database */
    "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'create_hypertable') THEN"
    " PERFORM create_hypertable('bulla_readings', 'time'); END IF; END $$;",
};

/* The result of the last of several statements; NULL with the failure. */
static PGresult *execute(struct postgres *pg, const char *sql, int64_t patience, struct failure *failure)
{
    static const char making[] = "make the table of readings";
    PGresult *result = postgres_execute(pg, sql, patience);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    postgres_fail(pg, result, making, failure);
    PQclear(result);
    return NULL;
}

static int run(struct postgres *pg, const char *sql, struct failure *failure)
{
    PGresult *result = execute(pg, sql, PG_FOR_EVER, failure);

    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* The number that a query gives, or 0 where it gives none; -1 with the failure. */
static int read_number(struct postgres *pg, const char *sql, struct failure *failure)
{
    PGresult *result = execute(pg, sql, PG_ANSWER_WAIT, failure);
    int number = 0;

    if (result == NULL)
        return -1;
    if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        number = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

static int read_version(struct postgres *pg, struct failure *failure)
{
    int there = read_number(pg,
                            "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"
                            " AND tablename = 'bulla_readings_schema'",
                            failure);

    return there <= 0 ? there : read_number(pg, "SELECT version FROM bulla_readings_schema", failure);
}

static int migrate(struct postgres *pg, struct failure *failure)
{
    int version = -1;

    if (run(pg, "BEGIN; SET LOCAL lock_timeout = 10000; SELECT pg_advisory_xact_lock(" LOCK_MIGRATE ")",
            failure) == 0)
        version = read_version(pg, failure);
    for (; version >= 0 && version < SCHEMA; version++)
        if (run(pg, migrations[version], failure) != 0)
            version = -2;
    if (version >= 0)
        return run(pg, "COMMIT", failure);
    pg_rollback(pg);
    return -1;
}

static int set_up_table(struct postgres *pg, struct failure *failure)
{
    int version;

    if (postgres_schema_there(pg, failure) != 0)
        return -1;
    version = read_version(pg, failure);
    if (version < 0)
        return -1;
    if (version > SCHEMA)
        return fail(failure,
                    "its table of readings was made by a newer bulla: version %d, this program knows "
                    "versions up to %d; install the newer program (%s)",
                    version, SCHEMA, pg->label);
    return version == SCHEMA ? 0 : migrate(pg, failure);
}

/* ---- opening ---- */

static void postgres_sink_close(struct sink *sink)
{
    struct sql_postgres *sql = (struct sql_postgres *)sink;

    for (int i = 0; i < COLUMNS; i++)
        pg_array_wipe(&sql->arrays[i]);
    if (sql->pg != NULL)
        postgres_close(&sql->pg->store);
    sql_hold_wipe(&sql->hold);
    free(sql);
}

static int connect_later(struct sql_postgres *sql, const struct sink_address *address,
                         struct failure *failure)
{
    char *location = sql_postgres_location(address, sql->sink.name, failure);

    if (location == NULL)
        return -1;
    postgres_prepare(location);
    sql->pg = postgres_new(location, STORE_CREATE, failure);
    OPENSSL_cleanse(location, strlen(location));
    free(location);
    if (sql->pg == NULL)
        return -1;
    sql->pg->set_up = set_up_table;
    return 0;
}

static int postgres_sink_open(struct sink **sink, const struct sink_address *address, struct failure *failure)
{
    struct sql_postgres *sql = calloc(1, sizeof(*sql));

    if (sql == NULL)
        return fail(failure, "memory is out");
    sql_hold_init(&sql->hold);
    if (connect_later(sql, address, failure) < 0) {
        postgres_sink_close(&sql->sink);
        return -1;
    }
    *sink = &sql->sink;
    return 0;
}

/* ---- writing ---- */

static void put_bytes(struct pg_array *array, const struct sql_bytes *bytes)
{
    if (bytes->at == NULL)
        pg_array_null(array);
    else
        pg_array_bytes(array, bytes->at, bytes->len);
}

static void put_number(struct pg_array *array, bool there, int64_t number)
{
    if (there)
        pg_array_number(array, number);
    else
        pg_array_null(array);
}

static void put_value(struct pg_array *arrays, const struct sql_row *row)
{
    if (row->has_value)
        pg_array_real(&arrays[VALUE], row->value);
    else
        pg_array_null(&arrays[VALUE]);
    put_number(&arrays[INTEGER], row->has_integer, row->integer);
    put_bytes(&arrays[TEXT], &row->text);
    put_bytes(&arrays[DATA], &row->data);
    put_number(&arrays[FORMAT], row->has_format, row->point->reading.format);
}

static void put_row(struct pg_array *arrays, const struct sql_row *row)
{
    const struct sink_point *point = row->point;

    pg_array_bytes(&arrays[DEVICE], point->device, strlen(point->device));
    pg_array_number(&arrays[TIME], pg_time_of(point->reading.time));
    put_number(&arrays[FAR], point->reading.time < PG_EARLIEST || point->reading.time == INT64_MAX,
               point->reading.time);
    put_bytes(&arrays[NAME], &row->name);
    put_bytes(&arrays[UNIT], &row->unit);
    pg_array_bytes(&arrays[TYPE], row->type, strlen(row->type));
    put_value(arrays, row);
    pg_array_number(&arrays[SEQ], (int64_t)point->piv);
    pg_array_number(&arrays[RECEIVED], pg_time_of(point->received));
    pg_array_number(&arrays[DEVICE_ID], point->device_id);
    pg_array_bytes(&arrays[CONTEXT], point->context, point->context_len);
    pg_array_number(&arrays[PLACE], point->index);
}

static int gather(struct sql_postgres *sql, const struct sink_batch *batch, struct pg_parameters *parameters,
                  struct failure *failure)
{
    for (int i = 0; i < COLUMNS; i++)
        pg_array_begin(&sql->arrays[i], types[i]);
    for (size_t i = 0; i < batch->count; i++) {
        struct sql_row row;
        int result = sql_row_of(&row, &batch->points[i]);
        if (result == 0)
            put_row(sql->arrays, &row);
        sql_row_wipe(&row);
        if (result != 0)
            return fail(failure, "memory is out");
    }
    for (int i = 0; i < COLUMNS; i++)
        if (pg_array_add(parameters, &sql->arrays[i], failure) != 0)
            return -1;
    return 0;
}

/* What these rows make impossible, and not the server's state: what an index or a type can not hold (54, 22),
 * and what somebody's own constraint or trigger refuses (23, P0001). */
static bool is_refusal(const char *state)
{
    return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 || strncmp(state, "54", 2) == 0 ||
           strcmp(state, "P0001") == 0;
}

static int write_rows(struct sql_postgres *sql, const struct sink_batch *batch, struct failure *failure)
{
    struct pg_parameters parameters = {.count = 0};
    PGresult *result;

    if (gather(sql, batch, &parameters, failure) != 0)
        return SINK_AWAY;
    if (!sql_hold_take(&sql->hold, PQsocket(sql->pg->conn))) {
        fail(failure, "the gateway is being stopped");
        return SINK_AWAY;
    }
    sql->pg->state[0] = '\0';
    result = pg_query(sql->pg, PG_FLAT_ADD, &parameters, what, failure);
    sql_hold_release(&sql->hold);
    PQclear(result);
    if (result != NULL)
        return SINK_WRITTEN;
    return is_refusal(sql->pg->state) ? SINK_REFUSED : SINK_AWAY;
}

/* A table that somebody has dropped is made again with the next connection. */
static void reconsider(struct postgres *pg)
{
    if (pg->conn == NULL || strcmp(pg->state, "42P01") != 0)
        return;
    PQfinish(pg->conn);
    pg->conn = NULL;
}

static int postgres_sink_write(struct sink *sink, const struct sink_batch *batch, struct failure *failure)
{
    struct sql_postgres *sql = (struct sql_postgres *)sink;
    int result = SINK_AWAY;

    if (postgres_connect(sql->pg, failure) == 0) {
        result = write_rows(sql, batch, failure);
        reconsider(sql->pg);
    }
    return result;
}

static void postgres_sink_interrupt(struct sink *sink)
{
    sql_hold_interrupt(&((struct sql_postgres *)sink)->hold);
}

const struct sink_ops sink_postgres = {
    .scheme = "postgres",
    .alias = "postgresql",
    .is_server = true,
    .open = postgres_sink_open,
    .write = postgres_sink_write,
    .interrupt = postgres_sink_interrupt,
    .close = postgres_sink_close,
};
