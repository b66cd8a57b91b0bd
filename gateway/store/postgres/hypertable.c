/*
 * TimescaleDB: where the extension is in the database, `points` is one of its hypertables, parted by `time`.
 * Its rules fit: a unique key has to hold the column that parts the table, and ours is (time, tx, k).
 *
 * A chunk is a table, and the time of a reading is whatever its device says: so that no device makes
 * thousands of tables, or a time that no chunk can have (which would fail the batches of others), what is out
 * of PG_CHUNKS_FROM to PG_CHUNKS_TO stands as -infinity, which all have in common, and as it is in `early`.
 *
 * Becoming one takes as long as copying all points, and every connection has to know of it: so it is done at
 * an opening at which nobody else has the database open, and under the lock that keeps others out meanwhile.
 *
 * Detected by the catalog alone (pg_extension, and the extension's own view), so that a test may enter a
 * stand-in there without putting files into the server's folders.
 */
#include "gateway/store/postgres/postgres.h"

#include <stdio.h>

static const char what[] = "make a hypertable of points";

static const char is_installed[] = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'";

static const char is_hypertable[] = "SELECT 1 FROM timescaledb_information.hypertables"
                                    " WHERE hypertable_schema = current_schema()"
                                    " AND hypertable_name = 'points'";

static const char alone[] = "SELECT 1 WHERE pg_try_advisory_lock(" PG_LOCK_USE ")";
static const char not_alone[] = "SELECT pg_advisory_unlock(" PG_LOCK_USE ")";

/* In its own form of before 2.13, which all versions have; wherever the extension lies. */
static const char become_one[] =
    "BEGIN;"
    "UPDATE points SET early = CASE time WHEN 'infinity' THEN 9223372036854775807"
    " ELSE (extract(epoch FROM time) * 1000000)::bigint END, time = '-infinity'"
    " WHERE time >= '" PG_CHUNKS_TO "' OR (time < '" PG_CHUNKS_FROM "' AND time > '-infinity');"
    "DO $$ BEGIN EXECUTE (SELECT format('SELECT %I.create_hypertable(''points''::regclass, ''time''::name,"
    " chunk_time_interval => interval ''7 days'', create_default_indexes => false, migrate_data => true)',"
    " n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    " WHERE e.extname = 'timescaledb'); END $$;"
    "COMMIT";

/* 1 there is a row, 0 none, -1 with the failure. */
static int ask(struct postgres *pg, const char *sql, int64_t patience, struct failure *failure)
{
    PGresult *result = postgres_execute(pg, sql, patience);
    ExecStatusType status = PQresultStatus(result);
    int found = PQntuples(result) > 0;

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        postgres_fail(pg, result, what, failure);
        found = -1;
    }
    PQclear(result);
    return found;
}

/* 0 done, 1 somebody else has the database open: not now. */
static int try_to_become_one(struct postgres *pg, struct failure *failure)
{
    struct failure unsaid;
    int taken = ask(pg, alone, PG_ANSWER_WAIT, failure);

    if (taken <= 0)
        return taken < 0 ? -1 : 1;
    int done = ask(pg, become_one, PG_FOR_EVER, failure);
    if (done < 0)
        pg_rollback(pg);
    if (pg->conn != NULL && ask(pg, not_alone, PG_ANSWER_WAIT, &unsaid) < 0) {
        PQfinish(pg->conn); /* and the lock goes with it */
        pg->conn = NULL;
        *failure = unsaid;
        done = -1;
    }
    return done < 0 ? -1 : 0;
}

int postgres_hypertable_open(struct postgres *pg, struct failure *failure)
{
    int there = ask(pg, is_installed, PG_ANSWER_WAIT, failure);
    int is_one = there > 0 ? ask(pg, is_hypertable, PG_ANSWER_WAIT, failure) : there;

    pg->hypertable = is_one > 0;
    if (there < 0 || is_one < 0)
        return -1;
    if (there == 0 || is_one > 0 || pg->mode != STORE_CREATE)
        return 0;
    switch (try_to_become_one(pg, failure)) {
    case 0:
        pg->hypertable = true;
        return 0;
    case 1:
        if (pg->caution[0] == '\0')
            snprintf(
                pg->caution, sizeof(pg->caution),
                "TimescaleDB is there, but points becomes a hypertable only at a start at which nobody else "
                "has the database open");
        return 0;
    default:
        return -1;
    }
}
