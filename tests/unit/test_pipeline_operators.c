/*
 * What changes in the registry while gateways run: the operator's hand, another gateway on the same database,
 * the clock.
 */
#include "lab_device.h"

#include <string.h>

struct change {
    struct lab *lab;
    struct lab_device *device;
    struct lab_packet packet;
    struct lab_letter *letter;
};

static void revoke(void *context)
{
    struct change *change = context;
    struct store *office = change->lab->office;
    struct failure failure;

    assert_int_equal(office->ops->device_revoke(office, change->device->id, &failure), 0);
}

static void remove_device(void *context)
{
    struct change *change = context;
    struct store *office = change->lab->office;
    struct failure failure;

    assert_int_equal(office->ops->device_remove(office, change->device->id, &failure), 0);
}

/* ---- seen by the next cycle ---- */

static void revoked_while_it_is_known(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    struct change change = {lab, &device, {.len = 0}, NULL};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_tell(&device, 1);
    lab_tell(&other, 2);
    packet = lab_resend(&device);
    revoke(&change);
    lab_idle(lab);
    assert_fate(lab_deliver(lab, &packet), "revoked"); /* no receipt any more either */
    packet = lab_seal(&device, 3);
    assert_fate(lab_deliver(lab, &packet), "revoked");
    assert_fate(lab_deliver(lab, &packet), "revoked");
    lab_tell(&other, 4);
    assert_int_equal(lab_stored(lab, 3), 0);
}

static void removed_while_it_is_known(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct change change = {lab, &device, {.len = 0}, NULL};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    remove_device(&change);
    lab_idle(lab);
    packet = lab_seal(&device, 3);
    assert_fate(lab_deliver(lab, &packet), "unknown");
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 1);
    assert_int_equal(lab->gateways[0].pipeline.devices.count, 0);
}

/* That a kid was unknown is not remembered. */
static void added_after_it_was_unknown(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_sql(lab, "UPDATE devices SET kid = x'ffffffff'");
    packet = lab_seal(&device, 1);
    assert_fate(lab_deliver(lab, &packet), "unknown");
    lab_sql(lab, "DELETE FROM devices");
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 2);
}

static void trusted_while_it_is_known(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct failure failure;

    lab_add_as(lab, &device, "shed", BULLA_COUNTER, BULLA_AES_CCM_16_64_128, false);
    packet = lab_seal(&device, 1);
    assert_fate(lab_deliver(lab, &packet), "challenged");
    assert_int_equal(lab->office->ops->device_trust(lab->office, device.id, 0, &failure), 1);
    assert_fate(lab_deliver(lab, &packet), "stored"); /* the registry is asked before anyone is challenged */
}

/* ---- in the middle of a batch ---- */

static void nothing_is_stored_after_the_revoke(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    struct change change = {lab, &device, {.len = 0}, NULL};
    struct lab_packet packets[2];
    struct lab_letter *letters[3];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_tell(&device, 1);
    lab_tell(&other, 2);
    packets[0] = lab_seal(&device, 3);
    packets[1] = lab_seal(&other, 4);
    letters[0] = lab_send(lab, &packets[0]);
    letters[1] = lab_send(lab, &packets[1]);
    lab->gateways[0].store.before_commit = revoke;
    lab->gateways[0].store.context = &change;
    assert_true(lab_begin(lab));
    packets[0] = lab_seal(&device, 5);
    letters[2] = lab_send(lab, &packets[0]); /* gathers on top of the batch */
    lab_end(lab);
    assert_fate(letters[1], "stored");
    lab_run(lab);
    assert_fate(letters[0], "revoked");
    assert_fate(letters[2], "revoked");
    assert_int_equal(lab_stored(lab, 3) + lab_stored(lab, 5), 0);
    assert_int_equal(lab_stored(lab, 4), 1);
    lab_tell(&other, 6);
}

