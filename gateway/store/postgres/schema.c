#include "gateway/store/postgres/postgres.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Schema versions, forwards only: entry i brings version i to i + 1. A released entry is never changed.
 *
 * Everything lies in one schema, the first of the search path. Numbers of 64 bits without sign (bits) stand
 * as the same bits, signed. Names sort by their bytes (COLLATE "C"), whatever language the database speaks.
 *
 * A series keeps its device's name, because readings outlive their device. Its key is the SHA-256 of all that
 * tells it apart, because names may be longer than an index takes; what of name and unit is no text for
 * PostgreSQL stands in `…_bytes` as it came, and in `name` and `unit` as well as it can be shown. `first` and
 * `last` (microseconds since 1970, whole hours around its readings) spare a search where it has none.
 *
 * A point is a reading; one of `number`, `whole`, `text` and `data` is its value. `tx` is the transaction
 * that wrote it and `k` its place there: they tell apart points of one microsecond, and show who follows new
 * points what is new, by an index that costs next to nothing (BRIN: rows lie in that order). A time before
 * the year 4714 BC stands as -infinity, and as it is in `early` (hypertable.c says which others do).
 *
 * A device without a kid has no native credential. `wires` are devices' older wires; `grp` is the row of the
 * group that a node belongs to, or 0; `device` is 0 where it was removed; `closed` is an enum wire_closed. Of
 * session ids the current one is neither retired nor spent; `spent` counts up in a topic. 'wires' among the
 * numbers counts the changes to both, and its row is locked by whoever makes one.
 *
 * `outbox` has the parcels that sinks have not confirmed; `all_points` and `all_bytes` count all that there
 * were, up to and including the row, and so do a sink's for what it has confirmed.
 */
