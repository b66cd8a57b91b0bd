/*
 * SQLite's migrations: a database that version 1 of the schema made, with what it held, is brought up to
 * date, keeps everything, and is used as if it were new.
 */
#include "store_fixture.h"

#include <string.h>

#include "store_schema_3.h"

/* As the program of that time wrote it; one reading was made a late one. */
static const char version_1[] =
    "PRAGMA application_id = 1651862577; PRAGMA user_version = 1; BEGIN;"
    "CREATE TABLE contexts (device INTEGER NOT NULL, id_context BLOB NOT NULL, proven "
    "INTEGER NOT NULL, proven_t INTEGER NOT NULL DEFAULT 0, closes_at INTEGER NOT NULL "
    "DEFAULT 0, top INTEGER NOT NULL DEFAULT 0, bits INTEGER NOT NULL DEFAULT 0, lower "
    "INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 0, rank INTEGER NOT NULL "
    "DEFAULT 0, PRIMARY KEY (device, id_context)) WITHOUT ROWID;"
    "INSERT INTO contexts VALUES(1,X'797D2C5DADBA7E58',1,7012935,0,1,1,1,1795311428456912,1);"
    "INSERT INTO contexts VALUES(2,X'',1,0,0,0,0,0,0,0);"
    "CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
    "kid BLOB NOT NULL UNIQUE, alg INTEGER NOT NULL, kind INTEGER NOT NULL, revoked INTEGER "
    "NOT NULL, exported INTEGER NOT NULL, created INTEGER NOT NULL, secret BLOB NOT NULL);"
    "INSERT INTO devices "
    "VALUES(1,'kitchen',X'0A0B',10,0,0,0,1795311426,X'041B5BB82B4D74A52F64D80D5EF76B91976B8BE"
    "5B6B73DF7221524A6A4598457DB317F7ED0F711887E4C4D4AE44590E995FF866F6D0908F48286F88D');"
    "INSERT INTO devices "
    "VALUES(2,'shed',X'0C0D',10,1,0,0,1795311426,X'CA1F43D1231376F2073FF6E004F719D74835517FB2"
    "74DEA74E4F71BA6D5F7424FF9A7C81D9252C454650FD3B8395F19BF6AD39FE4DED2BC8E6148148');"
    "INSERT INTO devices "
    "VALUES(3,'gone',X'0E0F',10,0,0,0,1795311426,X'A102B777CFC4FBFF795B77F098466FEF4C8EF7632D"
    "BB2EB5BB089ECF80B6583B372AB1A733C0A46A9A9D7756F3A8AEECD5F226FDE114C62319E7C1FA');"
    "CREATE TABLE events (authentic INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER NOT "
    "NULL, kind TEXT NOT NULL, device INTEGER NOT NULL, device_name TEXT NOT NULL, source "
    "TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (authentic, id)) WITHOUT ROWID;"
    "INSERT INTO events VALUES(1,1,1795311428451191,'challenged',1,'kitchen','http "
    "127.0.0.1','seq 0: the context is not proven yet');"
    "CREATE TABLE gateway_ids (id BLOB PRIMARY KEY NOT NULL, started INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "INSERT INTO gateway_ids VALUES(X'14F73277A5F1',1795311426);"
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta "
    "VALUES('challenge',X'B2EA0837846B6ED994A2A95E28E256BF5DFB8668B82D23A3916D8DB70FCF4C93067"
    "5865BA035A668D091B8BF637367309344A6C8309CE7D1CB4EF08C');"
    "INSERT INTO meta VALUES('floor',0);"
    "INSERT INTO meta VALUES('generation',4);"
    "INSERT INTO meta VALUES('issued_t',7012935);"
    "INSERT INTO meta "
    "VALUES('keycheck',X'F5A7B57B02E66E66BB4C78D1B86D2C8CDEBC277A1364BC2AC2B7A6A842B959CB3B5E"
    "6A46F45A49B378FB175B');"
    "CREATE TABLE readings (time INTEGER NOT NULL, n INTEGER NOT NULL, series INTEGER NOT "
    "NULL, value, piv INTEGER NOT NULL, delay INTEGER NOT NULL, PRIMARY KEY (time, n)) "
    "WITHOUT ROWID;"
    "INSERT INTO readings VALUES(1795311428456912,0,1,21.5,1,0);"
    "INSERT INTO readings VALUES(1795300000000000,0,1,20.25,2,11428456912);"
    "CREATE TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, "
    "name TEXT NOT NULL, unit TEXT NOT NULL, type TEXT NOT NULL, format INTEGER NOT NULL, "
    "device_name TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, UNIQUE "
    "(device, name, unit, type, format));"
    "INSERT INTO series "
    "VALUES(1,1,'temperature','','real',0,'kitchen',1795298400000000,1795312800000000);"
    "CREATE TABLE tombstones (kid BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, removed "
    "INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX contexts_closing ON contexts (closes_at) WHERE closes_at != 0;"
    "CREATE VIEW readings_readable AS SELECT s.device_name AS device, "
    "strftime('%Y-%m-%dT%H:%M:%fZ', r.time / 1000000.0, 'unixepoch') AS time, s.name AS "
    "name, r.value AS value, s.unit AS unit, s.type AS type, s.format AS format, r.piv AS "
    "seq, r.time AS time_us, r.time + r.delay AS received_us FROM readings r JOIN series s "
    "ON s.id = r.series;"
    "CREATE INDEX events_time ON events (time);"
    "DELETE FROM sqlite_sequence;"
    "INSERT INTO sqlite_sequence VALUES('devices',3);"
    "INSERT INTO sqlite_sequence VALUES('series',1);"
    "COMMIT;";

