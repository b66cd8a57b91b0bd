/*
 * What is MariaDB's and MySQL's own: URLs, a schema whose making cannot be rolled back, transactions that the
 * server ends for another's sake, and connections that are lost at any moment.
 */
#include "cut_mysql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/store/mysql/mysql.h"

/* ---- URLs ---- */

static void test_urls(void **state)
{
    struct fixture *f = *state;
    struct store *store;
    char url[200], path[64];

    snprintf(url, sizeof(url), "mariadb%s", f->path + strlen("mysql"));
    ok(store_open(&store, url, STORE_EXISTING, &f->failure));
    assert_null(store->now); /* the database's clock counts */
    store->ops->close(store);
    assert_int_equal(store_key_path(url, path, sizeof(path), &f->failure), -1);
    says(f, "--key");
    assert_true(store_is_server(url));
}

/* Whatever is wrong with a URL: the password in it is not told. */
static void test_passwords_are_not_told(void **state)
{
    static const char *const urls[] = {
        "mysql://u:geheim@127.0.0.1:1/x",
        "mysql://u:geheim@[::1/x",
        "mysql://u:geheim@127.0.0.1:0/x",
        "mysql://u:geheim@127.0.0.1:65536/x",
        "mysql://u:geheim%ZZ@127.0.0.1:1/x",
        "mysql://u:geheim%00@127.0.0.1:1/x",
        "mysql://u:geheim@127.0.0.1:1/x/y",
        "mysql://u:geheim@127.0.0.1:1/x?nonsense=1",
        "mysql://u:geheim@127.0.0.1:1/x?ssl-mode=preferred",
        "mysql://u:geheim@127.0.0.1:1/x?ssl-mode",
        "mysql://u:geheim@127.0.0.1:1/x?read-timeout=0",
        "mysql://u:geheim@127.0.0.1:1/x?read-timeout=1h",
        "mysql://u:geheim@127.0.0.1:1/x?socket=a&socket=b",
    };
    struct fixture *f = *state;
    struct store *store;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char shown[128];
        int result = store_open(&store, urls[i], STORE_EXISTING, &f->failure);
        assert_int_equal(result, i == 0 ? STORE_AWAY : -1);
        assert_null(strstr(f->failure.text, "geheim"));
        store_url_shown(urls[i], shown, sizeof(shown));
        assert_null(strstr(shown, "geheim"));
        assert_non_null(strstr(shown, "***"));
    }
    assert_int_equal(store_open(&store, urls[0], STORE_EXISTING, &f->failure), STORE_AWAY);
    says(f, "is the server running");
    assert_int_equal(store_open(&store, "mysql:bulla", STORE_EXISTING, &f->failure), -1);
    says(f, "looks like mysql://");
}

static void assert_text(const char *text, const char *expected)
{
    if (expected == NULL)
        assert_null(text);
    else
        assert_string_equal(text, expected);
}

static void test_parts_of_urls(void **state)
{
    static const struct {
        const char *location;
        const char *user, *password, *host;
        unsigned port;
        const char *database, *socket;
        enum mysql_ssl ssl;
    } cases[] = {
        {"///d", NULL, NULL, NULL, 0, "d", NULL, MYSQL_SSL_UNSAID},
        {"//h/d", NULL, NULL, "h", 0, "d", NULL, MYSQL_SSL_UNSAID},
        {"//u@h:3307/d", "u", NULL, "h", 3307, "d", NULL, MYSQL_SSL_UNSAID},
        {"//u%40x:p%3aq@[::1]:1/d%2f", "u@x", "p:q", "::1", 1, "d/", NULL, MYSQL_SSL_UNSAID},
        {"//u:p@q@h/d", "u", "p@q", "h", 0, "d", NULL, MYSQL_SSL_UNSAID},
        {"//u:@h", "u", NULL, "h", 0, NULL, NULL, MYSQL_SSL_UNSAID},
        {"///d?socket=/run/a%20b", NULL, NULL, NULL, 0, "d", "/run/a b", MYSQL_SSL_UNSAID},
        {"//h/d?ssl-mode=DISABLED", NULL, NULL, "h", 0, "d", NULL, MYSQL_SSL_DISABLED},
        {"//h/d?ssl-mode=required&socket=s", NULL, NULL, "h", 0, "d", "s", MYSQL_SSL_REQUIRED},
        {"//h/d?ssl-mode=VERIFY_CA&ssl-ca=x", NULL, NULL, "h", 0, "d", NULL, MYSQL_SSL_CA},
        {"//h/d?ssl-ca=x", NULL, NULL, "h", 0, "d", NULL, MYSQL_SSL_IDENTITY},
        {"//h/d?ssl-cert=x&ssl-key=y", NULL, NULL, "h", 0, "d", NULL, MYSQL_SSL_REQUIRED},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mysql_url *url = mysql_url_parse(cases[i].location, &f->failure);
        assert_non_null(url);
        assert_text(url->user, cases[i].user);
        assert_text(url->password, cases[i].password);
        assert_text(url->host, cases[i].host);
        assert_int_equal(url->port, cases[i].port);
        assert_text(url->database, cases[i].database);
        assert_text(url->socket, cases[i].socket);
        assert_int_equal(url->ssl, cases[i].ssl);
        mysql_url_free(url);
    }
}

