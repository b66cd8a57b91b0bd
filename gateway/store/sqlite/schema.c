#include "gateway/store/sqlite/sqlite.h"

#include <stdio.h>

/* In the file's header (PRAGMA application_id): "bul1". */
#define APPLICATION_ID 0x62756c31

/*
 * Schema versions, forwards only: entry i brings version i to i + 1. A released entry is never changed.
 *
 * Numbers of 64 bits without sign (bits) stand as the same bits, signed. Columns of values have no type, so
 * SQLite keeps them exactly as they were bound. A series keeps its device's name, because readings outlive
 * their device; `first` and `last` (whole hours around its readings) spare a search where it has none. `n`
 * tells apart readings of the same microsecond, `delay` is the time of reception minus `time`. Readings that
 * came late (or from the future) stand in an index by reception, so that whoever follows new readings finds
 * them; the others are found by their time, and cost no index. 'series_gone' counts how often series were
 * deleted.
 *
 * A device without a kid has no native credential. `wires` are devices' older wires; `grp` is the row of the
 * group that a node belongs to, or 0; `device` is 0 where it was removed; `closed` is an enum wire_closed. Of
 * session ids the current one is neither retired nor spent; `spent` counts up in a topic. 'wires' in meta
 * counts the changes to both.
 *
 * `points` are the readings, and `readings` is how people see them (`readings_readable` is its older name).
 * `outbox` has the parcels that sinks have not confirmed; `all_points` and `all_bytes` count all that there
 * were, up to and including the row, and so do a sink's for what it has confirmed. Where there are no rows,
 * the outbox's end is where the sink is that is furthest: all of them have passed what there was.
 */
static const char *const migrations[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('generation', 1), ('floor', 0);"

    "CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " kid BLOB NOT NULL UNIQUE, alg INTEGER NOT NULL, kind INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " exported INTEGER NOT NULL, created INTEGER NOT NULL, secret BLOB NOT NULL);"

    "CREATE TABLE tombstones (kid BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, removed INTEGER NOT NULL)"
    " WITHOUT ROWID;"

    "CREATE TABLE contexts (device INTEGER NOT NULL, id_context BLOB NOT NULL, proven INTEGER NOT NULL,"
    " proven_t INTEGER NOT NULL DEFAULT 0, closes_at INTEGER NOT NULL DEFAULT 0,"
    " top INTEGER NOT NULL DEFAULT 0, bits INTEGER NOT NULL DEFAULT 0, lower INTEGER NOT NULL DEFAULT 0,"
    " seen INTEGER NOT NULL DEFAULT 0, rank INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (device, id_context)) WITHOUT ROWID;"
    "CREATE INDEX contexts_closing ON contexts (closes_at) WHERE closes_at != 0;"

    "CREATE TABLE gateway_ids (id BLOB PRIMARY KEY NOT NULL, started INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, name TEXT NOT NULL,"
    " unit TEXT NOT NULL, type TEXT NOT NULL, format INTEGER NOT NULL, device_name TEXT NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL, UNIQUE (device, name, unit, type, format));"

    "CREATE TABLE readings (time INTEGER NOT NULL, n INTEGER NOT NULL, series INTEGER NOT NULL,"
    " value, piv INTEGER NOT NULL, delay INTEGER NOT NULL, PRIMARY KEY (time, n)) WITHOUT ROWID;"

    "CREATE VIEW readings_readable AS SELECT s.device_name AS device,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', r.time / 1000000.0, 'unixepoch') AS time, s.name AS name,"
    " r.value AS value, s.unit AS unit, s.type AS type, s.format AS format, r.piv AS seq, r.time AS time_us,"
    " r.time + r.delay AS received_us FROM readings r JOIN series s ON s.id = r.series;"

    "CREATE TABLE events (authentic INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER NOT NULL,"
    " kind TEXT NOT NULL, device INTEGER NOT NULL, device_name TEXT NOT NULL, source TEXT NOT NULL,"
    " detail TEXT NOT NULL, PRIMARY KEY (authentic, id)) WITHOUT ROWID;"
    "CREATE INDEX events_time ON events (time);",

    "CREATE TABLE labels (device INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (device, key)) WITHOUT ROWID;"
    "ALTER TABLE devices ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX readings_late ON readings (time + delay) WHERE delay NOT BETWEEN -15000000 AND 15000000;"
    "CREATE INDEX series_last ON series (last);"
    "INSERT INTO meta VALUES ('series_gone', 0);",

    /* Anew, since a column's NOT NULL cannot be taken away. The ids given out so far go over with the table.
     */
    "CREATE TABLE devices_new (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " kid BLOB UNIQUE, alg INTEGER NOT NULL, kind INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " exported INTEGER NOT NULL, created INTEGER NOT NULL, secret BLOB, lost INTEGER NOT NULL DEFAULT 0);"
    "INSERT INTO devices_new (id, name, kid, alg, kind, revoked, exported, created, secret, lost)"
    " SELECT id, name, kid, alg, kind, revoked, exported, created, secret, lost FROM devices;"
    "DELETE FROM sqlite_sequence WHERE name = 'devices_new';"
    "UPDATE sqlite_sequence SET name = 'devices_new' WHERE name = 'devices';"
    "DROP TABLE devices;"
    "ALTER TABLE devices_new RENAME TO devices;"

    "CREATE TABLE wires (id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, grp INTEGER NOT NULL,"
    " wire TEXT NOT NULL, route TEXT NOT NULL, session_topic TEXT NOT NULL, node TEXT NOT NULL,"
    " reading_name TEXT NOT NULL, flags INTEGER NOT NULL, lifetime INTEGER NOT NULL, grace INTEGER NOT NULL,"
    " keys BLOB NOT NULL, number INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0,"
    " hashes INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 0, closed INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX wires_device ON wires (device);"
    "CREATE INDEX wires_route ON wires (wire, route, grp);"
    "CREATE INDEX wires_node ON wires (grp, node);"
    "CREATE TABLE wire_hashes (wire INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (wire, hash)) WITHOUT "
    "ROWID;"
    "CREATE TABLE session_ids (n INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, id TEXT NOT NULL,"
    " issued INTEGER NOT NULL, retired INTEGER NOT NULL DEFAULT 0, spent INTEGER NOT NULL DEFAULT 0, hash "
    "BLOB,"
    " UNIQUE (topic, id));"
    "INSERT INTO meta VALUES ('wires', 0);",

    "DROP VIEW readings_readable;"
    "ALTER TABLE readings RENAME TO points;"
    "CREATE VIEW readings AS SELECT s.device_name AS device,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', p.time / 1000000.0, 'unixepoch') AS time, s.name AS name,"
    " p.value AS value, s.unit AS unit, s.type AS type, s.format AS format, p.piv AS seq, p.time AS time_us,"
    " p.time + p.delay AS received_us FROM points p JOIN series s ON s.id = p.series;"
    "CREATE VIEW readings_readable AS SELECT * FROM readings;"

    "CREATE TABLE outbox (n INTEGER PRIMARY KEY, received INTEGER NOT NULL, points INTEGER NOT NULL,"
    " all_points INTEGER NOT NULL, all_bytes INTEGER NOT NULL, parcel BLOB NOT NULL);"
    "CREATE TABLE sinks (name TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL, points INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, added INTEGER NOT NULL, confirmed INTEGER NOT NULL DEFAULT 0,"
    " lost INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, holder TEXT NOT NULL DEFAULT '',"
    " lease INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;",
};

