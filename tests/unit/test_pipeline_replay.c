/*
 * The replay window, what is under way, and commits that fail (PROTOCOL 4.5, 4.7): nothing is stored twice,
 * nothing is acknowledged that is not stored.
 */
#include "lab_device.h"

#include <string.h>

/* A counter device that is proven, so that any number can be sent. */
static void add_counter(struct lab *lab, struct lab_device *device)
{
    lab_add(lab, device, "shed", BULLA_COUNTER);
}

/* Loads device and context into the gateway, so that later messages are gathered at once. */
static void warm(struct lab_device *device, uint64_t piv)
{
    struct lab_packet packet = lab_numbered(device, piv, 0);

    assert_fate(lab_deliver(device->lab, &packet), "stored");
}

static struct lab_letter *send_numbered(struct lab_device *device, uint64_t piv)
{
    struct lab_packet packet = lab_numbered(device, piv, (int64_t)piv);

    return lab_send(device->lab, &packet);
}

/* ---- duplicates of what is under way ---- */

static void a_copy_in_the_same_batch_shares_its_commit(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *letters[3];
    struct lab_packet packet;
    struct lab_reply reply;

    add_counter(lab, &device);
    warm(&device, 1);
    packet = lab_numbered(&device, 2, 2);
    for (size_t i = 0; i < COUNT(letters); i++)
        letters[i] = lab_send(lab, &packet);
    assert_true(lab_begin(lab));
    for (size_t i = 0; i < COUNT(letters); i++)
        assert_fate(letters[i], "waiting");
    lab_end(lab);
    lab_run(lab);
    assert_fate(letters[0], "stored");
    for (size_t i = 1; i < COUNT(letters); i++) {
        assert_fate(letters[i], "duplicate");
        reply = lab_read(&device, NULL, letters[i]);
        assert_receipt(&reply, 2, 1);
    }
    assert_int_equal(lab_stored(lab, 2), 1);
}

static void a_copy_waits_while_its_original_commits(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *original;
    struct lab_letter *copy;
    struct lab_packet packet;

    add_counter(lab, &device);
    warm(&device, 1);
    packet = lab_numbered(&device, 2, 2);
    original = lab_send(lab, &packet);
    assert_true(lab_begin(lab));
    copy = lab_send(lab, &packet);
    assert_false(lab_begin(lab)); /* one cycle at a time */
    assert_fate(copy, "waiting");
    lab_end(lab);
    assert_fate(original, "stored");
    lab_run(lab);
    assert_fate(copy, "duplicate");
    assert_int_equal(lab_stored(lab, 2), 1);
}

static void neither_is_acknowledged_when_the_commit_fails(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *letters[3];
    struct lab_packet packet;

    add_counter(lab, &device);
    warm(&device, 1);
    packet = lab_numbered(&device, 2, 2);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    letters[0] = lab_send(lab, &packet);
    letters[1] = lab_send(lab, &packet);
    assert_true(lab_begin(lab));
    letters[2] = lab_send(lab, &packet);
    lab_end(lab);
    for (size_t i = 0; i < COUNT(letters); i++) {
        assert_fate(letters[i], "busy");
        assert_int_equal(letters[i]->reply_len, 0);
    }
    assert_int_equal(lab_stored(lab, 2), 0);
    assert_int_equal(lab->gateways[0].pipeline.waiting, 0);

    /* the windows were put back: the same message is stored now */
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_stored(lab, 2), 1);
}

static void what_gathered_on_a_batch_that_fails_fails_with_it(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *first;
    struct lab_letter *second;

    add_counter(lab, &device);
    warm(&device, 1);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    first = send_numbered(&device, 2);
    assert_true(lab_begin(lab));
    second = send_numbered(&device, 3);
    lab_end(lab);
    assert_fate(first, "busy");
    assert_fate(second, "busy");
    assert_fate(send_numbered(&device, 200), "waiting"); /* far ahead: 2 and 3 would be stale */
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    lab_run(lab);
    assert_int_equal(lab_number(lab, "SELECT top FROM contexts"), 1);
}

/* The commit happened, and the gateway was told that it failed: what comes again is a duplicate. */
static void outcome_unknown_then_a_duplicate_with_a_receipt(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *letter;
    struct lab_packet packet;
    struct lab_reply reply;

    add_counter(lab, &device);
    warm(&device, 1);
    packet = lab_numbered(&device, 2, 2);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_AFTER, 1);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_int_equal(lab_stored(lab, 2), 1);
    letter = lab_deliver(lab, &packet);
    assert_fate(letter, "duplicate");
    reply = lab_read(&device, NULL, letter);
    assert_receipt(&reply, 2, 1);
    assert_int_equal(lab_stored(lab, 2), 1);
}

/* Likewise for a message that proves its session. */
static void outcome_unknown_of_a_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &packet));
    packet = lab_seal_again(&device);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_AFTER, 1);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_fate(lab_deliver(lab, &packet), "duplicate");
    lab_restart(lab);
    assert_fate(lab_deliver(lab, &packet), "duplicate");
    assert_int_equal(lab_stored(lab, 1), 1);
}

