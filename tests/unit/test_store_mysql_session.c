/*
 * What a connection to MariaDB or MySQL is, whatever option files and the server's settings say: what it has
 * written is committed when it says so, and one that was lost is made anew by the store alone, which has its
 * settings and locks made anew as well.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/store/mysql/mysql.h"

/* A store whose connections read an option file. */
struct reader {
    struct fixture *f;
    char file[64];
    struct store *store;
};

static struct reader open_reader(struct fixture *f, const char *options)
{
    struct reader reader = {.f = f};
    char url[sizeof(f->path) + sizeof(reader.file) + 16];

    snprintf(reader.file, sizeof(reader.file), "/tmp/bulla_options_%ld.cnf", (long)getpid());
    FILE *file = fopen(reader.file, "w");
    assert_non_null(file);
    fprintf(file, "[client]\n%s\n", options);
    assert_int_equal(fclose(file), 0);
    snprintf(url, sizeof(url), "%s&option-file=%s", f->path, reader.file);
    assert_int_equal(store_open(&reader.store, url, STORE_EXISTING, &f->failure), 0);
    return reader;
}

static void close_reader(struct reader *reader)
{
    reader->store->ops->close(reader->store);
    unlink(reader->file);
}

static void kill_connection_of(struct reader *reader)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "KILL CONNECTION %lu", mysql_thread_id(((struct mysql *)reader->store)->conn));
    run_sql(reader->f, sql);
}

/* The client library would connect again by itself: without the lock that says that somebody uses it. */
static void test_it_never_connects_by_itself(void **state)
{
    struct fixture *f = *state;
    struct reader reader = open_reader(f, "reconnect=1");
    struct store *alone;
    int64_t generation;

    f->store->ops->close(f->store);
    f->store = NULL;
    kill_connection_of(&reader);
    ok(reader.store->ops->generation(reader.store, &generation, &f->failure));
    assert_int_equal(f->kind->open(f, STORE_ALONE, &alone), -1);
    says(f, "is in use by 1 connection");
    close_reader(&reader);
    f->store = open_store(f, STORE_EXISTING);
}

/* Its settings are there, too: without them, none of these is refused. */
static void test_a_new_connection_has_its_settings(void **state)
{
    struct fixture *f = *state;
    struct reader reader = open_reader(f, "reconnect=1");
    struct mysql *my = (struct mysql *)reader.store;
    struct mq_result result;

    kill_connection_of(&reader);
    ok(mq_text_run(my, "SELECT 1", "look", &f->failure) == 0
           ? 0
           : mq_text_run(my, "SELECT 1", "look", &f->failure));
    ok(mq_text_query(my, "SELECT CONCAT_WS('|', @@tx_isolation, @@sql_mode, @@time_zone)", &result, "look",
                     &f->failure));
    assert_true(mq_next(&result));
    assert_string_equal(mq_get_text(&result, 0),
                        "READ-COMMITTED|STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION|+00:00");
    mq_clear(&result);
    close_reader(&reader);
}

static void test_no_files_are_handed_out(void **state)
{
    struct fixture *f = *state;
    struct reader reader = open_reader(f, "local-infile=1");
    unsigned handed_out = 1;

    ok(mysql_get_option(((struct mysql *)reader.store)->conn, MYSQL_OPT_LOCAL_INFILE, &handed_out));
    assert_int_equal(handed_out, 0);
    close_reader(&reader);
}

/* Where a COMMIT begins the next transaction, what one statement writes would wait for another COMMIT. */
static void test_each_statement_is_committed(void **state)
{
    static const uint8_t id[GATEWAY_ID_SIZE] = {1, 2, 3, 4, 5, 6};
    struct fixture *f = *state;
    struct reader reader = open_reader(f, "init-command=SET SESSION completion_type=CHAIN, autocommit=0");

    ok(reader.store->ops->sink_add(reader.store, "a", NOW, &f->failure) == 1 ? 0 : -1);
    assert_int_equal(reader.store->ops->gateway_id_add(reader.store, id, NOW, &f->failure), 1);
    kill_connection_of(&reader);
    assert_int_equal(number(f, "SELECT COUNT(*) FROM gateway_ids WHERE id = X'010203040506'"), 1);
    close_reader(&reader);
}

/* What a power cut would take with it: with a binary log that is not flushed, the server's own commits, too.
 */
static void test_caution(void **state)
{
    static const struct {
        const char *setting;
        const char *with_log, *without_log;
    } settings[] = {
        {"0", "a power cut, or a crash, loses the last second's readings",
         "a power cut, or a crash, loses the last second's readings"},
        {"2", "a power cut, or a crash, loses the last second's readings",
         "a power cut, or a crash, loses the last second's readings"},
        {"1", "sync_binlog=0: after a power cut it, and its replicas, may lack readings", ""},
        {"3", "sync_binlog=0: after a power cut it, and its replicas, may lack readings", ""},
    };
    struct fixture *f = *state;
    bool has_log = number(f, "SELECT @@global.log_bin") != 0;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *expected = has_log ? settings[i].with_log : settings[i].without_log;
        char sql[64];
        snprintf(sql, sizeof(sql), "SET GLOBAL innodb_flush_log_at_trx_commit = %s", settings[i].setting);
        run_sql(f, sql);
        struct store *store = open_store(f, STORE_EXISTING);
        const char *caution = ((struct mysql *)store)->caution;
        if (expected[0] == '\0')
            assert_string_equal(caution, "");
        else
            assert_non_null(strstr(caution, expected));
        store->ops->close(store);
    }
    run_sql(f, "SET GLOBAL innodb_flush_log_at_trx_commit = 0"); /* as the others have it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_it_never_connects_by_itself),
        STORE_TEST(test_a_new_connection_has_its_settings),
        STORE_TEST(test_no_files_are_handed_out),
        STORE_TEST(test_each_statement_is_committed),
        STORE_TEST(test_caution),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