#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static int read_number(struct sqlite *sqlite, const char *sql, int *number, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;

    if (sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        *number = sqlite3_column_int(statement, 0);
    else
        result = sqlite_fail(sqlite, "read the database", failure);
    sqlite3_finalize(statement);
    return result;
}

static int check_version(struct sqlite *sqlite, int version, struct failure *failure)
{
    if (version <= SCHEMA_VERSION)
        return 0;
    return fail(failure,
                "the database %s was written by a newer bulla: its schema is version %d, this program knows "
                "versions up to %d; install the newer program",
                sqlite->path, version, SCHEMA_VERSION);
}

int sqlite_identify_own(struct sqlite *sqlite, struct failure *failure)
{
    int application = 0;
    int tables = 0;

    if (read_number(sqlite, "PRAGMA application_id", &application, failure) != 0 ||
        read_number(sqlite, "SELECT count(*) FROM sqlite_schema", &tables, failure) != 0)
        return -1;
    if (application == APPLICATION_ID)
        return 0;
    if (application == 0 && tables == 0)
        return fail(failure,
                    "%s is an empty file, not a database: is the path right? If it is, remove the file",
                    sqlite->path);
    return fail(failure, "%s is an SQLite database of another program; it was left alone", sqlite->path);
}

int sqlite_identify(struct sqlite *sqlite, struct failure *failure)
{
    int version = 0;

    if (sqlite_identify_own(sqlite, failure) != 0 ||
        read_number(sqlite, "PRAGMA user_version", &version, failure) != 0)
        return -1;
    return check_version(sqlite, version, failure);
}

int sqlite_schema_is_current(struct sqlite *sqlite, int *version, struct failure *failure)
{
    if (read_number(sqlite, "PRAGMA user_version", version, failure) != 0)
        return -1;
    return *version == SCHEMA_VERSION;
}

static int apply(struct sqlite *sqlite, int version, struct failure *failure)
{
    char header[96];

    for (; version < SCHEMA_VERSION; version++)
        if (sqlite3_exec(sqlite->db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
            return sqlite_fail(sqlite, "bring the database up to date", failure);
    snprintf(header, sizeof(header), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             SCHEMA_VERSION);
    if (sqlite3_exec(sqlite->db, header, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fail(sqlite, "bring the database up to date", failure);
    return 0;
}

int sqlite_migrate(struct sqlite *sqlite, struct failure *failure)
{
    static const char what[] = "bring the database up to date";
    int version = 0;

    if (read_number(sqlite, "PRAGMA user_version", &version, failure) != 0)
        return -1;
    if (version == SCHEMA_VERSION)
        return 0;
    if (sqlite_begin(sqlite, what, failure) != 0)
        return -1;
    /* Another process may have been faster: what counts is what the transaction sees. */
    int result = read_number(sqlite, "PRAGMA user_version", &version, failure);
    if (result == 0)
        result = check_version(sqlite, version, failure);
    if (result == 0)
        result = apply(sqlite, version, failure);
    return sqlite_end(sqlite, result, what, failure);
}
