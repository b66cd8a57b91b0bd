/*
 * What a proof leaves behind (PROTOCOL 4.4) and what a restore does (PROTOCOL 9): the window's lower limit,
 * restored windows, counter contexts that are proven at provisioning, by a challenge, or by hand.
 */
#include "lab_device.h"

#include <string.h>

/* ---- the lower limit ---- */

static void lower_numbers_are_stale_for_ever(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet early[3];
    struct lab_packet proof;
    struct lab_reply reply;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    for (size_t i = 0; i < COUNT(early); i++)
        early[i] = lab_seal(&device, (int64_t)i); /* the attacker keeps them back */
    proof = lab_seal(&device, 10);
    lab_accept(&device, lab_deliver(lab, &proof));
    proof = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &proof), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), (int64_t)proof.piv);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(early); i++) {
            struct lab_letter *letter = lab_deliver(lab, &early[i]);
            assert_fate(letter, "stale");
            reply = lab_read(&device, lab_session(&device), letter);
            assert_receipt(&reply, proof.piv, 0);
        }
        lab_forward(lab, 100000);
        lab_idle(lab);
        if (round == 1)
            lab_restart(lab);
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 1);
}

/* The limit stands in the row: it counts after a restart right away, and does not move with the window. */
static void the_limit_does_not_move(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    for (int64_t value = 2; value < 100; value++)
        lab_tell(&device, value);
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 1);
    assert_int_equal(lab_number(lab, "SELECT top FROM contexts"), 99);
}

/* Messages beside the proof in its batch: what is lower is stale, what is higher is stored. */
static void messages_beside_the_proof(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_craft craft = {.value = 1};
    struct lab_packet proof;
    struct lab_letter *letters[4];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    craft.id_context = lab_session(&device);
    for (size_t i = 0; i < COUNT(letters); i++) {
        static const uint64_t pivs[] = {50, 49, 51, 52};
        struct lab_packet packet;
        craft.piv = pivs[i];
        craft.echo = i == 0 || i == 3 ? echo : NULL;
        lab_challenge(&device, craft.id_context, lab_t(lab), echo);
        packet = lab_craft(&device, &craft);
        letters[i] = lab_send(lab, &packet);
        if (i == 0)
            proof = packet;
    }
    lab_run(lab);
    assert_fate(letters[0], "stored");
    assert_fate(letters[1], "stale");
    assert_fate(letters[2], "stored");
    assert_fate(letters[3], "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 50);
    assert_fate(lab_deliver(lab, &proof), "duplicate");
}

/* A proof whose commit fails leaves no limit behind, and no proof. */
static void a_proof_that_fails_leaves_nothing(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;
    struct lab_packet proof;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    first = lab_seal(&device, 1);
    lab_accept(&device, lab_deliver(lab, &first));
    proof = lab_seal_again(&device);
    lab_store_fail(&lab->gateways[0].store, CALL_COMMIT, FAULT_BEFORE, 1);
    assert_fate(lab_deliver(lab, &proof), "busy");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 0);
    assert_fate(lab_deliver(lab, &first), "challenged");
    assert_fate(lab_deliver(lab, &proof), "stored");
}

/* ---- a restore: rows whose window is of the backup, not proven ---- */

/* What `bulla backup` does to the copy that it writes, and the new K. */
static void restore(struct lab *lab)
{
    lab_sql(lab, "UPDATE contexts SET proven = 0");
    lab_sql(lab, "UPDATE meta SET value = value + 1 WHERE name = 'generation'");
    lab->challenge_key[0] ^= 1;
    lab_restart(lab);
}