static const char *const migrations[] = {
    "CREATE TABLE bulla_schema (version integer NOT NULL);"
    "INSERT INTO bulla_schema VALUES (0);"
    "COMMENT ON TABLE bulla_schema IS 'made and kept up to date by bulla; leave it alone';"

    "CREATE TABLE meta (name text COLLATE \"C\" PRIMARY KEY, value bytea NOT NULL);"
    "CREATE TABLE numbers (name text COLLATE \"C\" PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = "
    "10);"
    "INSERT INTO numbers VALUES ('generation', 1), ('floor', 0), ('issued_t', 0), ('series_gone', 0),"
    " ('probe', 0);"

    "CREATE TABLE devices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text COLLATE \"C\" NOT NULL UNIQUE, kid bytea NOT NULL UNIQUE, alg bigint NOT NULL,"
    " kind bigint NOT NULL, revoked boolean NOT NULL, exported bigint NOT NULL, created bigint NOT NULL,"
    " secret bytea NOT NULL, lost bigint NOT NULL DEFAULT 0);"
    "CREATE TABLE tombstones (kid bytea PRIMARY KEY, name text COLLATE \"C\" NOT NULL,"
    " removed bigint NOT NULL);"
    "CREATE TABLE labels (device bigint NOT NULL, key text COLLATE \"C\" NOT NULL,"
    " value text COLLATE \"C\" NOT NULL, PRIMARY KEY (device, key));"

    "CREATE TABLE contexts (device bigint NOT NULL, id_context bytea NOT NULL, proven boolean NOT NULL,"
    " proven_t bigint NOT NULL DEFAULT 0, closes_at bigint NOT NULL DEFAULT 0,"
    " top bigint NOT NULL DEFAULT 0, bits bigint NOT NULL DEFAULT 0, lower bigint NOT NULL DEFAULT 0,"
    " seen bigint NOT NULL DEFAULT 0, rank bigint NOT NULL DEFAULT 0,"
    " PRIMARY KEY (device, id_context)) WITH (fillfactor = 50);"
    "CREATE INDEX contexts_closing ON contexts (closes_at) WHERE closes_at != 0;"
    "CREATE TABLE gateway_ids (id bytea PRIMARY KEY, started bigint NOT NULL);"

    "CREATE TABLE series (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device bigint NOT NULL,"
    " key bytea NOT NULL, name text COLLATE \"C\" NOT NULL, unit text COLLATE \"C\" NOT NULL,"
    " name_bytes bytea, unit_bytes bytea, type text COLLATE \"C\" NOT NULL, format bigint NOT NULL,"
    " device_name text COLLATE \"C\" NOT NULL, first bigint NOT NULL, last bigint NOT NULL,"
    " UNIQUE (device, key));"
    "CREATE INDEX series_device ON series (device_name);"
    "CREATE INDEX series_last ON series (last);"

    "CREATE TABLE points (time timestamptz NOT NULL, tx bigint NOT NULL, series bigint NOT NULL,"
    " piv bigint NOT NULL, received timestamptz NOT NULL, early bigint, number double precision,"
    " whole bigint, k integer NOT NULL, text text, data bytea, PRIMARY KEY (time, tx, k));"
    "CREATE INDEX points_tx ON points USING brin (tx) WITH (pages_per_range = 16, autosummarize = on);"

    "CREATE VIEW readings AS SELECT s.device_name AS device, p.time, s.name,"
    " coalesce(p.number, p.whole::double precision) AS value, s.unit, p.text, p.whole AS integer, p.data,"
    " s.type, s.format, p.piv AS seq, p.received FROM points p JOIN series s ON s.id = p.series;"

    "CREATE TABLE events (authentic boolean NOT NULL, id bigint NOT NULL, time timestamptz NOT NULL,"
    " kind text COLLATE \"C\" NOT NULL, device bigint NOT NULL, device_name text COLLATE \"C\" NOT NULL,"
    " source text NOT NULL, detail text NOT NULL, PRIMARY KEY (authentic, id));"
    "CREATE INDEX events_time ON events (time);"
    "CREATE SEQUENCE events_authentic; CREATE SEQUENCE events_other;",

    "ALTER TABLE devices ALTER kid DROP NOT NULL, ALTER secret DROP NOT NULL;"
    "CREATE TABLE wires (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device bigint NOT NULL,"
    " grp bigint NOT NULL, wire text COLLATE \"C\" NOT NULL, route text COLLATE \"C\" NOT NULL,"
    " session_topic text COLLATE \"C\" NOT NULL, node text COLLATE \"C\" NOT NULL,"
    " reading_name text COLLATE \"C\" NOT NULL, flags bigint NOT NULL, lifetime bigint NOT NULL,"
    " grace bigint NOT NULL, keys bytea NOT NULL, number bigint NOT NULL DEFAULT 0,"
    " stored bigint NOT NULL DEFAULT 0, hashes bigint NOT NULL DEFAULT 0, seen bigint NOT NULL DEFAULT 0,"
    " closed bigint NOT NULL DEFAULT 0);"
    "CREATE INDEX wires_device ON wires (device);"
    "CREATE INDEX wires_route ON wires (wire, route, grp);"
    "CREATE INDEX wires_node ON wires (grp, node);"
    "CREATE TABLE wire_hashes (wire bigint NOT NULL, hash bytea NOT NULL, PRIMARY KEY (wire, hash));"
    "CREATE TABLE session_ids (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " topic text COLLATE \"C\" NOT NULL, id text COLLATE \"C\" NOT NULL, issued bigint NOT NULL,"
    " retired bigint NOT NULL DEFAULT 0, spent bigint NOT NULL DEFAULT 0, hash bytea, UNIQUE (topic, id));"
    "INSERT INTO numbers VALUES ('wires', 0);",

    "CREATE TABLE outbox (n bigint PRIMARY KEY, received bigint NOT NULL, points bigint NOT NULL,"
    " all_points bigint NOT NULL, all_bytes bigint NOT NULL, parcel bytea NOT NULL);"
    "ALTER TABLE outbox ALTER parcel SET STORAGE EXTERNAL;"
    "CREATE TABLE outbox_end (n bigint NOT NULL, points bigint NOT NULL, bytes bigint NOT NULL)"
    " WITH (fillfactor = 10);"
    "INSERT INTO outbox_end VALUES (0, 0, 0);"
    "CREATE TABLE sinks (name text COLLATE \"C\" PRIMARY KEY, n bigint NOT NULL, points bigint NOT NULL,"
    " bytes bigint NOT NULL, added bigint NOT NULL, confirmed bigint NOT NULL DEFAULT 0,"
    " lost bigint NOT NULL DEFAULT 0, refused bigint NOT NULL DEFAULT 0, holder text NOT NULL DEFAULT '',"
    " lease bigint NOT NULL DEFAULT 0) WITH (fillfactor = 10);",
};