static void removed_in_the_middle_of_its_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct change change = {lab, &device, {.len = 0}, NULL};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &packet));
    packet = lab_seal_again(&device);
    lab->gateways[0].store.before_commit = remove_device;
    lab->gateways[0].store.context = &change;
    assert_fate(lab_deliver(lab, &packet), "unknown");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
}

/* A new generation while messages of the device are under way: they end well, the next ones see it. */
static void revoked_under_load(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct change change = {lab, &device, {.len = 0}, NULL};
    struct lab_letter *letters[40];
    unsigned stored = 0;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    for (unsigned i = 0; i < COUNT(letters); i++) {
        struct lab_packet packet = lab_seal(&device, 100 + i);
        letters[i] = lab_send(lab, &packet);
        if (i == 20)
            revoke(&change);
        if (i % 2 == 0)
            lab_begin(lab);
        else if (lab->gateways[0].pipeline.running != NULL)
            lab_end(lab);
    }
    lab_run(lab);
    for (unsigned i = 0; i < COUNT(letters); i++) {
        stored += letters[i]->outcome == OUTCOME_STORED;
        assert_true(letters[i]->outcome == OUTCOME_STORED ||
                    (i >= 19 && letters[i]->outcome == OUTCOME_REVOKED));
    }
    assert_in_range(stored, 19, 22);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), stored + 1);
}

/* ---- another gateway on the same database ---- */

static void two_gateways_in_turn(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet = {.len = 0};

    lab_start(lab, 1);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (unsigned i = 0; i < 40; i++) {
        packet = lab_seal(&device, i);
        struct lab_letter *letter = lab_send_to(lab, i % 2, &packet);
        lab_run(lab);
        assert_fate(letter, "stored"); /* each meets a row that the other has moved */
        lab_accept(&device, letter);
        letter = lab_send_to(lab, (i + 1) % 2, &packet);
        lab_run(lab);
        assert_fate(letter, "duplicate");
        assert_int_equal(lab_stored(lab, i), 1);
    }
}

/* The same message at both of them at once: one stores it. */
static void the_same_message_at_both(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *letters[2];

    lab_start(lab, 1);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (unsigned i = 0; i < 20; i++) {
        packet = lab_seal(&device, i);
        letters[0] = lab_send_to(lab, 0, &packet);
        letters[1] = lab_send_to(lab, 1, &packet);
        lab_run(lab);
        assert_int_equal(letters[0]->outcome == OUTCOME_STORED, letters[1]->outcome == OUTCOME_DUPLICATE);
        assert_int_equal(letters[0]->outcome == OUTCOME_DUPLICATE, letters[1]->outcome == OUTCOME_STORED);
        assert_int_equal(lab_stored(lab, i), 1);
    }
}

/* The other one raised T, then the clock falls back: this one, which has not heard of it, does not take a
 * proof of the time before. */
static void a_withheld_proof_below_the_others_t(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet withheld;
    struct lab_packet packet;
    struct lab_letter *letter;

    lab_start(lab, 1);
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    withheld = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &withheld));
    withheld = lab_seal_again(&device);
    lab_boot(&device);
    lab_forward(lab, 24 * 3600);
    packet = lab_seal(&device, 2);
    letter = lab_send_to(lab, 1, &packet);
    lab_run(lab);
    assert_fate(letter, "challenged");
    lab_forward(lab, -24 * 3600);
    assert_fate(lab_deliver(lab, &withheld), "challenged");
    assert_int_equal(lab_stored(lab, 1), 0);
    lab_accept(&device, letter);
    packet = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* A challenge of one is answered at the other; both prove the same session at once. */
static void a_session_proven_at_both(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;
    struct lab_packet second;
    struct lab_letter *letters[2];

    lab_start(lab, 1);
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    first = lab_seal(&device, 1);
    letters[0] = lab_send_to(lab, 0, &first);
    letters[1] = lab_send_to(lab, 1, &first);
    lab_run(lab);
    assert_fate(letters[0], "challenged");
    assert_fate(letters[1], "challenged");
    lab_accept(&device, letters[0]);
    first = lab_seal_again(&device);
    second = lab_seal(&device, 2);
    letters[0] = lab_send_to(lab, 0, &first);
    letters[1] = lab_send_to(lab, 1, &second);
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 1);
    assert_int_equal(lab_stored(lab, 1), 1);
    assert_int_equal(lab_stored(lab, 2), 1);
}