static void a_restored_session(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packets[6];
    struct lab_letter *letter;
    struct lab_packet proof;
    struct lab_reply reply;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1); /* pivs 0 and 1 */
    lab_keep_kid_context(&device);
    for (size_t i = 0; i < COUNT(packets); i++) { /* 2 to 7; 3 is lost */
        packets[i] = lab_seal(&device, 10 + (int64_t)i);
        if (i != 1)
            lab_accept(&device, lab_deliver(lab, &packets[i]));
    }
    restore(lab);

    /* Nothing opens before the context is proven anew; the receipt is what the backup holds. */
    letter = lab_deliver(lab, &packets[1]);
    assert_fate(letter, "challenged");
    reply = lab_read(&device, lab_session(&device), letter);
    assert_int_equal(reply.keys, KEY(0) | KEY(1) | KEY(2) | KEY(3));
    assert_int_equal(reply.top, 7);
    assert_int_equal(reply.bits, 0x37); /* 6, 5, 4, 2, 1 */
    letter = lab_deliver(lab, &packets[5]);
    assert_fate(letter, "challenged");
    assert_int_equal(lab_accept(&device, letter).challenged, 0); /* stored outweighs the challenge */

    packets[0] = lab_seal(&device, 20);
    lab_accept(&device, lab_deliver(lab, &packets[0]));
    proof = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &proof), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), (int64_t)proof.piv);
    assert_int_equal(lab_stored(lab, 20), 1);

    /* What the restored window says stays as it was; what it did not hold is stale now. */
    assert_fate(lab_deliver(lab, &packets[5]), "duplicate");
    assert_fate(lab_deliver(lab, &packets[2]), "duplicate");
    assert_fate(lab_deliver(lab, &packets[1]), "stale");
    lab_restart(lab);
    assert_fate(lab_deliver(lab, &packets[5]), "duplicate");
    assert_fate(lab_deliver(lab, &packets[1]), "stale");
    assert_int_equal(lab_stored(lab, 11), 0);
}

/* A message with a good challenge that the restored window holds, or has left behind, proves nothing. */
static void a_proof_within_the_restored_window(void **state)
{
    static const struct {
        uint64_t piv;
        const char *fate;
        bool proven;
    } cases[] = {{1000, "duplicate", false}, {1000 - 64, "stale", false}, {1000 - 63, "stored", true}};
    struct lab *lab = *state;
    struct lab_device device;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_packet packet;
    struct lab_letter *letter;
    struct lab_reply reply;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_numbered(&device, 100, 100);
    assert_fate(lab_deliver(lab, &packet), "stored");
    lab_sql(lab, "UPDATE contexts SET top = 1000, bits = 1"); /* the backup knew of 1000 */
    restore(lab);
    lab_challenge(&device, NULL, lab_t(lab), echo);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lab_craft craft = {.piv = cases[i].piv, .value = 5, .echo = echo};
        packet = lab_craft(&device, &craft);
        letter = lab_deliver(lab, &packet);
        assert_fate(letter, cases[i].fate);
        reply = lab_read(&device, NULL, letter);
        assert_int_equal(reply.keys, KEY(0) | KEY(1) | KEY(2)); /* no challenge: it was answered */
        assert_int_equal(reply.top, 1000);
        assert_int_equal(lab_number(lab, "SELECT proven FROM contexts"), cases[i].proven);
    }
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 1000 - 63);
    assert_int_equal(lab_number(lab, "SELECT top FROM contexts"), 1000);
}

/* A second restore: the limit of the first one never sinks. */
static void restored_twice(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_craft craft = {.piv = 500, .echo = echo};
    struct lab_packet packet;

    lab_add_as(lab, &device, "shed", BULLA_COUNTER, BULLA_AES_CCM_16_64_128, false);
    lab_challenge(&device, NULL, lab_t(lab), echo);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    restore(lab);
    lab_challenge(&device, NULL, lab_t(lab), echo);
    craft.piv = 499;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stale");
    craft.piv = 501;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 501);
}

/* A restored session closes as any other, and its proof does not shorten what it was proven under. */
static void a_restored_session_keeps_its_t(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint64_t t = lab_t(lab) + 1;
    uint8_t echo[BULLA_CHALLENGE_SIZE];
    struct lab_craft craft = {.piv = 1, .echo = echo};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    craft.id_context = lab_session(&device);
    lab_challenge(&device, craft.id_context, t, echo);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    restore(lab);
    lab_challenge(&device, craft.id_context, t - 2, echo);
    craft.piv = 2;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT proven_t FROM contexts"), (int64_t)t);
}

/* ---- counter contexts ---- */