/* A batch stands even where its replies cannot be sealed. */
static void stored_without_a_reply_is_a_duplicate_later(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct answerer *answerer = &lab->gateways[0].pipeline.answerer;

    add_counter(lab, &device);
    warm(&device, 1);
    lab_store_fail(&lab->gateways[0].store, CALL_GATEWAY_ID_ADD, FAULT_BEFORE, 100);
    answerer->limit = answerer->next;
    packet = lab_numbered(&device, 2, 2);
    assert_fate(lab_deliver(lab, &packet), "busy");
    assert_int_equal(lab_stored(lab, 2), 1);
    lab->gateways[0].store.faults[CALL_GATEWAY_ID_ADD].fail_count = 0;
    assert_fate(lab_deliver(lab, &packet), "busy"); /* answered from memory: no cycle has run */
    lab_idle(lab);
    assert_fate(lab_deliver(lab, &packet), "duplicate");
}

/* ---- jumps ---- */

static void a_jump_makes_stale_only_when_it_is_stored(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *jump;
    struct lab_letter *old;

    add_counter(lab, &device);
    warm(&device, 100);
    jump = send_numbered(&device, 1000);
    old = send_numbered(&device, 101);
    assert_fate(old, "waiting");
    lab_run(lab);
    assert_fate(jump, "stored");
    assert_fate(old, "stale");
    assert_int_equal(lab_stored(lab, 101), 0);
}

static void a_jump_that_fails_takes_nothing_with_it(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *jump;
    struct lab_letter *old;
    struct lab_packet packet;

    add_counter(lab, &device);
    warm(&device, 100);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    jump = send_numbered(&device, 1000);
    packet = lab_numbered(&device, 101, 101);
    old = lab_send(lab, &packet);
    lab_run(lab);
    assert_fate(jump, "busy");
    assert_fate(old, "busy");
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* What a jump of so many makes of the number that was top, and of the one below it, which is not stored yet.
 */
static void jumps(void **state)
{
    static const struct {
        uint64_t jump;
        const char *below;
        const char *top;
    } cases[] = {
        {1, "stored", "duplicate"},
        {62, "stored", "duplicate"},
        {63, "stale", "duplicate"},
        {64, "stale", "stale"},
        {65, "stale", "stale"},
        {UINT64_C(1) << 32, "stale", "stale"},
        {(UINT64_C(1) << 32) + 1, "stale", "stale"},
        {(UINT64_C(1) << 32) + 63, "stale", "stale"},
        {UINT64_C(1) << 38, "stale", "stale"},
    };
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t from = 500;

    add_counter(lab, &device);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lab_packet top = lab_numbered(&device, from, 0);
        struct lab_packet below = lab_numbered(&device, from - 1, 0);
        struct lab_packet far = lab_numbered(&device, from + cases[i].jump, 0);
        assert_fate(lab_deliver(lab, &top), "stored");
        assert_fate(lab_deliver(lab, &far), "stored");
        if (i % 2 == 1)
            lab_restart(lab);
        assert_fate(lab_deliver(lab, &below), cases[i].below);
        assert_fate(lab_deliver(lab, &top), cases[i].top);
        assert_fate(lab_deliver(lab, &far), "duplicate");
        from += cases[i].jump + 1000;
    }
}