/* ---- the schema ---- */

#define TABLES "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"

static void close_it(struct fixture *f)
{
    f->store->ops->close(f->store);
    f->store = NULL;
}

static void test_no_database_yet(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "no bulla database yet");
    assert_int_equal(number(f, TABLES), 0);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;

    run_sql(f, "UPDATE bulla_schema SET version = 4711");
    close_it(f);
    assert_null(open_store(f, STORE_CREATE));
    says(f, "version 4711");
    assert_int_equal(number(f, "SELECT version FROM bulla_schema"), 4711);
}

/* Somebody else's table has a name that is needed: all of theirs stays, and none of ours is made. */
static void test_tables_of_others(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    run_sql(f, "CREATE TABLE events (party text)");
    assert_null(open_store(f, STORE_CREATE));
    says(f, "something else lies in it");
    says(f, "database of its own");
    assert_int_equal(number(f, TABLES), 1);
    run_sql(f, "DROP TABLE events");
    f->store = open_store(f, STORE_CREATE);
    assert_non_null(f->store);
}

/* The columns of all tables, as text. */
static void read_columns(struct fixture *f, char *columns, size_t size)
{
    f->kind->text(
        f,
        "SET SESSION group_concat_max_len = 65536; SELECT GROUP_CONCAT(table_name, '.', column_name,"
        " ' ', column_type, ' ', is_nullable, ' ', column_key, ' ', COALESCE(column_default, '')"
        " ORDER BY table_name, column_name) FROM information_schema.columns"
        " WHERE table_schema = DATABASE()",
        columns, size);
}

/*
 * A program is ended while it makes the tables, after so many of them (the server cannot take them back): the
 * next one goes on, and what is there is kept.
 */
static void test_making_is_resumed(void **state)
{
    struct fixture *f = *state;
    char made[16384], again[16384], tables[2048], sql[512], *rest;

    read_columns(f, made, sizeof(made));
    f->kind->text(f,
                  "SELECT GROUP_CONCAT(table_name ORDER BY create_time DESC, table_name) FROM"
                  " information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT IN"
                  " ('bulla_schema', 'readings')",
                  tables, sizeof(tables));
    for (char *table = strtok_r(tables, ",", &rest); table != NULL; table = strtok_r(NULL, ",", &rest)) {
        close_it(f);
        snprintf(sql, sizeof(sql), "DROP VIEW readings; DROP TABLE %s; UPDATE bulla_schema SET version = 0",
                 table);
        run_sql(f, sql);
        assert_null(open_store(f, STORE_EXISTING));
        says(f, "no bulla database yet");
        f->store = open_store(f, STORE_CREATE);
        assert_non_null(f->store);
        read_columns(f, again, sizeof(again));
        assert_string_equal(again, made);
    }
    add_device(f, "a", 1, BULLA_SESSION, false);
    int64_t generation = number(f, "SELECT value FROM numbers WHERE name = 'generation'");
    close_it(f);
    run_sql(f, "UPDATE bulla_schema SET version = 0");
    f->store = open_store(f, STORE_CREATE);
    assert_non_null(f->store);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM devices"), 1);
    assert_int_equal(number(f, "SELECT value FROM numbers WHERE name = 'generation'"), generation);
}