/* The same of version 2: a session device with a label, a counter, a revoked one, and a removed one. */
static const char version_2[] =
    "PRAGMA application_id = 1651862577; PRAGMA user_version = 2; BEGIN;"
    "CREATE TABLE contexts (device INTEGER NOT NULL, id_context BLOB NOT NULL, proven "
    "INTEGER NOT NULL, proven_t INTEGER NOT NULL DEFAULT 0, closes_at INTEGER NOT NULL "
    "DEFAULT 0, top INTEGER NOT NULL DEFAULT 0, bits INTEGER NOT NULL DEFAULT 0, lower "
    "INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 0, rank INTEGER NOT NULL "
    "DEFAULT 0, PRIMARY KEY (device, id_context)) WITHOUT ROWID;"
    "INSERT INTO contexts "
    "VALUES(1,X'5AC7CAC8BE5619DF',1,7012991,0,1,1,1,1795325726056625,1);"
    "INSERT INTO contexts VALUES(2,X'',1,0,0,0,0,0,0,0);"
    "CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL "
    "UNIQUE, kid BLOB NOT NULL UNIQUE, alg INTEGER NOT NULL, kind INTEGER NOT NULL, "
    "revoked INTEGER NOT NULL, exported INTEGER NOT NULL, created INTEGER NOT NULL, secret "
    "BLOB NOT NULL, lost INTEGER NOT NULL DEFAULT 0);"
    "INSERT INTO devices VALUES(1,'kitchen',X'0A0B',10,0,0,0,1795325724,X'91151A9A3579BB4"
    "37B1BF451C55922F5F9312172E4919787346AB96E3155468A9B41E9EEAB8C7AE54E1D35F4280A8A132EB"
    "F4AB4FEAA1A404E92A1F0',0);"
    "INSERT INTO devices VALUES(2,'shed',X'0C0D',10,1,0,0,1795325724,X'15C089C439284D5AD9"
    "72E82CD9B0363FE86E2FDDD3630B6D490B5B0D6FE5D73792128BE1131AF42E1AEA6230DF2B977ACF356A"
    "73D1F5D7084EB8695B',0);"
    "INSERT INTO devices VALUES(3,'attic',X'0E0F',10,0,1,0,1795325724,X'21733A0A720480674"
    "01F041B935FA8976A14393BC8D070E975A769344AF8FCA5F265B08B5C70069F7738ED6A4C98820AC0EB4"
    "B200DA2A23907D549AE',0);"
    "CREATE TABLE events (authentic INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER "
    "NOT NULL, kind TEXT NOT NULL, device INTEGER NOT NULL, device_name TEXT NOT NULL, "
    "source TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (authentic, id)) WITHOUT "
    "ROWID;"
    "INSERT INTO events VALUES(1,1,1795325726055111,'challenged',1,'kitchen','http "
    "127.0.0.1','seq 0: the context is not proven yet');"
    "CREATE TABLE gateway_ids (id BLOB PRIMARY KEY NOT NULL, started INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "INSERT INTO gateway_ids VALUES(X'661916846E9F',1795325724);"
    "CREATE TABLE labels (device INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
    "PRIMARY KEY (device, key)) WITHOUT ROWID;"
    "INSERT INTO labels VALUES(1,'site','roof');"
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('challenge',X'79BC78C1F3BA77C639FCCF1DD0C44FF2477D2C6781AC3B"
    "1FADD4F6E47DD7EBB67A8F2CF167FE30D4756C8B8E7E6906EBB172BFCECD07895E52D5F8A4');"
    "INSERT INTO meta VALUES('floor',0);"
    "INSERT INTO meta VALUES('generation',7);"
    "INSERT INTO meta VALUES('issued_t',7012991);"
    "INSERT INTO meta VALUES('keycheck',X'41A250A22AF149347AC6E6CDE981BE481C04DA608FF4B7A"
    "2B4BA6A45FF55B8059B74E071CAD549CF6A8F895F');"
    "INSERT INTO meta VALUES('series_gone',0);"
    "CREATE TABLE readings (time INTEGER NOT NULL, n INTEGER NOT NULL, series INTEGER NOT "
    "NULL, value, piv INTEGER NOT NULL, delay INTEGER NOT NULL, PRIMARY KEY (time, n)) "
    "WITHOUT ROWID;"
    "INSERT INTO readings VALUES(1795325726056625,0,1,20.5,1,0);"
    "CREATE TABLE series (id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, "
    "name TEXT NOT NULL, unit TEXT NOT NULL, type TEXT NOT NULL, format INTEGER NOT NULL, "
    "device_name TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, UNIQUE "
    "(device, name, unit, type, format));"
    "INSERT INTO series "
    "VALUES(1,1,'temperature','','real',0,'kitchen',1795323600000000,1795327200000000);"
    "CREATE TABLE tombstones (kid BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL, removed "
    "INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO tombstones VALUES(X'0708','gone',1795325724);"
    "CREATE INDEX contexts_closing ON contexts (closes_at) WHERE closes_at != 0;"
    "CREATE VIEW readings_readable AS SELECT s.device_name AS device, "
    "strftime('%Y-%m-%dT%H:%M:%fZ', r.time / 1000000.0, 'unixepoch') AS time, s.name AS "
    "name, r.value AS value, s.unit AS unit, s.type AS type, s.format AS format, r.piv AS "
    "seq, r.time AS time_us, r.time + r.delay AS received_us FROM readings r JOIN series s "
    "ON s.id = r.series;"
    "CREATE INDEX events_time ON events (time);"
    "CREATE INDEX readings_late ON readings (time + delay) WHERE delay NOT BETWEEN "
    "-15000000 AND 15000000;"
    "CREATE INDEX series_last ON series (last);"
    "DELETE FROM sqlite_sequence;"
    "INSERT INTO sqlite_sequence VALUES('devices',4);"
    "INSERT INTO sqlite_sequence VALUES('series',1);"
    "COMMIT;";

static void put_version(struct fixture *f, int64_t version)
{
    empty_place(f);
    run_sql(f, version == 1 ? version_1 : version == 2 ? version_2 : version_3);
    assert_int_equal(number(f, "PRAGMA user_version"), version);
}

static void opens(struct fixture *f)
{
    f->store = open_store(f, STORE_EXISTING);
    if (f->store == NULL)
        print_error("%s\n", f->failure.text);
    assert_non_null(f->store);
}

static void is_sound(struct fixture *f)
{
    assert_int_equal(number(f, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'"),
                     0);
}

static int last_value(void *context, const struct reading_row *row)
{
    *(double *)context = row->reading.value.real;
    return 0;
}

static void test_version_1(void **state)
{
    static const struct reading_filter none = {.limit = 0};
    struct fixture *f = *state;
    struct label label = {"site", "roof"};
    struct context_row context;
    struct follower *follower;
    struct store_clock clock;
    struct device_row row;
    double value = 0;

    put_version(f, 1);
    f->now = 1795300000 + 11428; /* when the late one came */
    opens(f);
    assert_int_equal(number(f, "PRAGMA user_version"), 4);
    assert_int_equal(call(f, device_by_name, "kitchen", &row), 1);
    assert_int_equal(row.lost, 0);
    assert_memory_equal(row.kid, "\x0a\x0b", 2);
    assert_int_equal(call(f, context_newest, row.id, &context, &clock), 1);
    assert_int_equal(context.proven_t, 7012935);
    assert_int_equal(context.window.top, 1);
    assert_int_equal(count_readings(f, "kitchen"), 2);
    assert_int_equal(call(f, device_label, row.id, &label, 1), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM devices"), 3);
    add_device(f, "new", 0x66, BULLA_SESSION, false);
    assert_int_equal(number(f, "SELECT max(id) FROM devices"), 4);

    /* The index was filled: the late one is seen by who follows. */
    ok(call(f, follow_open, &none, last_value, &value, &follower));
    run_sql(f, "DELETE FROM points WHERE piv = 2; INSERT INTO points VALUES"
               "(1795300000000001, 0, 1, 20.5, 2, 11428456912)");
    assert_int_equal(call(f, follow_next, follower, last_value, &value), 1);
    assert_true(value == 20.5);
    f->store->ops->follow_close(follower);
    assert_int_equal(call(f, readings_expire, 1795300000000002, 10), 1);
    is_sound(f);
}

/* Version 3 makes the table of devices anew: nothing of it is lost, and no id is given out again. */
static void test_version_2(void **state)
{
    struct fixture *f = *state;
    struct context_row context;
    struct store_clock clock;
    struct device_row row;

    put_version(f, 2);
    opens(f);
    assert_int_equal(number(f, "PRAGMA user_version"), 4);
    assert_int_equal(number(f, "SELECT count(*) FROM devices WHERE secret IS NOT NULL AND kid IS NOT NULL"),
                     3);
    assert_int_equal(call(f, device_by_name, "kitchen", &row), 1);
    assert_memory_equal(row.kid, "\x0a\x0b", 2);
    assert_int_equal(row.secret[0], 0x91);
    assert_int_equal(row.secret[sizeof(row.secret) - 1], 0xf0);
    assert_int_equal(call(f, context_newest, row.id, &context, &clock), 1);
    assert_int_equal(context.proven_t, 7012991);
    assert_int_equal(number(f, "SELECT count(*) FROM labels WHERE device = 1 AND value = 'roof'"), 1);
    assert_int_equal(call(f, device_by_name, "attic", &row), 1);
    assert_true(row.revoked);
    assert_int_equal(call(f, device_by_name, "shed", &row), 1);
    assert_int_equal(row.kind, BULLA_COUNTER);
    assert_int_equal(call(f, kid_is_taken, (const uint8_t *)"\x07\x08", 2), 1); /* the tombstone */
    add_device(f, "new", 0x66, BULLA_SESSION, false);
    assert_int_equal(number(f, "SELECT id FROM devices WHERE name = 'new'"), 5); /* 4 was removed */
    assert_int_equal(count_readings(f, "kitchen"), 1);
    is_sound(f);
}

/* Version 4 gives the table of readings another name, and its own to the view that people see. */
static void test_version_3(void **state)
{
    struct fixture *f = *state;
    struct wire_row wire;
    char row[256];

    put_version(f, 3);
    opens(f);
    assert_int_equal(number(f, "PRAGMA user_version"), 4);
    assert_int_equal(count_readings(f, "kitchen"), 2);
    for (int old = 0; old < 2; old++) {
        f->kind->text(
            f,
            old ? "SELECT device || ' ' || time || ' ' || name || ' ' || value || ' ' || unit || ' ' || seq"
                  " FROM readings_readable ORDER BY time_us DESC LIMIT 1"
                : "SELECT device || ' ' || time || ' ' || name || ' ' || value || ' ' || unit || ' ' || seq"
                  " FROM readings ORDER BY time_us DESC LIMIT 1",
            row, sizeof(row));
        assert_string_equal(row, "kitchen 2026-11-22T08:12:05.405Z temperature 21.5 Cel 1");
    }
    assert_int_equal(call(f, wire_of, 3, &wire, NULL), 1);
    assert_string_equal(wire.route, "green/data");
    assert_int_equal(number(f, "SELECT count(*) FROM session_ids"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM outbox") + number(f, "SELECT count(*) FROM sinks"), 0);
    assert_int_equal(call(f, sink_add, "influx://h/db", NOW), 1);
    assert_int_equal(call(f, readings_expire, INT64_C(1795335125404674), 10), 1);
    assert_int_equal(count_readings(f, "kitchen"), 1);
    is_sound(f);
}

static void test_version_3_that_fails(void **state)
{
    struct fixture *f = *state;

    put_version(f, 3);
    run_sql(f, "CREATE TABLE outbox (x)");
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "up to date");
    assert_int_equal(number(f, "PRAGMA user_version"), 3);
    assert_int_equal(
        number(f, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'readings'"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM readings_readable"), 2);
    run_sql(f, "DROP TABLE outbox");
    opens(f);
    is_sound(f);
}

/* Of an empty table too. */
static void test_ids_of_removed_devices(void **state)
{
    struct fixture *f = *state;

    put_version(f, 2);
    run_sql(f, "DELETE FROM devices; DELETE FROM contexts; DELETE FROM labels");
    opens(f);
    add_device(f, "new", 0x66, BULLA_SESSION, false);
    assert_int_equal(number(f, "SELECT id FROM devices"), 5);
    assert_int_equal(number(f, "SELECT count(*) FROM sqlite_sequence WHERE name LIKE '%new%'"), 0);
    is_sound(f);
}

/* A migration that fails half way leaves the table of devices where it was. */
static void test_version_2_that_fails(void **state)
{
    struct fixture *f = *state;

    put_version(f, 2);
    run_sql(f, "CREATE TABLE session_ids (x)");
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "up to date");
    assert_int_equal(number(f, "PRAGMA user_version"), 2);
    assert_int_equal(number(f, "SELECT count(*) FROM devices"), 3);
    assert_int_equal(number(f, "SELECT seq FROM sqlite_sequence WHERE name = 'devices'"), 4);
    run_sql(f, "DROP TABLE session_ids");
    opens(f);
    is_sound(f);
}

static int visit_any(void *context, const struct reading_row *row)
{
    (void)context, (void)row;
    return 0;
}

/* What cannot be finished is not begun: the old version stays whole. */
static void test_a_migration_that_fails(void **state)
{
    struct fixture *f = *state;
    const struct reading_filter all = {.since = INT64_MIN, .until = INT64_MAX, .limit = -1};

    put_version(f, 1);
    run_sql(f, "CREATE TABLE series_last (x)"); /* in the way of the index */
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "up to date");
    assert_int_equal(number(f, "PRAGMA user_version"), 1);
    assert_int_equal(
        number(f, "SELECT count(*) FROM sqlite_schema WHERE name IN ('labels', 'readings_late')"), 0);
    run_sql(f, "DROP TABLE series_last");
    opens(f);
    ok(call(f, readings_each, &all, visit_any, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_version_1),
        STORE_TEST(test_version_2),
        STORE_TEST(test_version_3),
        STORE_TEST(test_version_3_that_fails),
        STORE_TEST(test_ids_of_removed_devices),
        STORE_TEST(test_version_2_that_fails),
        STORE_TEST(test_a_migration_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
