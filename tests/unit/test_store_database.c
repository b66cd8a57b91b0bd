/*
 * The contract of stores that are databases, which other programs open, and others than this program can
 * change: made by several at once, rows that somebody has damaged.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Opens and closes the database that others open, close and make at the same moment. Never returns. */
static void open_repeatedly(struct fixture *f)
{
    for (int i = 0; i < 10; i++) {
        struct store *store = open_store(f, STORE_CREATE);
        if (store == NULL) {
            fprintf(stderr, "%s\n", f->failure.text);
            _exit(1);
        }
        store->ops->close(store);
    }
    _exit(0);
}

static void test_concurrent_creation(void **state)
{
    struct fixture *f = *state;

    empty_place(f);
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            open_repeatedly(f);
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    f->store = open_store(f, STORE_EXISTING);
    assert_non_null(f->store);
}

static void test_damaged_rows(void **state)
{
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);

    run_sql(f, "UPDATE devices SET secret = substr(secret, 2)");
    assert_int_equal(call(f, device_by_name, "a", &row), -1);
    says(f, "damaged");
}

/* Numbers whose low byte, or low 32 bits, would pass. */
static void test_rows_out_of_range(void **state)
{
    static const char *const changes[] = {
        "alg = 266",  "alg = -246",  "alg = 4294967306",  "alg = 11",  "alg = 0",
        "kind = 256", "kind = -255", "kind = 4294967297", "kind = -1", "kind = 2",
    };
    struct fixture *f = *state;
    struct device_row row = add_device(f, "a", 1, BULLA_SESSION, false);
    char sql[96];

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        snprintf(sql, sizeof(sql), "UPDATE devices SET %s", changes[i]);
        run_sql(f, sql);
        f->failure.text[0] = 0;
        assert_int_equal(call(f, device_by_name, "a", &row), -1);
        says(f, "damaged");
        assert_int_equal(call(f, device_by_kid, (const uint8_t *)"\1\0\7", 3, &row), -1);
        run_sql(f, "UPDATE devices SET alg = 10, kind = 0");
        assert_int_equal(call(f, device_by_name, "a", &row), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_concurrent_creation),
        STORE_TEST(test_damaged_rows),
        STORE_TEST(test_rows_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