/* Of many programs that find nothing at the same moment, one makes the tables. */
static void test_made_by_many_at_once(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    for (int i = 0; i < 6; i++)
        if (fork() == 0) {
            struct store *store = open_store(f, STORE_CREATE);
            if (store == NULL)
                fprintf(stderr, "%s\n", f->failure.text);
            _exit(store == NULL);
        }
    for (int i = 0; i < 6; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(number(f, "SELECT version FROM bulla_schema"), MYSQL_SCHEMA);
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
}

static void test_another_engine_is_refused(void **state)
{
    struct fixture *f = *state;

    close_it(f);
    run_sql(f, "ALTER TABLE contexts ENGINE=MyISAM");
    assert_null(open_store(f, STORE_EXISTING));
    says(f, "InnoDB");
}

static void test_readable_view(void **state)
{
    struct fixture *f = *state;
    char row[160];

    prove(f, add_device(f, "wärm", 1, BULLA_SESSION, false).id, 1, 5, 123456);
    f->kind->text(
        f,
        "SET NAMES utf8mb4; SELECT CONCAT_WS(' ', device, time, name, value, unit, seq) FROM readings"
        " WHERE device = 'wärm' AND time > '2023-11-14' AND name = 'temperature'",
        row, sizeof(row));
    assert_string_equal(row, "wärm 2023-11-14 22:13:20.123456 temperature 123456 Cel 123456");
}

/* ---- a session ---- */

static void test_alone(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_store(f, STORE_EXISTING);

    assert_null(open_store(f, STORE_ALONE));
    says(f, "in use by 2 connections");
    says(f, "bulla@localhost");
    other->ops->close(other);
    for (int i = 0; i < 20; i++) { /* the server takes a moment to notice that somebody has gone */
        close_it(f);
        f->store = open_store(f, STORE_ALONE);
        assert_non_null(f->store);
    }
    assert_null(open_store(f, STORE_ALONE));
}

/* Whoever comes meanwhile waits a while, and then says what is the matter. */
static void test_nobody_beside_who_is_alone(void **state)
{
    struct fixture *f = *state;
    int status;

    close_it(f);
    f->store = open_store(f, STORE_ALONE);
    assert_non_null(f->store);
    if (fork() == 0) { /* its own copy of the failure */
        struct store *store = open_store(f, STORE_EXISTING);
        _exit(store != NULL || strstr(f->failure.text, "needs it alone") == NULL);
    }
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
}

/* What the server is set to, but for how durable it is, makes no difference. */
static void test_settings(void **state)
{
    static const char *const expected[][2] = {
        {"SELECT @@session.time_zone", "+00:00"},
        {"SELECT @@session.autocommit", "1"},
        {"SELECT @@session.sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"},
        {"SELECT @@session.tx_isolation", "READ-COMMITTED"},
        {"SELECT @@session.innodb_lock_wait_timeout", "2"},
        {"SELECT @@session.character_set_client", "utf8mb4"},
        {"SELECT @@session.idle_transaction_timeout", "10"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct mq_result result;
        ok(mq_text_query(mysql_of(f->store), expected[i][0], &result, "ask", &f->failure));
        assert_true(mq_next(&result));
        assert_string_equal(mq_get_text(&result, 0), expected[i][1]);
        mq_clear(&result);
    }
}

/* Without a clock of a test, the database's own counts. */
static void test_the_databases_clock(void **state)
{
    struct fixture *f = *state;
    struct context_row row;
    struct store_clock clock;
    int64_t before = number(f, "SELECT UNIX_TIMESTAMP()");

    f->store->now = NULL;
    assert_int_equal(call(f, context_find, 4711, NULL, &row, &clock), 0);
    assert_true(clock.now >= before && clock.now <= before + 20);
}

/* A statement longer than a packet goes in parts, all of them in its transaction. */
static void test_large_batches(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = device.id, .counter = true, .proven = true}};
    enum { COUNT = 1500, SIZE = 4000 };
    struct reading *readings = calloc(COUNT, sizeof(*readings));
    struct commit_message messages[COUNT];
    static uint8_t bytes[SIZE];
    struct commit commit = {.contexts = &context,
                            .context_count = 1,
                            .messages = messages,
                            .message_count = COUNT,
                            .readings = readings};

    memset(bytes, '\'', sizeof(bytes));
    context.after = context.before;
    for (size_t i = 0; i < COUNT; i++) {
        bulla_window_mark(&context.after.window, i + 1);
        messages[i] = (struct commit_message){.piv = i + 1, .received = NOW * SECOND, .first = i, .count = 1};
        readings[i] = (struct reading){.name = "b",
                                       .name_len = 1,
                                       .type = READING_DATA,
                                       .time = (NOW + (int64_t)i) * SECOND,
                                       .value.bytes = {bytes, sizeof(bytes)}};
    }
    ok(call(f, commit, &commit, f->now));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(count_readings(f, NULL), COUNT);
    assert_int_equal(number(f, "SELECT SUM(LENGTH(data)) FROM points"), (int64_t)COUNT * SIZE);
    free(readings);
}

/* ---- connections that are lost ---- */

