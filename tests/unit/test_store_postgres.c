/*
 * What is PostgreSQL's own: its URLs, its schema beside others, and connections that are lost at any moment.
 */
#include "cut_postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/store/postgres/postgres.h"

/* ---- URLs ---- */

static void test_urls(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char url[200], path[64];

    snprintf(url, sizeof(url), "postgresql%s", f->path + strlen("postgres"));
    ok(store_open(&store, url, STORE_EXISTING, &f->failure));
    assert_null(store->now); /* the database's clock counts */
    store->ops->close(store);
    assert_int_equal(store_key_path(url, path, sizeof(path), &f->failure), -1);
    says(f, "--key");
    assert_true(store_is_server(url));
    assert_false(store_is_server("bulla.db"));
}

/* Whatever is wrong with a URL: the password in it is not told. */
static void test_passwords_are_not_told(void **state)
{
    static const char *const urls[] = {
        "postgres://u:geheim@[::1/x",
        "postgres://u:geheim%ZZ@127.0.0.1:1/x",
        "postgres://u:geheim@127.0.0.1:1/x",
        "postgres://u:geheim@127.0.0.1:1/x?nonsense=geheim",
        "postgres://127.0.0.1:1/x?password=geheim",
        "postgres:host=127.0.0.1 port=1 password=geheim",
        "postgres:host=127.0.0.1 port=1 password='geheim",
    };
    struct fixture *f = *state;
    struct store *store;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char shown[128];
        assert_true(store_open(&store, urls[i], STORE_EXISTING, &f->failure) < 0);
        assert_null(strstr(f->failure.text, "geheim"));
        store_url_shown(urls[i], shown, sizeof(shown));
        assert_non_null(strstr(shown, "***"));
    }
    assert_int_equal(store_open(&store, urls[2], STORE_EXISTING, &f->failure), STORE_AWAY);
    says(f, "is the server running");
}

static void test_urls_as_they_are_shown(void **state)
{
    static const char *const cases[][2] = {
        {"bulla.db", "bulla.db"},
        {"a:b@c.db", "a:b@c.db"},
        {"postgres://h/x", "postgres://h/x"},
        {"postgres://u@h:5432/x", "postgres://u@h:5432/x"},
        {"postgres://h:5432/x", "postgres://h:5432/x"},
        {"postgres://u:p:q@h/x", "postgres://u:***@h/x"},
        {"postgres://u:p@q@h/x?a=b", "postgres://u:***@h/x?a=b"},
        {"postgres://h/x?password=p&sslmode=require", "postgres://h/x?password=***&sslmode=require"},
        {"postgres://h/x?sslpassword=p", "postgres://h/x?sslpassword=***"},
        {"postgres:host=h password='p q' dbname=x", "postgres:host=h password=*** dbname=x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char shown[128];
        store_url_shown(cases[i][0], shown, sizeof(shown));
        assert_string_equal(shown, cases[i][1]);
    }
}

/* A backup is SQLite's, and what is no backup does not begin to be restored. */
static void test_a_backup_is_a_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/bulla-test-backup.XXXXXX";
    struct store_backup backup = {.path = path, .replace = true, .challenge = "K", .challenge_len = 1};
    struct store *copy;
    int64_t count = -1;

    add_device(f, "kitchen", 1, BULLA_SESSION, false);
    close(mkstemp(path));
    assert_int_equal(call(f, backup, &backup), 0);
    assert_int_equal(store_open(&copy, path, STORE_EXISTING, &f->failure), 0);
    assert_int_equal(copy->ops->device_count(copy, &count, &f->failure), 0);
    assert_int_equal(count, 1);
    copy->ops->close(copy);
    f->store->ops->close(f->store);
    f->store = NULL;
    assert_int_equal(store_restore(&copy, f->path, "/tmp/bulla-none", NULL, &f->failure), -1);
    says(f, "cannot read the backup");
    unlink(path);
}

/* ---- the schema ---- */

