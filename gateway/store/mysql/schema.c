#include "gateway/store/mysql/mysql.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * Schema versions, forwards only: migration i brings version i to i + 1. A released one is never changed.
 *
 * A statement that makes a table commits by itself here, so a migration is not one transaction. It is safe
 * all the same: one program migrates at a time (GET_LOCK), the version is raised in the end, and every
 * statement may be run again. One that was ended half way is begun anew.
 *
 * Names are bytes (VARBINARY): they sort by them, whatever language the server speaks, "a" is not "a ", and
 * what is no UTF-8 stands as it came. Numbers of 64 bits without sign (bits) stand as the same bits, signed.
 *
 * A series keeps its device's name, because readings outlive their device. Its key is the SHA-256 of all that
 * tells it apart, because names may be longer than an index takes. `first` and `last` (microseconds since
 * 1970, whole hours around its readings) spare a search where it has none.
 *
 * A point is a reading; one of `number`, `whole` and `data` is its value (a text is in `data`: the series'
 * type says what it is; so are the bits of a number that the type DOUBLE does not have). A time outside of
 * the years 1000 to 9999 stands as the nearest that the type has, and in `beyond` as it is (otherwise that is
 * 0), so that (time, beyond) sorts as times do. `n` counts points in the order of their commits: who takes
 * some, from the number 'points', holds them back from others until its transaction ends.
 *
 * A device without a kid has no native credential. A context's `nth` counts the proofs of its device. `wires`
 * are devices' older wires; `grp` is the row of the group that a node belongs to, or 0; `device` is 0 where
 * it was removed; `closed` is an enum wire_closed. Of session ids the current one is neither retired nor
 * spent; `spent` counts up in a topic. 'wires' among the numbers counts the changes to both, and its row is
 * locked by whoever makes one; so is that of 'series_gone', shared, by who uses a series. The two numbers of
 * events are the last ids of their kind.
 *
 * `outbox` has the parcels that sinks have not confirmed; `all_points` and `all_bytes` count all that there
 * were, up to and including the row, and so do a sink's for what it has confirmed, and `outbox_end`.
 */
#define MAKE  "CREATE TABLE IF NOT EXISTS "
#define ID    "id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"
#define TABLE " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

/* A view needs no rights of whoever made it, who may be gone in a copy of the database. */
#define VIEW "CREATE OR REPLACE SQL SECURITY INVOKER VIEW "