static void the_last_number_of_all(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    add_counter(lab, &device);
    packet = lab_numbered(&device, BULLA_PIV_MAX, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_fate(lab_deliver(lab, &packet), "duplicate");
    assert_fate(lab_deliver(lab, &(struct lab_packet){.len = 0}), "malformed");
    packet = lab_numbered(&device, BULLA_PIV_MAX - 63, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    packet = lab_numbered(&device, BULLA_PIV_MAX - 64, 1);
    assert_fate(lab_deliver(lab, &packet), "stale");
}

/* ---- many in one batch ---- */

static void out_of_order_in_one_batch(void **state)
{
    static const uint64_t pivs[] = {70, 7, 69, 64, 8, 65, 66, 68, 67};
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *letters[COUNT(pivs)];

    add_counter(lab, &device);
    warm(&device, 6);
    for (size_t i = 0; i < COUNT(pivs); i++)
        letters[i] = send_numbered(&device, pivs[i]);
    assert_true(lab_begin(lab));
    lab_end(lab);
    for (size_t i = 0; i < COUNT(pivs); i++) {
        assert_fate(letters[i], "stored");
        assert_int_equal(lab_stored(lab, (int64_t)pivs[i]), 1);
    }
    assert_int_equal(lab->gateways[0].pipeline.counters.batches, 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 1);
}

/* 64 wide, while all of it is under way: the 65th from the top waits, and is stale only after the commit. */
static void edge_of_the_window_under_way(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *top;
    struct lab_letter *inside;
    struct lab_letter *outside;

    add_counter(lab, &device);
    warm(&device, 10);
    top = send_numbered(&device, 200);
    inside = send_numbered(&device, 200 - 63);
    outside = send_numbered(&device, 200 - 64);
    assert_int_equal(lab->gateways[0].pipeline.gathered->message_count, 2);
    assert_int_equal(lab->gateways[0].pipeline.gathered->parked.count, 1);
    lab_run(lab);
    assert_fate(top, "stored");
    assert_fate(inside, "stored");
    assert_fate(outside, "stale");
}

/* A second batch stands on the first: both windows are moved, in order. */
static void batches_on_top_of_each_other(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_letter *letters[20];

    add_counter(lab, &device);
    warm(&device, 1);
    for (size_t i = 0; i < COUNT(letters); i += 2) {
        letters[i] = send_numbered(&device, i + 2);
        assert_true(lab_begin(lab));
        letters[i + 1] = send_numbered(&device, i + 3);
        lab_end(lab);
    }
    lab_run(lab);
    for (size_t i = 0; i < COUNT(letters); i++)
        assert_fate(letters[i], "stored");
    assert_int_equal(lab_number(lab, "SELECT bits FROM contexts"), (1 << 21) - 1);
}

/* ---- failure after failure ---- */

static void recovery_without_a_restart(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    const struct pipeline *pipeline = &lab->gateways[0].pipeline;
    struct lab_packet packet;

    add_counter(lab, &device);
    warm(&device, 1);
    packet = lab_numbered(&device, 2, 2);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_fate(lab_deliver(lab, &packet), "busy");
        assert_true(pipeline->failing_since != 0);
    }
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(pipeline->failing_since, 0);
    assert_int_equal(pipeline->counters.batch_failures, 5);
}

static void lookups_that_fail_are_busy(void **state)
{
    static const enum lab_call calls[] = {CALL_DEVICE_BY_KID, CALL_CONTEXT_FIND, CALL_CONTEXT_NEWEST};
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet bare;
    struct lab_packet named;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    bare = lab_seal(&device, 2);
    lab_keep_kid_context(&device);
    named = lab_seal(&device, 3);
    for (size_t i = 0; i < COUNT(calls); i++) {
        lab_restart(lab);
        lab_store_fail(&lab->gateways[0].store, calls[i], FAULT_BEFORE, 1);
        assert_fate(lab_deliver(lab, calls[i] == CALL_CONTEXT_NEWEST ? &bare : &named), "busy");
    }
    assert_fate(lab_deliver(lab, &bare), "stored");
    assert_fate(lab_deliver(lab, &named), "stored");
}

/* Nothing but the readings depends on the journal, on housekeeping, or on the registry's news. */
static void side_work_that_fails_delays_no_reading(void **state)
{
    static const enum lab_call calls[] = {CALL_EVENTS_ADD, CALL_CONTEXTS_CLOSE, CALL_GENERATION,
                                          CALL_DEVICE_COUNT};
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    add_counter(lab, &device);
    warm(&device, 1);
    for (size_t i = 0; i < COUNT(calls); i++)
        lab_store_fail(&lab->gateways[0].store, calls[i], FAULT_BEFORE, 1000);
    for (uint64_t piv = 2; piv < 10; piv++) {
        packet = lab_numbered(&device, piv, (int64_t)piv);
        assert_fate(lab_deliver(lab, &packet), "stored");
        assert_fate(lab_deliver(lab, &packet), "duplicate");
        lab_idle(lab);
    }
    /* The journal keeps its events, and writes them once it can. */
    assert_int_equal(lab->gateways[0].pipeline.counters.events_lost, 0);
    assert_int_equal(lab->gateways[0].pipeline.journal.count, 8);
    lab_store_fail(&lab->gateways[0].store, CALL_EVENTS_ADD, FAULT_BEFORE, 0);
    lab_idle(lab);
    lab_idle(lab);
    assert_int_equal(lab->gateways[0].pipeline.journal.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_in_the_same_batch_shares_its_commit),
        TEST(a_copy_waits_while_its_original_commits),
        TEST(neither_is_acknowledged_when_the_commit_fails),
        TEST(what_gathered_on_a_batch_that_fails_fails_with_it),
        TEST(outcome_unknown_then_a_duplicate_with_a_receipt),
        TEST(outcome_unknown_of_a_proof),
        TEST(stored_without_a_reply_is_a_duplicate_later),
        TEST(a_jump_makes_stale_only_when_it_is_stored),
        TEST(a_jump_that_fails_takes_nothing_with_it),
        TEST(jumps),
        TEST(the_last_number_of_all),
        TEST(out_of_order_in_one_batch),
        TEST(edge_of_the_window_under_way),
        TEST(batches_on_top_of_each_other),
        TEST(recovery_without_a_restart),
        TEST(lookups_that_fail_are_busy),
        TEST(side_work_that_fails_delays_no_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