static void test_no_database_yet(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "no bulla database yet");
    assert_int_equal(number(f, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"), 0);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;

    run_sql(f, "UPDATE bulla_schema SET version = 4711");
    f->store->ops->close(f->store);
    f->store = NULL;
    assert_null(open_store(f, STORE_CREATE));
    says(f, "version 4711");
    says(f, "up to 3");
    assert_int_equal(number(f, "SELECT version FROM bulla_schema"), 4711);
}

/* A database of an older version, with a device in it, becomes one as it is made today. */
static void migrate_from(struct fixture *f, const char *older)
{
    static const char columns[] =
        "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' '"
        " || is_nullable || ' ' || coalesce(column_default, ''), ','"
        " ORDER BY table_name, column_name) FROM information_schema.columns"
        " WHERE table_schema = current_schema()";
    struct device_row before = add_device(f, "a", 1, BULLA_SESSION, false), row;
    char made[8192], migrated[8192];

    f->kind->text(f, columns, made, sizeof(made));
    f->store->ops->close(f->store);
    run_sql(f, older);
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
    f->kind->text(f, columns, migrated, sizeof(migrated));
    assert_string_equal(migrated, made);
    assert_int_equal(call(f, device_by_name, "a", &row), 1);
    assert_int_equal(row.id, before.id);
    assert_memory_equal(row.secret, before.secret, sizeof(row.secret));
    assert_int_equal(number(f, "SELECT value FROM numbers WHERE name = 'wires'"), 0);
    assert_int_equal(call(f, sink_add, "influx://h/db", NOW), 1);
    assert_int_equal(number(f, "SELECT n FROM outbox_end"), 0);
    assert_true(add_device(f, "b", 2, BULLA_SESSION, false).id > before.id);
}

#define WITHOUT_OUTBOX "DROP TABLE outbox; DROP TABLE outbox_end; DROP TABLE sinks; "

static void test_migration_from_1(void **state)
{
    migrate_from(*state, WITHOUT_OUTBOX
                 "DROP TABLE wires; DROP TABLE wire_hashes; DROP TABLE session_ids;"
                 " ALTER TABLE devices ALTER kid SET NOT NULL, ALTER secret SET NOT NULL;"
                 " DELETE FROM numbers WHERE name = 'wires'; UPDATE bulla_schema SET version = 1");
}

static void test_migration_from_2(void **state)
{
    migrate_from(*state, WITHOUT_OUTBOX "UPDATE bulla_schema SET version = 2");
}

/* In the middle of older wires' messages: what comes then is not done by itself on a new connection. */
static void test_older_wires_lose_the_connection(void **state)
{
    struct fixture *f = *state;
    struct session_row rows[WIRE_SESSIONS_MAX];
    int64_t version;

    for (int i = 0; i < 2; i++) {
        ok(f->store->ops->wires_begin(f->store, &f->failure));
        assert_int_equal(call(f, session_issue, "t", "0123456789abcdef0123456789abcdef", NOW), 1);
        run_sql(f, "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'transactionid'"
                   " AND pid != pg_backend_pid() AND granted");
        if (i == 0) {
            assert_int_equal(call(f, wires_version, &version), -1);
            assert_int_equal(call(f, wires_version, &version), -1); /* nor later */
            assert_int_equal(call(f, session_issue, "t", "1123456789abcdef0123456789abcdef", NOW), -1);
            says(f, "connection");
        }
        assert_int_equal(call(f, wires_end, 0), -1);
        assert_int_equal(call(f, session_list, "t", rows), 0);
    }
}

/* Somebody else's table has a name that is needed: all of theirs stays, and none of ours is made. */
static void test_tables_of_others(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    run_sql(f, "CREATE TABLE events (party text)");
    assert_null(open_store(f, STORE_CREATE));
    says(f, "already exists");
    says(f, "database of its own");
    assert_int_equal(number(f, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"), 1);
    run_sql(f, "DROP TABLE events");
    f->store = open_store(f, STORE_CREATE);
    assert_non_null(f->store);
}

static void test_a_schema_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char url[200];

    snprintf(url, sizeof(url), "%s_nowhere", f->path);
    assert_int_equal(store_open(&store, url, STORE_CREATE, &f->failure), -1);
    says(f, "search_path");
}

static void test_readable_view(void **state)
{
    struct fixture *f = *state;
    char row[160];

    prove(f, add_device(f, "a", 1, BULLA_SESSION, false).id, 1, 5, 123456);
    f->kind->text(
        f,
        "SELECT concat_ws(' ', device, time AT TIME ZONE 'UTC', name, value, unit, seq, pg_typeof(time))"
        " FROM readings",
        row, sizeof(row));
    assert_string_equal(
        row, "a 2023-11-14 22:13:20.123456 temperature 123456 Cel 123456 timestamp with time zone");
}

static void test_alone(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_store(f, STORE_EXISTING);

    assert_null(open_store(f, STORE_ALONE));
    says(f, "in use by 2 connections");
    other->ops->close(other);
    for (int i = 0; i < 20; i++) { /* the server takes a moment to notice that somebody has gone */
        f->store->ops->close(f->store);
        f->store = open_store(f, STORE_ALONE);
        assert_non_null(f->store);
    }
}

/* What stands in the way of durable commits is put right for this program's own connections. */
static void test_settings(void **state)
{
    static const char *const expected[][2] = {{"synchronous_commit", "on"},
                                              {"default_transaction_isolation", "read committed"},
                                              {"TimeZone", "UTC"}};
    struct fixture *f = *state;
    char url[400];
    struct store *store;

    snprintf(url, sizeof(url),
             "%s%%20-csynchronous_commit%%3Doff%%20-cdefault_transaction_isolation%%3Dserializable"
             "%%20-cTimeZone%%3DAsia/Kolkata",
             f->path);
    ok(store_open(&store, url, STORE_EXISTING, &f->failure));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const char *values[] = {expected[i][0]};
        PGresult *result = PQexecParams(postgres_of(store)->conn, "SELECT current_setting($1)", 1, NULL,
                                        values, NULL, NULL, 0);
        assert_string_equal(PQgetvalue(result, 0, 0), expected[i][1]);
        PQclear(result);
    }
    store->ops->close(store);
}

/* Without a clock of a test, the database's own counts. */
static void test_the_databases_clock(void **state)
{
    struct fixture *f = *state;
    struct context_row row;
    struct store_clock clock;
    int64_t before = number(f, "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint");

    f->store->now = NULL;
    assert_int_equal(call(f, context_find, 4711, NULL, &row, &clock), 0);
    assert_true(clock.now >= before && clock.now <= before + 20);
}

/* ---- connections that are lost ---- */

static void end_connections(struct fixture *f)
{
    run_sql(f,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'bulla'");
}

static void test_terminated(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, row.id, 1, 5, 1)};
    int64_t generation;

    end_connections(f);
    ok(call(f, generation, &generation)); /* a read goes on by itself */
    end_connections(f);
    assert_int_equal(commit_one(f, f->store, &context, 2), -1);
    ok(commit_one(f, f->store, &context, 2));
    assert_int_equal(context.verdict, COMMIT_DONE);
    end_connections(f);
    ok(call(f, device_revoke, row.id)); /* nothing had begun: it begins anew */
    assert_int_equal(count_readings(f, NULL), 2);
}