static const char *const first[] = {
    MAKE "meta (name VARBINARY(64) NOT NULL PRIMARY KEY, value BLOB NOT NULL)" TABLE,
    MAKE "numbers (name VARBINARY(64) NOT NULL PRIMARY KEY, value BIGINT NOT NULL)" TABLE,
    "INSERT INTO numbers (name, value) VALUES ('generation', 1), ('floor', 0), ('issued_t', 0),"
    " ('series_gone', 0), ('probe', 0), ('wires', 0), ('points', 0), ('events_authentic', 0),"
    " ('events_other', 0) ON DUPLICATE KEY UPDATE value = value",

    MAKE "devices (" ID ", name VARBINARY(64) NOT NULL, kid VARBINARY(5), alg BIGINT NOT NULL,"
         " kind BIGINT NOT NULL, revoked TINYINT NOT NULL, exported BIGINT NOT NULL,"
         " created BIGINT NOT NULL, secret VARBINARY(255), lost BIGINT NOT NULL DEFAULT 0,"
         " UNIQUE KEY devices_name (name), UNIQUE KEY devices_kid (kid))" TABLE,
    MAKE "tombstones (kid VARBINARY(5) NOT NULL PRIMARY KEY, name VARBINARY(64) NOT NULL,"
         " removed BIGINT NOT NULL)" TABLE,
    MAKE "labels (device BIGINT NOT NULL, word VARBINARY(63) NOT NULL, value VARBINARY(255) NOT NULL,"
         " PRIMARY KEY (device, word))" TABLE,

    MAKE "contexts (device BIGINT NOT NULL, id_context VARBINARY(8) NOT NULL, proven TINYINT NOT NULL,"
         " proven_t BIGINT NOT NULL DEFAULT 0, closes_at BIGINT NOT NULL DEFAULT 0,"
         " top BIGINT NOT NULL DEFAULT 0, bits BIGINT NOT NULL DEFAULT 0, lower BIGINT NOT NULL DEFAULT 0,"
         " seen BIGINT NOT NULL DEFAULT 0, nth BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (device, id_context),"
         " KEY contexts_closing (closes_at))" TABLE,
    MAKE "gateway_ids (id VARBINARY(6) NOT NULL PRIMARY KEY, started BIGINT NOT NULL)" TABLE,

    MAKE "series (" ID ", device BIGINT NOT NULL, digest VARBINARY(32) NOT NULL,"
         " name VARBINARY(4096) NOT NULL, unit VARBINARY(4096) NOT NULL, type VARBINARY(16) NOT NULL,"
         " format BIGINT NOT NULL, device_name VARCHAR(64) NOT NULL, first BIGINT NOT NULL,"
         " last BIGINT NOT NULL, UNIQUE KEY series_digest (device, digest),"
         " KEY series_device (device_name), KEY series_last (last))" TABLE,
    MAKE "points (time DATETIME(6) NOT NULL, beyond BIGINT NOT NULL, n BIGINT NOT NULL,"
         " series BIGINT NOT NULL, piv BIGINT NOT NULL, received BIGINT NOT NULL, number DOUBLE,"
         " whole BIGINT, data LONGBLOB, PRIMARY KEY (time, beyond, n), UNIQUE KEY points_n (n),"
         " KEY points_series (series, time))" TABLE,
    VIEW "readings AS SELECT s.device_name AS device, p.time AS time, CONVERT(s.name USING utf8mb4) AS name,"
         " COALESCE(p.number, p.whole) AS value, CONVERT(s.unit USING utf8mb4) AS unit,"
         " CASE WHEN s.type = 'text' THEN CONVERT(p.data USING utf8mb4) END AS text,"
         " p.whole AS `integer`,"
         " CASE WHEN s.type IN ('data', 'payload', 'undecoded') THEN p.data END AS data,"
         " CONVERT(s.type USING utf8mb4) AS type, s.format AS format, p.piv AS seq,"
         " TIMESTAMPADD(MICROSECOND, p.received, TIMESTAMP'1970-01-01 00:00:00') AS received"
         " FROM points p JOIN series s ON s.id = p.series",

    MAKE "events (authentic TINYINT NOT NULL, id BIGINT NOT NULL, time DATETIME(6) NOT NULL,"
         " kind VARBINARY(64) NOT NULL, device BIGINT NOT NULL, device_name VARBINARY(64) NOT NULL,"
         " source BLOB NOT NULL, detail BLOB NOT NULL, PRIMARY KEY (authentic, id),"
         " KEY events_time (time, authentic, id))" TABLE,

    MAKE "wires (" ID ", device BIGINT NOT NULL, grp BIGINT NOT NULL, wire VARBINARY(15) NOT NULL,"
         " route VARBINARY(255) NOT NULL, session_topic VARBINARY(255) NOT NULL,"
         " node VARBINARY(62) NOT NULL, reading_name VARBINARY(255) NOT NULL, flags BIGINT NOT NULL,"
         " lifetime BIGINT NOT NULL, grace BIGINT NOT NULL, packed VARBINARY(1024) NOT NULL,"
         " number BIGINT NOT NULL DEFAULT 0, messages BIGINT NOT NULL DEFAULT 0,"
         " hashes BIGINT NOT NULL DEFAULT 0, seen BIGINT NOT NULL DEFAULT 0,"
         " closed BIGINT NOT NULL DEFAULT 0, KEY wires_device (device),"
         " KEY wires_route (wire, route, grp), KEY wires_node (grp, node))" TABLE,
    MAKE "wire_hashes (wire BIGINT NOT NULL, hash VARBINARY(32) NOT NULL, PRIMARY KEY (wire, hash))" TABLE,
    MAKE "session_ids (n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, topic VARBINARY(255) NOT NULL,"
         " id VARBINARY(32) NOT NULL, issued BIGINT NOT NULL, retired BIGINT NOT NULL DEFAULT 0,"
         " spent BIGINT NOT NULL DEFAULT 0, hash VARBINARY(32), UNIQUE KEY session_ids_id (topic, id))" TABLE,

    MAKE "outbox (n BIGINT NOT NULL PRIMARY KEY, received BIGINT NOT NULL, points BIGINT NOT NULL,"
         " all_points BIGINT NOT NULL, all_bytes BIGINT NOT NULL, parcel LONGBLOB NOT NULL)" TABLE,
    MAKE "outbox_end (one TINYINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL, points BIGINT NOT NULL,"
         " bytes BIGINT NOT NULL)" TABLE,
    "INSERT INTO outbox_end (one, n, points, bytes) VALUES (1, 0, 0, 0) ON DUPLICATE KEY UPDATE one = one",
    MAKE "sinks (name VARBINARY(255) NOT NULL PRIMARY KEY, n BIGINT NOT NULL, points BIGINT NOT NULL,"
         " bytes BIGINT NOT NULL, added BIGINT NOT NULL, confirmed BIGINT NOT NULL DEFAULT 0,"
         " lost BIGINT NOT NULL DEFAULT 0, refused BIGINT NOT NULL DEFAULT 0,"
         " holder VARBINARY(32) NOT NULL DEFAULT X'', lease BIGINT NOT NULL DEFAULT 0)" TABLE,
    NULL,
};

