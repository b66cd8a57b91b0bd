/*
 * Old readings go in small steps, and so do series that have none left; the cache of series never gives a
 * deleted one's id, whoever deleted it.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <sqlite3.h>
#include <string.h>

#define DAY (INT64_C(86400) * SECOND)

static struct commit_context begin(struct fixture *f)
{
    int64_t device = add_device(f, "a", 1, BULLA_COUNTER, true).id;
    struct context_row row = {.device = device, .counter = true, .proven = true};

    return (struct commit_context){.before = row, .after = row};
}

static void store_one(struct fixture *f, struct commit_context *context, const char *name, int64_t time)
{
    struct reading reading = real(name, 1, time);
    struct commit_message message = {.piv = context->before.window.top + 1, .received = time, .count = 1};
    struct commit commit = {context, 1, &message, 1, &reading};

    bulla_window_mark(&context->after.window, message.piv);
    ok(call(f, commit, &commit, f->now));
    assert_int_equal(context->verdict, COMMIT_DONE);
    context->before = context->after;
}

static int64_t count_rows(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *query;

    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_prepare_v2(db, sql, -1, &query, NULL));
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return count;
}

static void test_in_steps(void **state)
{
    struct fixture *f = *state;
    struct commit_context context = begin(f);

    for (int i = 0; i < 25; i++)
        store_one(f, &context, "old", i * SECOND);
    store_one(f, &context, "old", 24 * SECOND); /* of the same microsecond */
    store_one(f, &context, "new", 30 * DAY);
    assert_int_equal(call(f, readings_expire, 0, 10), 0);
    assert_int_equal(call(f, readings_expire, 20 * SECOND, 10), 10);
    assert_int_equal(count_readings(f, NULL), 17);
    assert_int_equal(call(f, readings_expire, 20 * SECOND, 10), 10);
    assert_int_equal(call(f, readings_expire, 20 * SECOND, 10), 0);
    assert_int_equal(count_readings(f, NULL), 7);
    assert_int_equal(call(f, readings_expire, 2 * DAY, 5), 5);
    assert_int_equal(call(f, readings_expire, 2 * DAY, 5), 1);
    assert_int_equal(count_readings(f, NULL), 1);
    assert_int_equal(count_rows(f, "SELECT count(*) FROM series"), 2);
    assert_int_equal(call(f, readings_expire, 2 * DAY, 5), 1);
    assert_int_equal(count_rows(f, "SELECT count(*) FROM series"), 1);
    assert_int_equal(call(f, readings_expire, 2 * DAY, 5), 0);
    assert_int_equal(count_readings(f, NULL), 1);
}

/* A series whose hours may hold a reading that is kept stays. */
static void test_a_series_in_use_stays(void **state)
{
    struct fixture *f = *state;
    struct commit_context context = begin(f);

    store_one(f, &context, "x", 10 * DAY + 1);
    store_one(f, &context, "x", 10 * DAY + 2);
    assert_int_equal(call(f, readings_expire, 10 * DAY + 2, 100), 1);
    assert_int_equal(call(f, readings_expire, 10 * DAY + 2, 100), 0);
    assert_int_equal(count_readings(f, "a"), 1);
}

/* The writer's cache knew the series that has gone: by its own hand, and by another's. */
static void test_the_cache_forgets(void **state)
{
    struct fixture *f = *state;
    struct commit_context context = begin(f);
    struct store *other = open_store(f, STORE_EXISTING);

    for (int by_other = 0; by_other < 2; by_other++) {
        struct store *deleter = by_other ? other : f->store;
        store_one(f, &context, "x", SECOND);
        assert_true(deleter->ops->readings_expire(deleter, DAY, 100, &f->failure) > 0);
        assert_int_equal(deleter->ops->readings_expire(deleter, DAY, 100, &f->failure), 1);
        assert_int_equal(count_rows(f, "SELECT count(*) FROM series"), 0);
        store_one(f, &context, "x", SECOND);
        assert_int_equal(count_readings(f, "a"), 1);
        assert_int_equal(
            count_rows(f, "SELECT count(*) FROM readings WHERE series NOT IN (SELECT id FROM series)"), 0);
    }
    other->ops->close(other);
}

/* Somebody else writes: it does not wait, and nothing was deleted. */
static void test_does_not_wait(void **state)
{
    struct fixture *f = *state;
    struct commit_context context = begin(f);
    sqlite3 *db;

    store_one(f, &context, "x", SECOND);
    ok(sqlite3_open(f->path, &db));
    ok(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    assert_int_equal(call(f, readings_expire, DAY, 100), -1);
    says(f, "locked");
    sqlite3_close(db);
    assert_int_equal(count_readings(f, NULL), 1);
    assert_int_equal(call(f, readings_expire, DAY, 100), 1);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_in_steps),
        STORE_TEST(test_a_series_in_use_stays),
        STORE_TEST(test_the_cache_forgets),
        STORE_TEST(test_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
