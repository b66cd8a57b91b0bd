/*
 * A store that fails: whichever call it is, whoever makes it again has what it would have had.
 */
#include "store_faulty.h"

#include <string.h>

static struct faulty_store *faulty_of(struct fixture *f)
{
    return (struct faulty_store *)f->store;
}

/* A call that may fail once. */
#define AGAIN(f, expression)                                                                                 \
    do {                                                                                                     \
        if ((expression) < 0) {                                                                              \
            says(f, "made to fail");                                                                         \
            failures++;                                                                                      \
            assert_true((expression) >= 0);                                                                  \
        }                                                                                                    \
    } while (0)

static int count_event(void *context, const struct event_row *row)
{
    (void)row;
    ++*(int *)context;
    return 0;
}

/* Some of everything. Returns how many calls failed. */
static int live(struct fixture *f)
{
    struct device_row counter = {
        .name = "c", .kid = {1}, .kid_len = 1, .alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_COUNTER};
    struct device_row meter = {
        .name = "s", .kid = {2}, .kid_len = 1, .alg = BULLA_AES_CCM_16_64_128, .kind = BULLA_SESSION};
    struct event_row event = {.kind = "forged", .time = 1};
    struct label label = {"site", "roof"};
    struct event_filter all = {.limit = -1};
    struct commit_context context = {.after = {.counter = true}};
    struct store_clock clock;
    int64_t count = 0;
    uint64_t kept;
    int failures = 0, events = 0;

    AGAIN(f, call(f, meta_put, "K", "k", 1));
    AGAIN(f, call(f, gateway_id_add, (const uint8_t *)"abcdef", NOW));
    AGAIN(f, store_device_add(f->store, &counter, true, &f->failure));
    AGAIN(f, store_device_add(f->store, &meter, false, &f->failure));
    AGAIN(f, call(f, device_label, counter.id, &label, 1));
    AGAIN(f, call(f, context_find, counter.id, NULL, &context.before, &clock));
    AGAIN(f, commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_DONE);
    AGAIN(f, call(f, issued_t, 60, &kept));
    context = (struct commit_context){.before = session(meter.id, 1)};
    context.before.proven_t = 60;
    AGAIN(f, commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_DONE);
    AGAIN(f, call(f, events_add, &event, 1));
    AGAIN(f, call(f, device_revoke, meter.id));
    AGAIN(f, f->store->ops->probe(f->store, &f->failure));
    AGAIN(f, f->store->ops->device_count(f->store, &count, &f->failure));
    assert_int_equal(count, 2);
    faulty_of(f)->fail_in = 0;
    assert_int_equal(count_readings(f, "c"), 1);
    assert_int_equal(count_readings(f, "s"), 1);
    ok(call(f, events_each, &all, count_event, &events));
    assert_int_equal(events, 1);
    return failures;
}

static void test_every_call_fails_once(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    for (n = 1;; n++) {
        empty_place(f);
        f->store = open_store(f, STORE_CREATE);
        faulty_of(f)->fail_in = n;
        if (live(f) == 0)
            break;
    }
    assert_int_equal(n, 14); /* all of its calls */
}

/* A commit that was carried out, though it is said to have failed: the row judges what is sent again. */
static void test_a_commit_whose_outcome_is_not_known(void **state)
{
    struct fixture *f = *state;
    int64_t device = add_device(f, "a", 1, BULLA_COUNTER, true).id;
    struct commit_context context = {.before = {.device = device, .counter = true, .proven = true}};
    struct context_row row;
    struct store_clock clock;

    faulty_of(f)->fail_in = 1;
    faulty_of(f)->after = true;
    assert_int_equal(commit_one(f, f->store, &context, 1), -1);
    ok(commit_one(f, f->store, &context, 1));
    assert_int_equal(context.verdict, COMMIT_CONFLICT);
    assert_int_equal(call(f, context_find, device, NULL, &row, &clock), 1);
    assert_int_equal(bulla_window_place(&row.window, 1), BULLA_WINDOW_DUPLICATE);
    assert_int_equal(count_readings(f, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_every_call_fails_once),
        STORE_TEST(test_a_commit_whose_outcome_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
