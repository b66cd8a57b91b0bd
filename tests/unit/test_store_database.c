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

/* ---- older wires: several gateways at once ---- */

#define TURNS 150

/* Spends the current session id, or issues one where there is none; never returns. */
static void spend_and_issue(struct fixture *f, unsigned who)
{
    struct store *store = open_store(f, STORE_EXISTING);

    for (unsigned i = 0; store != NULL && i < TURNS; i++) {
        struct session_row rows[WIRE_SESSIONS_MAX];
        char id[WIRE_SESSION_ID + 1];
        snprintf(id, sizeof(id), "%032x", who * TURNS + i);
        if (store->ops->wires_begin(store, &f->failure) != 0)
            break;
        int count = store->ops->session_list(store, "t", rows, &f->failure);
        bool has_one = count > 0 && !rows[0].spent;
        bool has_more = count > 1 && !rows[1].spent;
        int done = has_one ? store->ops->session_spend(store, "t", rows[0].id, NULL, &f->failure)
                           : store->ops->session_issue(store, "t", id, NOW, &f->failure);
        if (count < 0 || has_more || done != 1 || store->ops->wires_end(store, 0, &f->failure) != 0)
            break;
        if (i == TURNS - 1)
            _exit(0);
    }
    fprintf(stderr, "%s\n", f->failure.text);
    _exit(1);
}

/* No two issue one at once, and no two spend the same one. */
static void test_session_ids_of_several_gateways(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++)
        if (fork() == 0)
            spend_and_issue(f, i);
    for (int i = 0; i < 3; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
}

static int64_t add_older(struct fixture *f)
{
    struct wire_row row = {.wire = "path-wire", .route = "1", .reading_name = "value", .keys_len = 4};
    struct device_entry entry = {
        .row = {.name = "a", .alg = BULLA_AES_CCM_16_64_128}, .wire = &row, .per_route = 1};
    struct device_row credential = {
        .kid = {1}, .kid_len = 1, .alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_COUNTER};
    enum device_clash clash;
    size_t at;

    assert_int_equal(call(f, devices_add, &entry, 1, &at, &clash), 1);
    credential.id = row.device;
    assert_int_equal(call(f, device_upgrade, &credential, true, false), 1);
    return row.device;
}

/* Another gateway: it has found the wire open, and takes its time. Never returns. */
static void take_slowly(struct fixture *f, int ready)
{
    struct store *store = open_store(f, STORE_EXISTING);
    struct wire_row row;

    if (store == NULL || store->ops->wires_begin(store, &f->failure) != 0 ||
        store->ops->wire_find(store, "path-wire", "1", &row, 1, &f->failure) != 1 ||
        row.closed != WIRE_OPEN || write(ready, "", 1) != 1)
        _exit(1);
    usleep(300000);
    struct wire_change change = {.row = row.id, .device = row.device, .sets_number = true, .number = 5};
    _exit(store->ops->wire_change(store, &change, &f->failure) != 0 ||
          store->ops->wires_end(store, 0, &f->failure) != 0);
}

/* Meanwhile the upgraded device's first native message comes: it waits, and then the wire is closed. */
static void test_the_last_older_message(void **state)
{
    struct fixture *f = *state;
    int64_t device = add_older(f);
    struct commit_context context = {.verdict = COMMIT_CONFLICT};
    struct store_clock clock;
    struct wire_row row;
    int ready[2], status;
    char byte;

    assert_int_equal(call(f, context_find, device, NULL, &context.before, &clock), 1);
    ok(pipe(ready));
    if (fork() == 0)
        take_slowly(f, ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    ok(commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_DONE);
    assert_int_equal(call(f, wire_of, device, &row, NULL), 1);
    assert_int_equal(row.closed, WIRE_UPGRADED);
    assert_int_equal(row.number, 5); /* it was through before */
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
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
        STORE_TEST(test_concurrent_creation),    STORE_TEST(test_session_ids_of_several_gateways),
        STORE_TEST(test_the_last_older_message), STORE_TEST(test_damaged_rows),
        STORE_TEST(test_rows_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
