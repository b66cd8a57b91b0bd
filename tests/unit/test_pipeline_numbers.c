/*
 * Gateway ids and numbers (PROTOCOL 2): over restarts, evictions, thousands of devices and a change of id no
 * key meets the same nonce twice. The recorder sees every pair that gateways and devices seal under, and
 * fails the test by itself; here it is made sure that it has something to see, and that the numbers are what
 * the protocol says.
 */
#include "lab_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

/* ---- what replies say of themselves ---- */

#define IDS 64

/* The numbers of each gateway id rise, over all devices. */
struct sequence {
    uint8_t ids[IDS][GATEWAY_ID_SIZE];
    uint64_t next[IDS];
    size_t count;
    size_t replies;
};

static void note(struct sequence *sequence, const struct lab_reply *reply)
{
    size_t i = 0;

    while (i < sequence->count && memcmp(sequence->ids[i], reply->gateway, GATEWAY_ID_SIZE) != 0)
        i++;
    if (i == sequence->count) {
        assert_true(sequence->count < IDS);
        memcpy(sequence->ids[sequence->count++], reply->gateway, GATEWAY_ID_SIZE);
    }
    assert_int_equal(reply->piv, sequence->next[i]); /* from 0, none left out, none again */
    sequence->next[i]++;
    sequence->replies++;
}

/* Brings a reading home and notes every reply on the way. */
static void tell(struct sequence *sequence, struct lab_device *device, int64_t value)
{
    struct lab_packet packet = lab_seal(device, value);

    for (unsigned tries = 0; tries < 3; tries++) {
        struct lab_letter *letter = lab_deliver(device->lab, &packet);
        struct lab_reply reply = lab_read(device, lab_session(device), letter);
        note(sequence, &reply);
        lab_accept(device, letter);
        if (bulla_fate(&device->bulla, &device->message) == BULLA_STORED)
            return;
        packet = lab_seal_again(device);
    }
    lab_fail("not stored");
}

static struct lab_device *add_devices(struct lab *lab, size_t count)
{
    struct lab_device *devices = calloc(count, sizeof(*devices));
    char name[24];

    assert_non_null(devices);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d%zu", i);
        lab_add(lab, &devices[i], name, i % 2 == 0 ? BULLA_SESSION : BULLA_COUNTER);
    }
    return devices;
}

static void restarts(void **state)
{
    struct lab *lab = *state;
    struct lab_device *devices = add_devices(lab, 6);
    struct sequence sequence = {.count = 0};

    for (unsigned round = 0; round < 30; round++) {
        for (size_t i = 0; i < 6; i++) {
            if ((round + i) % 7 == 0)
                lab_boot(&devices[i]);
            tell(&sequence, &devices[i], (int64_t)(round * 6 + i));
        }
        lab_restart(lab);
    }
    assert_int_equal(sequence.count, 30);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM gateway_ids"), 31);
    assert_true(recorder_count() >= 2 * sequence.replies);
    free(devices);
}

static void evictions(void **state)
{
    struct lab *lab = *state;
    struct lab_device *devices;
    struct sequence sequence = {.count = 0};

    lab->devices = 3;
    lab_restart(lab);
    devices = add_devices(lab, 12);
    for (unsigned round = 0; round < 10; round++) {
        for (size_t i = 0; i < 12; i++)
            tell(&sequence, &devices[(i * 5 + round) % 12], (int64_t)(round * 12 + i));
    }
    assert_int_equal(sequence.count, 1);
    assert_true(sequence.replies >= 120);
    free(devices);
}