static const char *const *const migrations[] = {first};

_Static_assert(MYSQL_SCHEMA == sizeof(migrations) / sizeof(migrations[0]), "a migration has its version");

static const char what[] = "bring the database up to date";

#define MIGRATE_WAIT 60 /* seconds until another program has done it */

/* The number that a query gives, or `otherwise` where it gives none; -1 with the failure. */
static int read_number(struct mysql *my, const char *sql, int otherwise, struct failure *failure)
{
    struct mq_result result;

    if (mq_text_query(my, sql, &result, what, failure) != 0)
        return -1;
    int number = mq_next(&result) && !mq_is_null(&result, 0) ? (int)mq_get_number(&result, 0) : otherwise;
    mq_clear(&result);
    return number;
}

#define OF_THIS_DATABASE "FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name "

int maria_schema_version(struct mysql *my, struct failure *failure)
{
    int there = read_number(my, "SELECT COUNT(*) " OF_THIS_DATABASE "= 'bulla_schema'", 0, failure);

    return there <= 0 ? there : read_number(my, "SELECT version FROM bulla_schema", 0, failure);
}

static int check_version(struct mysql *my, int version, struct failure *failure)
{
    if (version <= MYSQL_SCHEMA)
        return version;
    return fail(failure,
                "the database was written by a newer bulla: its schema is version %d, this program knows "
                "versions up to %d; install the newer program (%s)",
                version, MYSQL_SCHEMA, my->label);
}

