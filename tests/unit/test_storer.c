/*
 * The store's thread (gateway/storer.h): where it cannot be started, nothing is left open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka's; failure.h has its own */

#include <errno.h>
#include <string.h>

#include "gateway/storer.h"

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

static int error_of_create; /* 0: a thread is made */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (error_of_create != 0)
        return error_of_create;
    return __real_pthread_create(thread, attributes, run, argument);
}

static void on_done(void *context)
{
    if (context != NULL)
        uv_stop(context);
}

/* A loop with a handle that is open would run for ever, and does not close. */
static void check_loop_ends(uv_loop_t *loop)
{
    assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void test_no_thread(void **state)
{
    struct storer storer;
    struct failure failure = {.text = ""};
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    error_of_create = EAGAIN;
    assert_int_equal(storer_start(&storer, &loop, on_done, NULL, &failure), -1);
    assert_non_null(strstr(failure.text, "cannot start the store's thread"));
    check_loop_ends(&loop);
}

static void test_start_and_stop(void **state)
{
    struct storer storer;
    struct failure failure;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    error_of_create = 0;
    assert_int_equal(storer_start(&storer, &loop, on_done, NULL, &failure), 0);
    assert_true(storer_stop(&storer, 5000));
    check_loop_ends(&loop);
}

static void on_task(void *context)
{
    ++*(int *)context;
}

/* Tasks are done on the thread, one after the other, and the loop hears of each. */
static void test_tasks(void **state)
{
    struct storer storer;
    struct failure failure;
    uv_loop_t loop;
    int done = 0;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    error_of_create = 0;
    assert_int_equal(storer_start(&storer, &loop, on_done, &loop, &failure), 0);
    for (int i = 1; i <= 3; i++) {
        storer_call(&storer, on_task, &done);
        uv_run(&loop, UV_RUN_DEFAULT); /* on_done() stops it */
        assert_int_equal(done, i);
    }
    assert_true(storer_stop(&storer, 5000));
    check_loop_ends(&loop);
}

static void on_long_task(void *context)
{
    pthread_mutex_t *held = context;

    pthread_mutex_lock(held);
    pthread_mutex_unlock(held);
}

/* One that does not come back is not waited for; when it does, all is closed in good order. */
static void test_a_task_that_hangs(void **state)
{
    struct storer storer;
    struct failure failure;
    uv_loop_t loop;
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    error_of_create = 0;
    assert_int_equal(storer_start(&storer, &loop, on_done, NULL, &failure), 0);
    pthread_mutex_lock(&held);
    storer_call(&storer, on_long_task, &held);
    assert_false(storer_stop(&storer, 50));
    pthread_mutex_unlock(&held);
    assert_true(storer_stop(&storer, 5000));
    check_loop_ends(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_thread),
        cmocka_unit_test(test_start_and_stop),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_a_task_that_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