/* A move, a proof and new series in one batch. Returns what commit() does. */
static int commit_mixed(struct fixture *f, struct commit_context contexts[2], uint64_t piv)
{
    char name[32] = "";
    struct reading readings[2] = {real(name, (double)piv, NOW * SECOND),
                                  real("t", (double)piv, NOW * SECOND)};
    struct commit_message messages[2] = {{.context = 0, .piv = piv, .first = 0, .count = 1},
                                         {.context = 1, .piv = piv, .first = 1, .count = 1}};
    struct commit commit = {.contexts = contexts,
                            .context_count = 2,
                            .messages = messages,
                            .message_count = 2,
                            .readings = readings};

    snprintf(name, sizeof(name), "series %u", (unsigned)piv);
    readings[0].name_len = strlen(name);
    for (int i = 0; i < 2; i++) {
        contexts[i].after = contexts[i].before;
        contexts[i].after.proven = true;
        bulla_window_mark(&contexts[i].after.window, piv);
    }
    contexts[1].after.proven_t = 60;
    return call(f, commit, &commit, f->now);
}

/*
 * The connection is cut before the first message of the server, before the fourth, … of a batch: all of it is
 * there, or nothing, and what the gateway does then (reads the rows, sends what they do not hold) stores it
 * once. Where the answer to the COMMIT was lost, it is there though the batch was said to have failed.
 */