#define CONNECTIONS                                                                                          \
    " FROM information_schema.processlist WHERE db = DATABASE() AND user = 'bulla' AND command != 'Killed'"

static void end_connections(struct fixture *f)
{
    char ids[256], sql[64], *rest;

    f->kind->text(f, "SELECT GROUP_CONCAT(id)" CONNECTIONS, ids, sizeof(ids));
    for (char *id = strtok_r(ids, ",", &rest); id != NULL; id = strtok_r(NULL, ",", &rest)) {
        snprintf(sql, sizeof(sql), "KILL CONNECTION %s", id);
        run_sql(f, sql);
    }
    while (number(f, "SELECT COUNT(*)" CONNECTIONS) > 0)
        usleep(1000);
}

/* A batch has stored nothing before its COMMIT: it goes on by itself, as a read does. */
static void test_terminated(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);
    struct commit_context context = {.before = prove(f, row.id, 1, 5, 1)};
    int64_t generation;

    end_connections(f);
    ok(call(f, generation, &generation));
    end_connections(f);
    ok(commit_one(f, f->store, &context, 2));
    assert_int_equal(context.verdict, COMMIT_DONE);
    end_connections(f);
    ok(call(f, device_revoke, row.id)); /* nothing had begun: it begins anew */
    assert_int_equal(count_readings(f, NULL), 2);
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
        end_connections(f);
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

static bool is_there(struct fixture *f, int64_t device, uint64_t piv)
{
    struct context_row row;
    struct store_clock clock;

    assert_int_equal(call(f, context_find, device, NULL, &row, &clock), 1);
    return row.window.top >= piv;
}

/*
 * The connection is cut at the first step of a batch, at the fourth, …: before the COMMIT was sent the batch
 * goes on by itself on a new connection; else all of it is there, or nothing, and what the gateway does then
 * (reads the rows, sends what they do not hold) stores it once. Where the answer to the COMMIT was lost, it
 * is there though the batch was said to have failed.
 */
static void test_every_lost_connection(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct device_row other = add_device(f, "b", 2, BULLA_SESSION, false);
    struct commit_context contexts[2] = {{.before = {.device = device.id, .counter = true, .proven = true}}};
    int again = 0, nothing = 0, all = 0, left = -1;
    uint64_t piv;

    for (piv = 1; left < 0; piv++) {
        contexts[1].before = session(other.id, (uint8_t)piv);
        cut = f;
        steps_left = 3 * ((int)piv - 1); /* fewer than the answer to the COMMIT has packets */
        int result = commit_mixed(f, contexts, piv);
        left = steps_left;
        steps_left = -1;
        wait_for_the_server(f);
        if (result == 0) {
            again += left < 0;
        } else if (is_there(f, device.id, piv)) {
            all++;
            ok(commit_mixed(f, contexts, piv)); /* the same once more, as it was believed to be */
            assert_int_equal(contexts[0].verdict, COMMIT_CONFLICT);
            assert_int_equal(contexts[1].verdict, COMMIT_CONFLICT);
        } else {
            nothing++;
            assert_int_equal(count_readings(f, NULL), 2 * (int64_t)(piv - 1));
            ok(commit_mixed(f, contexts, piv));
            assert_int_equal(contexts[0].verdict, COMMIT_DONE);
            assert_int_equal(contexts[1].verdict, COMMIT_DONE);
        }
        assert_true(is_there(f, device.id, piv));
        assert_int_equal(count_readings(f, NULL), 2 * (int64_t)piv);
        contexts[0].before = contexts[0].after;
    }
    print_message("of %d cuts %d were made good, %d left nothing, %d all\n", (int)piv - 2, again, nothing,
                  all);
    assert_true(again > 10);
    assert_true(all > 0);
}

/* ---- rows that others hold ---- */

/* The row that a transaction in its COMMIT still holds: whoever comes next waits for it, and conflicts. */
static void test_a_held_row(void **state)
{
    struct fixture *f = *state;
    struct device_row device = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = device.id, .counter = true, .proven = true}};
    MYSQL *holder = connect_as_root(f);
    int status;

    execute(holder, "BEGIN");
    execute(holder, "UPDATE contexts SET top = 1, bits = 1");
    assert_int_equal(commit_one(f, f->store, &context, 1), -1);
    says(f, "locked");
    if (fork() == 0) {
        await_lock(holder);
        execute(holder, "COMMIT");
        _exit(0);
    }
    ok(commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    mysql_close(holder);
    assert_int_equal(count_readings(f, NULL), 0);
}