_Static_assert(POSTGRES_SCHEMA == sizeof(migrations) / sizeof(migrations[0]), "a migration has its version");

static const char what[] = "bring the database up to date";

/* A result of the one statement, or of the last of several; NULL with the failure. */
static PGresult *execute(struct postgres *pg, const char *sql, int64_t patience, struct failure *failure)
{
    PGresult *result = postgres_execute(pg, sql, patience);
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    postgres_fail(pg, result, what, failure);
    PQclear(result);
    return NULL;
}

static int run(struct postgres *pg, const char *sql, struct failure *failure)
{
    PGresult *result = execute(pg, sql, PG_FOR_EVER, failure); /* a migration may take its time */

    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* The number that a query gives (in text), or `otherwise` where it gives none; -1 with the failure. */
static int read_number(struct postgres *pg, const char *sql, int otherwise, struct failure *failure)
{
    PGresult *result = execute(pg, sql, PG_ANSWER_WAIT, failure);
    int number = otherwise;

    if (result == NULL)
        return -1;
    if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        number = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

int postgres_schema_version(struct postgres *pg, struct failure *failure)
{
    int there = read_number(pg,
                            "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"
                            " AND tablename = 'bulla_schema'",
                            0, failure);

    return there <= 0 ? there : read_number(pg, "SELECT version FROM bulla_schema", 0, failure);
}

static int check_version(struct postgres *pg, int version, struct failure *failure)
{
    if (version <= POSTGRES_SCHEMA)
        return version;
    return fail(failure,
                "the database was written by a newer bulla: its schema is version %d, this program knows "
                "versions up to %d; install the newer program (%s)",
                version, POSTGRES_SCHEMA, pg->label);
}

static int apply(struct postgres *pg, int version, struct failure *failure)
{
    char sql[64];

    for (; version < POSTGRES_SCHEMA; version++)
        if (run(pg, migrations[version], failure) != 0)
            return -1;
    snprintf(sql, sizeof(sql), "UPDATE bulla_schema SET version = %d", POSTGRES_SCHEMA);
    return run(pg, sql, failure);
}

/* One at a time: whoever waited finds it done. */
static int migrate(struct postgres *pg, struct failure *failure)
{
    int version = -1;

    if (run(pg, "BEGIN; SET LOCAL lock_timeout = 60000; SELECT pg_advisory_xact_lock(" PG_LOCK_MIGRATE ")",
            failure) == 0)
        version = postgres_schema_version(pg, failure);
    if (version >= 0)
        version = check_version(pg, version, failure);
    if (version >= 0 && version < POSTGRES_SCHEMA)
        version = apply(pg, version, failure);
    if (version >= 0)
        return run(pg, "COMMIT", failure);
    pg_rollback(pg);
    return -1;
}

int postgres_schema_there(struct postgres *pg, struct failure *failure)
{
    int there = read_number(pg, "SELECT 1 WHERE current_schema() IS NOT NULL", 0, failure);

    if (there == 0)
        return fail(failure,
                    "the schema that search_path names is not there, or this role may not use it (%s)",
                    pg->label);
    return there < 0 ? -1 : 0;
}

int postgres_schema_open(struct postgres *pg, struct failure *failure)
{
    int version = postgres_schema_version(pg, failure);

    if (version > 0)
        version = check_version(pg, version, failure);
    if (version < 0)
        return -1;
    if (version == 0 && !store_may_be_made(pg->mode))
        return fail(
            failure,
            "there is no bulla database yet (%s): 'bulla serve' or 'bulla device add' makes it; is the "
            "URL right?",
            pg->label);
    return version == POSTGRES_SCHEMA ? 0 : migrate(pg, failure);
}