/* A context that was forgotten and made anew goes on with the process's numbers. */
static void contexts_that_come_back(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packets[8];
    struct sequence sequence = {.count = 0};
    uint8_t sessions[8][BULLA_ID_CONTEXT_SIZE];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    for (size_t i = 0; i < COUNT(packets); i++) {
        lab_boot(&device);
        packets[i] = lab_seal(&device, 1);
        memcpy(sessions[i], device.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
    }
    for (unsigned round = 0; round < 6; round++) {
        for (size_t i = 0; i < COUNT(packets); i++) {
            struct lab_letter *letter = lab_deliver(lab, &packets[i]);
            struct lab_reply reply = lab_read(&device, sessions[i], letter);
            assert_fate(letter, "challenged");
            note(&sequence, &reply);
        }
    }
    assert_int_equal(recorder_count(), COUNT(packets) + sequence.replies);
}

#define THOUSANDS 3000

static void thousands_of_devices(void **state)
{
    struct lab *lab = *state;
    struct lab_device *devices;
    struct lab_letter **letters = calloc(THOUSANDS, sizeof(*letters));
    size_t pairs = 0;

    assert_non_null(letters);
    lab->queue = 8192;
    lab->devices = 500;
    lab_restart(lab);
    devices = add_devices(lab, THOUSANDS);
    for (unsigned round = 0; round < 3; round++) {
        pairs += round == 0 ? 2 * THOUSANDS : THOUSANDS;
        for (size_t i = 0; i < THOUSANDS; i++) {
            struct lab_packet packet = round == 0 ? lab_seal(&devices[i], 1) : lab_resend(&devices[i]);
            letters[i] = lab_send(lab, &packet);
        }
        lab_run(lab);
        for (size_t i = 0; i < THOUSANDS; i++)
            assert_true(letters[i]->reply_len > 0);
        assert_int_equal(recorder_count(), pairs);
    }
    assert_int_equal(lab->gateways[0].pipeline.answerer.next, 3 * THOUSANDS);
    free(devices);
    free(letters);
}

static void two_gateways_serve_one_device(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct sequence sequence = {.count = 0};

    lab_start(lab, 1);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (unsigned i = 0; i < 50; i++) {
        struct lab_packet packet = lab_seal(&device, i);
        for (unsigned gateway = 0; gateway < 2; gateway++) {
            struct lab_letter *letter = lab_send_to(lab, gateway, &packet);
            struct lab_reply reply;
            lab_run(lab);
            reply = lab_read(&device, NULL, letter);
            note(&sequence, &reply);
            lab_accept(&device, letter);
        }
    }
    assert_int_equal(sequence.count, 2);
    assert_int_equal(recorder_count(), 150);
}

/* ---- the end of an id's numbers ---- */

/* A new id is drawn in time, and its numbers begin at 0. */
static void a_new_id_before_the_limit(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct answerer *answerer = &lab->gateways[0].pipeline.answerer;
    struct sequence sequence = {.count = 0};

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (unsigned i = 0; i < 40; i++) {
        if (i % 10 == 5)
            answerer->limit = answerer->next + 2;
        tell(&sequence, &device, i);
    }
    assert_int_equal(sequence.count, 5);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM gateway_ids"), 5);
    for (size_t i = 0; i < sequence.count; i++)
        assert_int_equal(lab_number(lab,
                                    "SELECT count(*) FROM gateway_ids WHERE id = x'%02x%02x%02x%02x%02x%02x'",
                                    sequence.ids[i][0], sequence.ids[i][1], sequence.ids[i][2],
                                    sequence.ids[i][3], sequence.ids[i][4], sequence.ids[i][5]),
                         1);
}

/* Where none can be drawn there are no replies beyond the limit, for any outcome. */
static void no_reply_beyond_the_limit(void **state)
{
    struct lab *lab = *state;
    struct lab_device counter;
    struct lab_device session;
    struct answerer *answerer = &lab->gateways[0].pipeline.answerer;
    struct lab_packet packets[2];
    size_t sealed;

    lab_add(lab, &counter, "shed", BULLA_COUNTER);
    lab_add(lab, &session, "kitchen", BULLA_SESSION);
    lab_tell(&counter, 1);
    packets[0] = lab_seal(&counter, 2);
    packets[1] = lab_seal(&session, 3);
    lab_store_fail(&lab->gateways[0].store, CALL_GATEWAY_ID_ADD, FAULT_BEFORE, UINT32_MAX);
    answerer->limit = answerer->next;
    sealed = recorder_count();
    for (unsigned i = 0; i < 20; i++) {
        assert_fate(lab_deliver(lab, &packets[i % 2]), "busy");
        lab_idle(lab);
    }
    assert_int_equal(recorder_count(), sealed);
    assert_int_equal(lab_stored(lab, 2), 1);
    lab->gateways[0].store.faults[CALL_GATEWAY_ID_ADD].fail_count = 0;
    lab_idle(lab);
    assert_fate(lab_deliver(lab, &packets[0]), "duplicate");
    assert_fate(lab_deliver(lab, &packets[1]), "challenged");
}

/* An id whose entry failed, though it was made, is not used. */
static void an_id_that_may_not_stand_is_not_used(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct answerer *answerer = &lab->gateways[0].pipeline.answerer;
    struct sequence sequence = {.count = 0};

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    tell(&sequence, &device, 1);
    answerer->limit = answerer->next + 1;
    lab_store_fail(&lab->gateways[0].store, CALL_GATEWAY_ID_ADD, FAULT_AFTER, 1);
    tell(&sequence, &device, 2); /* the last number of the old id */
    lab_idle(lab);
    tell(&sequence, &device, 3);
    assert_int_equal(sequence.count, 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM gateway_ids"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(restarts),
        TEST(evictions),
        TEST(contexts_that_come_back),
        TEST(thousands_of_devices),
        TEST(two_gateways_serve_one_device),
        TEST(a_new_id_before_the_limit),
        TEST(no_reply_beyond_the_limit),
        TEST(an_id_that_may_not_stand_is_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