/* A row of another device is nobody's business, however small the table is. */
static void test_a_held_row_of_another_device(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct device_row b = add_device(f, "b", 2, BULLA_COUNTER, true);
    struct device_row c = add_device(f, "c", 3, BULLA_COUNTER, true);
    struct commit_context context = {.before = {.device = b.id, .counter = true, .proven = true}};
    MYSQL *holder = connect_as_root(f);
    char sql[160];

    execute(holder, "BEGIN");
    snprintf(sql, sizeof(sql), "UPDATE contexts FORCE INDEX (PRIMARY) SET top = 1 WHERE device IN (%d, %d)",
             (int)a.id, (int)c.id);
    execute(holder, sql);
    snprintf(sql, sizeof(sql), "UPDATE devices FORCE INDEX (PRIMARY) SET lost = 1 WHERE id IN (%d, %d)",
             (int)a.id, (int)c.id);
    execute(holder, sql);
    ok(commit_one(f, f->store, &context, 200)); /* with lost messages: its device's row is written as well */
    assert_int_equal(context.verdict, COMMIT_DONE);
    ok(call(f, device_revoke, b.id));
    ok(call(f, device_remove, b.id));
    mysql_close(holder);
}

/*
 * Another transaction holds what the batch wants next, and wants what the batch has: the server ends the
 * one that has written less. That is the batch; it begins anew, and is stored.
 */
static void test_a_deadlock(void **state)
{
    struct fixture *f = *state;
    struct device_row a = add_device(f, "a", 1, BULLA_COUNTER, true);
    struct device_row b = add_device(f, "b", 2, BULLA_COUNTER, true);
    struct commit_context contexts[2] = {{.before = {.device = a.id, .counter = true, .proven = true}},
                                         {.before = {.device = b.id, .counter = true, .proven = true}}};
    struct reading readings[2] = {real("t", 1, NOW * SECOND), real("t", 2, NOW * SECOND)};
    struct commit_message messages[2] = {{.context = 0, .piv = 1, .count = 1},
                                         {.context = 1, .piv = 1, .first = 1, .count = 1}};
    struct commit commit = {.contexts = contexts,
                            .context_count = 2,
                            .messages = messages,
                            .message_count = 2,
                            .readings = readings};
    MYSQL *other = connect_as_root(f);
    char sql[128];
    int status;

    for (int i = 0; i < 2; i++) {
        contexts[i].after = contexts[i].before;
        bulla_window_mark(&contexts[i].after.window, 1);
    }
    execute(other, "BEGIN");
    execute(other,
            "INSERT INTO gateway_ids VALUES ('1', 1), ('2', 1), ('3', 1), ('4', 1), ('5', 1), ('6', 1)");
    snprintf(sql, sizeof(sql), "UPDATE contexts FORCE INDEX (PRIMARY) SET seen = 1 WHERE device = %d",
             (int)b.id);
    execute(other, sql);
    if (fork() == 0) {
        await_lock(other); /* the batch has the first row by now, and waits for the second */
        snprintf(sql, sizeof(sql), "UPDATE contexts FORCE INDEX (PRIMARY) SET seen = 1 WHERE device = %d",
                 (int)a.id);
        execute(other, sql);
        execute(other, "ROLLBACK");
        _exit(0);
    }
    ok(call(f, commit, &commit, f->now));
    assert_int_equal(contexts[0].verdict, COMMIT_DONE);
    assert_int_equal(contexts[1].verdict, COMMIT_DONE);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    mysql_close(other);
    assert_int_equal(count_readings(f, NULL), 2);
    assert_true(
        number(f, "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_urls),
        STORE_TEST(test_passwords_are_not_told),
        STORE_TEST(test_parts_of_urls),
        STORE_TEST(test_no_database_yet),
        STORE_TEST(test_newer_schema_is_refused),
        STORE_TEST(test_tables_of_others),
        STORE_TEST(test_making_is_resumed),
        STORE_TEST(test_made_by_many_at_once),
        STORE_TEST(test_another_engine_is_refused),
        STORE_TEST(test_readable_view),
        STORE_TEST(test_alone),
        STORE_TEST(test_nobody_beside_who_is_alone),
        STORE_TEST(test_settings),
        STORE_TEST(test_the_databases_clock),
        STORE_TEST(test_large_batches),
        STORE_TEST(test_terminated),
        STORE_TEST(test_older_wires_lose_the_connection),
        STORE_TEST(test_every_lost_connection),
        STORE_TEST(test_a_held_row),
        STORE_TEST(test_a_held_row_of_another_device),
        STORE_TEST(test_a_deadlock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
