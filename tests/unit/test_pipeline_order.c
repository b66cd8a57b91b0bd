/*
 * A device's messages keep the order in which they came, however they have to wait: what a broker kept for an
 * hour comes in one burst, and the window is 64 wide.
 */
#include "lab_device.h"

#define WIDTH 64

/* Numbers that follow each other, sent one after the other. */
static void send_numbers(struct lab_device *device, uint64_t *piv, size_t count, const uint8_t *echo)
{
    for (size_t i = 0; i < count; i++) {
        const struct lab_craft craft = {
            .piv = *piv,
            .value = (int64_t)*piv,
            .id_context = lab_session(device),
            .echo = echo,
        };
        struct lab_packet packet = lab_craft(device, &craft);
        lab_send(device->lab, &packet);
        ++*piv;
    }
}

static void assert_all_stored(struct lab *lab, uint64_t count)
{
    const uint64_t *outcomes = lab->gateways[0].pipeline.counters.outcomes;

    assert_int_equal(outcomes[OUTCOME_STALE], 0);
    assert_int_equal(outcomes[OUTCOME_BUSY], 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), (int64_t)count);
    assert_int_equal(lab->gateways[0].pipeline.waiting, 0);
}

/* The device is not in memory: what comes next, while it is looked up, is looked up too. */
static void messages_behind_a_lookup(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t piv = 0;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab_restart(lab);
    send_numbers(&device, &piv, WIDTH + 36, NULL);
    assert_true(lab_begin(lab));
    send_numbers(&device, &piv, WIDTH + 36, NULL);
    lab_end(lab);
    send_numbers(&device, &piv, WIDTH + 36, NULL);
    lab_run(lab);
    assert_all_stored(lab, piv);
}

/* Also those that found no place among the lookups. */
static void messages_behind_too_many_lookups(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t piv = 0;

    lab->queue = 8192;
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab_restart(lab);
    for (unsigned turn = 0; turn < 3; turn++) {
        send_numbers(&device, &piv, CYCLE_LOOKUPS + 2 * WIDTH, NULL);
        if (turn == 0)
            assert_true(lab_begin(lab));
        if (turn == 1)
            lab_end(lab);
    }
    lab_run(lab);
    assert_all_stored(lab, piv);
}

/* The context is proven by the first; the others wait for that. */
static void messages_behind_a_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    uint64_t piv = 1;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 0);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    lab_challenge(&device, lab_session(&device), lab_t(lab), echo);
    send_numbers(&device, &piv, WIDTH + 36, echo);
    assert_true(lab_begin(lab));
    send_numbers(&device, &piv, WIDTH + 36, echo);
    lab_end(lab);
    send_numbers(&device, &piv, WIDTH + 36, echo);
    lab_run(lab);
    assert_all_stored(lab, piv - 1);
}

#define BATCH_FULL 32000 /* messages of a few bytes, more than a batch takes by their bytes */

/* The batch is full: nobody overtakes who waits for the next one. */
static void messages_behind_a_full_batch(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t piv = 0;

    lab->queue = 2 * BATCH_FULL;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    send_numbers(&device, &piv, 1, NULL);
    lab_run(lab);
    send_numbers(&device, &piv, BATCH_FULL, NULL);
    assert_true(lab->gateways[0].pipeline.crowd.count > 2 * WIDTH);
    for (unsigned turn = 0; turn < 3; turn++) {
        assert_true(lab_begin(lab));
        send_numbers(&device, &piv, 2 * WIDTH, NULL);
        lab_end(lab);
        send_numbers(&device, &piv, 2 * WIDTH, NULL);
    }
    lab_run(lab);
    assert_all_stored(lab, piv);
}

/* It fails: all of them are told, also who waited for room. */
static void a_full_batch_fails(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t piv = 0;

    lab->queue = 2 * BATCH_FULL;
    lab_restart(lab);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    send_numbers(&device, &piv, 1, NULL);
    lab_run(lab);
    lab_sql(lab, "CREATE TRIGGER refuse BEFORE INSERT ON points BEGIN SELECT RAISE(ABORT, 'no'); END");
    send_numbers(&device, &piv, BATCH_FULL, NULL);
    lab_run(lab);
    assert_int_equal(lab->gateways[0].pipeline.counters.outcomes[OUTCOME_BUSY], BATCH_FULL);
    assert_int_equal(lab->gateways[0].pipeline.waiting, 0);
    lab_sql(lab, "DROP TRIGGER refuse");
    send_numbers(&device, &piv, WIDTH, NULL);
    lab_run(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 1 + WIDTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_behind_a_lookup, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(messages_behind_too_many_lookups, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(messages_behind_a_proof, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(messages_behind_a_full_batch, lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(a_full_batch_fails, lab_setup, lab_teardown),
    };
    return cmocka_run_group_tests_name("the order of messages", tests, NULL, NULL);
}
