/* gateway/status.c: the words for the service manager, and whether the store hangs. */
#include "gateway/status.h"

#include <setjmp.h> /* last: cmocka has a macro fail() */
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

static struct pipeline pipeline; /* only what status.c looks at is filled in */

static int clear(void **state)
{
    (void)state;
    memset(&pipeline, 0, sizeof(pipeline));
    return 0;
}

static void speed_is_told_every_five_seconds(void **state)
{
    struct status status;

    (void)state;
    pipeline.counters.readings = 1000; /* before it began */
    status_init(&status, &pipeline, 70000);
    assert_false(status_update(&status, &pipeline, 70000));
    assert_false(status_update(&status, &pipeline, 74999));
    pipeline.counters.readings += 50;
    pipeline.waiting = 3;
    assert_true(status_update(&status, &pipeline, 75000));
    assert_string_equal(status.words, "STATUS=10.0 readings/s, 3 messages wait for the store");
    assert_false(status_update(&status, &pipeline, 79999));
    pipeline.counters.readings += 1;
    assert_true(status_update(&status, &pipeline, 85000));
    assert_string_equal(status.words, "STATUS=0.1 readings/s, 3 messages wait for the store");
}

static void failing_is_told_at_once(void **state)
{
    struct status status;

    (void)state;
    status_init(&status, &pipeline, 0);
    pipeline.failing_since = 1795312046;
    strcpy(pipeline.failure.text, "the disk is full\nREADY=0\tnow");
    assert_true(status_update(&status, &pipeline, 1));
    assert_string_equal(status.words,
                        "STATUS=store failing since 2026-11-22T01:47:26Z: the disk is full READY=0 now");
    assert_false(status_update(&status, &pipeline, 2));
    assert_true(status_update(&status, &pipeline, 5001));
    pipeline.failing_since = 0;
    assert_true(status_update(&status, &pipeline, 5002));
    assert_non_null(strstr(status.words, " readings/s, "));
}

static void the_longest_reason_fits(void **state)
{
    struct status status;

    (void)state;
    status_init(&status, &pipeline, 0);
    pipeline.failing_since = 1;
    memset(pipeline.failure.text, 'x', sizeof(pipeline.failure.text) - 1);
    assert_true(status_update(&status, &pipeline, 1));
    assert_int_equal(strspn(strchr(status.words, 'x'), "x"), sizeof(pipeline.failure.text) - 1);
}

static void only_a_cycle_that_does_not_come_back_hangs(void **state)
{
    struct store_watch watch = {.patience = 1000};
    bool changed;

    (void)state;
    assert_false(store_watch_look(&watch, false, 999999, &changed)); /* nothing was handed over */
    assert_false(changed);
    store_watch_submit(&watch, 5000);
    assert_false(store_watch_look(&watch, true, 6000, &changed));
    assert_false(changed);
    assert_true(store_watch_look(&watch, true, 6001, &changed));
    assert_true(changed);
    assert_true(store_watch_look(&watch, true, 60000, &changed));
    assert_false(changed);
    store_watch_submit(&watch, 60001); /* it came back, and has another one */
    assert_false(store_watch_look(&watch, true, 60002, &changed));
    assert_true(changed);
    assert_false(store_watch_look(&watch, false, 999999, &changed)); /* idle, however long */
    assert_false(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(speed_is_told_every_five_seconds, clear),
        cmocka_unit_test_setup(failing_is_told_at_once, clear),
        cmocka_unit_test_setup(the_longest_reason_fits, clear),
        cmocka_unit_test(only_a_cycle_that_does_not_come_back_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