/* A row that somebody moved between gathering and commit: the batch runs into it and begins anew. */
static void move_row(void *context)
{
    struct change *change = context;

    lab_send_to(change->lab, 1, &change->packet);
    while (lab_cycle_of(change->lab, 1))
        ;
}

static void a_row_that_moves_under_a_batch(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct change change = {.lab = lab};
    struct lab_packet packets[3];
    struct lab_letter *letters[3];

    lab_start(lab, 1);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab_tell(&device, 0);
    for (size_t i = 0; i < COUNT(packets); i++)
        packets[i] = lab_seal(&device, 1 + (int64_t)i);
    change.packet = packets[1];
    lab->gateways[0].store.before_commit = move_row;
    lab->gateways[0].store.context = &change;
    letters[0] = lab_send(lab, &packets[0]);
    letters[1] = lab_send(lab, &packets[1]);
    assert_true(lab_begin(lab));
    letters[2] = lab_send(lab, &packets[2]);
    lab_end(lab);
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "duplicate"); /* the other gateway was faster */
    assert_fate(letters[2], "stored");
    for (int64_t value = 0; value < 4; value++)
        assert_int_equal(lab_stored(lab, value), 1);
}

/* The other gateway proved a newer session long ago: this one's memory of the old one opens nothing. */
static void a_session_closed_by_the_other(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet old;
    struct lab_packet packet;
    struct lab_letter *letter;

    lab_start(lab, 1);
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1); /* at the first */
    lab_keep_kid_context(&device);
    old = lab_seal(&device, 2);
    lab_boot(&device);
    for (unsigned i = 0; i < 2; i++) { /* at the second */
        packet = i == 0 ? lab_seal(&device, 3) : lab_seal_again(&device);
        letter = lab_send_to(lab, 1, &packet);
        lab_run(lab);
        lab_accept(&device, letter);
    }
    assert_fate(letter, "stored");
    lab_forward(lab, SESSION_CLOSES_AFTER);
    assert_fate(lab_deliver(lab, &old), "challenged");
    assert_int_equal(lab_stored(lab, 2), 0);
}

/* ---- F and the clock ---- */

/* A floor that rose after this gateway read it: the commit refuses, and the device is challenged anew. */
static void raise_floor(void *context)
{
    struct change *change = context;

    lab_sql(change->lab, "UPDATE meta SET value = %lld WHERE name = 'floor'", (long long)lab_t(change->lab));
}

static void the_floor_rises_under_a_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct change change = {.lab = lab};
    struct lab_packet packet;
    struct lab_letter *letter;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &packet));
    packet = lab_seal_again(&device);
    lab->gateways[0].store.before_commit = raise_floor;
    lab->gateways[0].store.context = &change;
    letter = lab_deliver(lab, &packet);
    assert_fate(letter, "challenged");
    lab_accept(&device, letter);
    packet = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* What one device's lookup says of F counts for all of them (its own rows that are due are in it). */
static void the_floor_never_sinks(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    struct lab_packet packets[2];
    struct lab_letter *letter;
    struct lab_reply reply;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];
    uint64_t floor = lab_t(lab) + 100;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_tell(&device, 1);
    lab_sql(lab, "UPDATE contexts SET proven_t = %lld, closes_at = 1", (long long)floor);
    lab_restart(lab);
    lab_store_fail(&lab->gateways[0].store, CALL_CONTEXTS_CLOSE, FAULT_BEFORE, 1000);
    lab_boot(&device);
    packets[0] = lab_seal(&device, 2);
    packets[1] = lab_seal(&other, 3);
    letter = lab_send(lab, &packets[0]);
    lab_send(lab, &packets[1]);
    lab_run(lab);
    assert_fate(letter, "challenged");
    reply = lab_read(&device, lab_session(&device), letter);
    lab_challenge(&device, lab_session(&device), floor + 2, challenge);
    assert_memory_equal(reply.challenge, challenge, sizeof(challenge));
}