static void test_every_lost_connection(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct device_row other = add_device(f, "b", 2, BULLA_SESSION, false);
    struct commit_context contexts[2] = {{.before = {.device = device.id, .counter = true, .proven = true}}};
    int nothing = 0, all = 0, result = -1;
    struct context_row row;
    struct store_clock clock;
    uint64_t piv;

    for (piv = 1; result != 0; piv++) {
        contexts[1].before = session(other.id, (uint8_t)piv);
        messages_left = 3 * ((int)piv - 1); /* fewer than the answer to the COMMIT has */
        result = commit_mixed(f, contexts, piv);
        messages_left = -1;
        await_cut(f);
        int64_t before = count_readings(f, NULL);
        assert_int_equal(call(f, context_find, device.id, NULL, &row, &clock), 1);
        if (row.window.top < piv) {
            assert_int_equal(result, -1);
            assert_int_equal(find(f, other.id, (uint8_t)piv, &row, &clock), 0);
            assert_int_equal(before, 2 * (int64_t)(piv - 1));
            nothing++;
            ok(commit_mixed(f, contexts, piv));
            assert_int_equal(contexts[0].verdict, COMMIT_DONE);
            assert_int_equal(contexts[1].verdict, COMMIT_DONE);
        } else {
            assert_int_equal(find(f, other.id, (uint8_t)piv, &row, &clock), 1);
            all += result != 0;
            ok(commit_mixed(f, contexts, piv)); /* the same once more, as it was believed to be */
            assert_int_equal(contexts[0].verdict, COMMIT_CONFLICT);
            assert_int_equal(contexts[1].verdict, COMMIT_CONFLICT);
        }
        assert_int_equal(count_readings(f, NULL), 2 * (int64_t)piv);
        contexts[0].before = contexts[0].after;
    }
    assert_true(nothing > 10);
    assert_true(all > 0);
    print_message("%d cuts left nothing, %d all\n", nothing, all);
}

/* The row that a transaction in its COMMIT still holds: whoever comes next waits for it, and conflicts. */
static void test_a_held_row(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = device.id, .counter = true, .proven = true}};
    PGconn *holder = PQconnectdb(f->path);
    int status;

    PQclear(PQexec(holder, "BEGIN; UPDATE contexts SET top = 1, bits = 1"));
    assert_int_equal(commit_one(f, f->store, &context, 1), -1);
    says(f, "locked");
    if (fork() == 0)
        end_when_waited_for(holder);
    ok(commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    PQfinish(holder);
    assert_int_equal(count_readings(f, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_urls),
        STORE_TEST(test_passwords_are_not_told),
        STORE_TEST(test_urls_as_they_are_shown),
        STORE_TEST(test_a_backup_is_a_file),
        STORE_TEST(test_no_database_yet),
        STORE_TEST(test_newer_schema_is_refused),
        STORE_TEST(test_migration_from_1),
        STORE_TEST(test_migration_from_2),
        STORE_TEST(test_older_wires_lose_the_connection),
        STORE_TEST(test_tables_of_others),
        STORE_TEST(test_a_schema_that_is_not_there),
        STORE_TEST(test_readable_view),
        STORE_TEST(test_alone),
        STORE_TEST(test_settings),
        STORE_TEST(test_the_databases_clock),
        STORE_TEST(test_terminated),
        STORE_TEST(test_every_lost_connection),
        STORE_TEST(test_a_held_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