/* Our first table says that the others are ours as well. */
static int begin_schema(struct mysql *my, struct failure *failure)
{
    int there = read_number(my, "SELECT COUNT(*) " OF_THIS_DATABASE "= 'bulla_schema'", 0, failure);
    int others =
        there != 0 ? 0
                   : read_number(
                         my,
                         "SELECT COUNT(*) " OF_THIS_DATABASE
                         "IN ('meta', 'numbers', 'devices', 'tombstones', 'labels',"
                         " 'contexts', 'gateway_ids', 'series', 'points', 'readings',"
                         " 'events', 'wires', 'wire_hashes', 'session_ids', 'outbox', 'outbox_end', 'sinks')",
                         0, failure);

    if (there < 0 || others < 0)
        return -1;
    if (others > 0)
        return fail(failure,
                    "cannot %s: something else lies in it under the names of bulla's tables; give bulla a "
                    "database of its own (%s)",
                    what, my->label);
    if (mq_text_run(my,
                    MAKE "bulla_schema (one TINYINT NOT NULL PRIMARY KEY, version INT NOT NULL)" TABLE
                         " COMMENT 'made and kept up to date by bulla; leave it alone'",
                    what, failure) != 0)
        return -1;
    return mq_text_run(my,
                       "INSERT INTO bulla_schema (one, version) VALUES (1, 0)"
                       " ON DUPLICATE KEY UPDATE version = version",
                       what, failure);
}

static int apply(struct mysql *my, int version, struct failure *failure)
{
    char sql[64];

    if (version == 0 && begin_schema(my, failure) != 0)
        return -1;
    for (; version < MYSQL_SCHEMA; version++) {
        for (const char *const *sql_of = migrations[version]; *sql_of != NULL; sql_of++)
            if (mq_text_run(my, *sql_of, what, failure) != 0)
                return -1;
        snprintf(sql, sizeof(sql), "UPDATE bulla_schema SET version = %d", version + 1);
        if (mq_text_run(my, sql, what, failure) != 0)
            return -1;
    }
    return version;
}

/* In short waits, because a long one would look like a server that has gone. */
static int take_lock(struct mysql *my, struct failure *failure)
{
    for (int i = 0; i < MIGRATE_WAIT; i++) {
        int taken = read_number(my, "SELECT GET_LOCK(" MQ_LOCK("schema") ", 1)", 0, failure);
        if (taken != 0)
            return taken < 0 ? -1 : 0;
    }
    return fail(failure, "cannot %s: another program has been at it for a minute; try again later (%s)", what,
                my->label);
}

/* One at a time: whoever waited finds it done. */
static int migrate(struct mysql *my, struct failure *failure)
{
    if (take_lock(my, failure) != 0)
        return -1;
    int version = maria_schema_version(my, failure);
    if (version >= 0)
        version = check_version(my, version, failure);
    if (version >= 0 && version < MYSQL_SCHEMA) {
        my->unhurried = true;
        version = apply(my, version, failure);
        my->unhurried = false;
    }
    struct failure unused;
    if (maria_is_connected(my))
        (void)read_number(my, "SELECT RELEASE_LOCK(" MQ_LOCK("schema") ")", 0,
                          version < 0 ? &unused : failure);
    return version < 0 ? -1 : 0;
}

/* What a server without InnoDB, or a person, has made of our tables could be neither rolled back nor locked.
 */
static int check_engines(struct mysql *my, struct failure *failure)
{
    int others = read_number(my,
                             "SELECT COUNT(*) " OF_THIS_DATABASE
                             "IN ('contexts', 'points', 'numbers', 'devices', 'series', 'wires')"
                             " AND engine != 'InnoDB'",
                             0, failure);

    if (others > 0)
        return fail(failure,
                    "tables of the database are not kept by InnoDB, so what is written can be half written: "
                    "ALTER TABLE … ENGINE=InnoDB (%s)",
                    my->label);
    return others;
}

int maria_schema_open(struct mysql *my, struct failure *failure)
{
    int version = maria_schema_version(my, failure);

    if (version > 0)
        version = check_version(my, version, failure);
    if (version < 0)
        return -1;
    if (version == 0 && !store_may_be_made(my->mode))
        return fail(
            failure,
            "there is no bulla database yet (%s): 'bulla serve' or 'bulla device add' makes it; is the "
            "URL right?",
            my->label);
    if (version != MYSQL_SCHEMA && migrate(my, failure) != 0)
        return -1;
    return check_engines(my, failure);
}