/* How far the time in the next reply is ahead. */
static int64_t time_told(struct lab_device *device)
{
    struct lab_packet packet = lab_seal(device, 1);
    struct lab_reply reply = lab_read(device, lab_session(device), lab_deliver(device->lab, &packet));

    return (int64_t)reply.time - device->lab->now / SECOND;
}

/* Replies tell the time of the database (here: of this machine), however long the store takes to answer. */
static void the_time_in_replies(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    assert_int_equal(time_told(&device), 0);
    lab_forward(lab, 1000000);
    assert_int_equal(time_told(&device), 0);
    lab_restart(lab);
    lab->gateways[0].slow = 30; /* a disk that stalls */
    assert_int_equal(time_told(&device), 0);
    lab->gateways[0].slow = 0;
    assert_int_equal(time_told(&device), 0);
    lab_forward(lab, -5000);
    assert_int_equal(time_told(&device), 0);
}

/* The clock is set back while a cycle runs. */
static void the_clock_jumps_in_a_cycle(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab->gateways[0].slow = -7200;
    time_told(&device);
    lab->gateways[0].slow = 0;
    assert_int_equal(time_told(&device), 0);
    lab_restart(lab);
    lab->gateways[0].slow = 7200;
    time_told(&device);
    lab->gateways[0].slow = 0;
    assert_int_equal(time_told(&device), 0);
}

/* The database's clock is another one: T and time are its own. */
static int64_t clock_ahead(void *context)
{
    return ((struct lab *)context)->now / SECOND + 86400;
}

static void the_databases_clock_counts(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *letter;
    struct lab_reply reply;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];

    lab->gateways[0].store.inner->now = clock_ahead;
    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    letter = lab_deliver(lab, &packet);
    reply = lab_read(&device, lab_session(&device), letter);
    lab_challenge(&device, lab_session(&device), lab_t(lab) + 86400 / T_SECONDS, challenge);
    assert_int_equal(reply.time, lab->now / SECOND + 86400);
    lab_accept(&device, letter);
    packet = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_in_range(lab_number(lab, "SELECT proven_t FROM contexts"), lab_t(lab) + 86400 / T_SECONDS,
                    lab_t(lab) + 86400 / T_SECONDS + 1);
}

/* ---- a device whose secret does not open ---- */

static void a_damaged_secret_is_no_refusal(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device other;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_add(lab, &other, "shed", BULLA_SESSION);
    lab_sql(lab, "UPDATE devices SET secret = zeroblob(length(secret)) WHERE name = 'kitchen'");
    packet = lab_seal(&device, 1);
    assert_fate(lab_deliver(lab, &packet), "busy");
    lab_tell(&other, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(revoked_while_it_is_known),
        TEST(removed_while_it_is_known),
        TEST(added_after_it_was_unknown),
        TEST(trusted_while_it_is_known),
        TEST(nothing_is_stored_after_the_revoke),
        TEST(removed_in_the_middle_of_its_proof),
        TEST(revoked_under_load),
        TEST(two_gateways_in_turn),
        TEST(the_same_message_at_both),
        TEST(a_withheld_proof_below_the_others_t),
        TEST(a_session_proven_at_both),
        TEST(a_row_that_moves_under_a_batch),
        TEST(a_session_closed_by_the_other),
        TEST(the_floor_rises_under_a_proof),
        TEST(the_floor_never_sinks),
        TEST(the_time_in_replies),
        TEST(the_clock_jumps_in_a_cycle),
        TEST(the_databases_clock_counts),
        TEST(a_damaged_secret_is_no_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