static void an_imported_counter_has_to_prove_itself(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;
    struct lab_packet second;
    struct lab_letter *letter;
    struct lab_reply reply;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];

    lab_add_as(lab, &device, "shed", BULLA_COUNTER, BULLA_AES_CCM_16_64_128, false);
    first = lab_seal(&device, 1);
    letter = lab_deliver(lab, &first);
    assert_fate(letter, "challenged");
    reply = lab_read(&device, NULL, letter);
    assert_int_equal(reply.keys, KEY(2) | KEY(3));
    lab_challenge(&device, NULL, lab_t(lab), challenge);
    assert_memory_equal(reply.challenge, challenge, sizeof(challenge));
    lab_accept(&device, letter);
    second = lab_seal_again(&device);
    assert_fate(lab_deliver(lab, &second), "stored");
    assert_fate(lab_deliver(lab, &first), "stale");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), (int64_t)second.piv);
    assert_int_equal(lab_number(lab, "SELECT proven_t FROM contexts"), (int64_t)lab_t(lab));
}

static void a_counter_of_a_fresh_secret_has_no_limit(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_numbered(&device, 40, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    packet = lab_numbered(&device, 0, 1);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT proven_t FROM contexts"), 0);
}

/* Counter contexts never close. */
static void a_counter_lives_for_ever(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;

    lab_add_as(lab, &device, "shed", BULLA_COUNTER, BULLA_AES_CCM_16_64_128, false);
    lab_tell(&device, 1);
    for (int64_t day = 0; day < 50; day++) {
        lab_forward(lab, 86400);
        lab_boot(&device);
        lab_idle(lab);
        lab_tell(&device, 2 + day);
    }
    assert_int_equal(lab->gateways[0].pipeline.counters.outcomes[OUTCOME_CHALLENGED], 1);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 1);
    assert_int_equal(lab_floor(lab), 0);
}

static void trust_by_hand_keeps_the_restored_window(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packets[3];
    struct failure failure;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (size_t i = 0; i < COUNT(packets); i++)
        packets[i] = lab_seal(&device, (int64_t)i + 1);
    assert_fate(lab_deliver(lab, &packets[1]), "stored");
    restore(lab);
    assert_fate(lab_deliver(lab, &packets[0]), "challenged");
    assert_int_equal(lab->office->ops->device_trust(lab->office, device.id, 0, &failure), 1);
    lab_idle(lab); /* the gateway hears of it */
    assert_fate(lab_deliver(lab, &packets[1]), "duplicate");
    assert_fate(lab_deliver(lab, &packets[0]), "stored");
    assert_fate(lab_deliver(lab, &packets[2]), "stored");
    assert_int_equal(lab_number(lab, "SELECT lower FROM contexts"), 0);
}

/* ---- closing and restores together ---- */

/* A session that was closing when the backup was made proves itself anew: it is the newest then. */
static void a_closing_session_restored(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_device before;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    before = device;
    before.bulla.port = &before.board.port;
    lab_boot(&device);
    lab_tell(&device, 2);
    restore(lab);
    lab_keep_kid_context(&before);
    lab_tell(&before, 3);
    assert_int_equal(lab_number(lab, "SELECT closes_at FROM contexts WHERE proven = 1"), 0);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts WHERE proven = 0 AND closes_at = %lld",
                                (long long)(lab->now / SECOND + SESSION_CLOSES_AFTER)),
                     1);
    packet = lab_craft(
        &before,
        &(struct lab_craft){.piv = 70, .value = 4, .id_context = before.bulla.id_context, .bare = true});
    assert_fate(lab_deliver(lab, &packet), "stored");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lower_numbers_are_stale_for_ever),
        TEST(the_limit_does_not_move),
        TEST(messages_beside_the_proof),
        TEST(a_proof_that_fails_leaves_nothing),
        TEST(a_restored_session),
        TEST(a_proof_within_the_restored_window),
        TEST(restored_twice),
        TEST(a_restored_session_keeps_its_t),
        TEST(an_imported_counter_has_to_prove_itself),
        TEST(a_counter_of_a_fresh_secret_has_no_limit),
        TEST(a_counter_lives_for_ever),
        TEST(trust_by_hand_keeps_the_restored_window),
        TEST(a_closing_session_restored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
