/*
 * Old readings go in small steps, and so do series that have none left; the cache of series never gives a
 * deleted one's id, whoever deleted it.
 */
#include "store_fixture.h"

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
    struct commit commit = {.contexts = context,
                            .context_count = 1,
                            .messages = &message,
                            .message_count = 1,
                            .readings = &reading};

    bulla_window_mark(&context->after.window, message.piv);
    ok(call(f, commit, &commit, f->now));
    assert_int_equal(context->verdict, COMMIT_DONE);
    context->before = context->after;
}

/* Where somebody else can look: how many series there are. */
static void assert_series(struct fixture *f, int64_t count)
{
    if (f->kind->number != NULL)
        assert_int_equal(number(f, "SELECT count(*) FROM series"), count);
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
    assert_series(f, 2);
    assert_int_equal(call(f, readings_expire, 2 * DAY, 5), 1);
    assert_series(f, 1);
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
        assert_series(f, 0);
        store_one(f, &context, "x", SECOND);
        assert_int_equal(count_readings(f, "a"), 1); /* it has a series */
    }
    other->ops->close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_in_steps),
        STORE_TEST(test_a_series_in_use_stays),
        STORE_TEST(test_the_cache_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
