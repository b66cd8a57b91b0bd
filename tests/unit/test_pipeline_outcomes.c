/*
 * Every outcome of PROTOCOL 4, and the reply (PROTOCOL 5) that it gets.
 */
#include "lab_device.h"

#include <string.h>

/* ---- steps 1 to 3: what is not a device's message ---- */

static void malformed_is_counted_and_gets_nothing(void **state)
{
    struct lab *lab = *state;
    struct lab_packet packet = {.len = 0};
    struct lab_letter *letter = lab_send(lab, &packet);

    assert_fate(letter, "malformed"); /* at once */
    assert_int_equal(letter->reply_len, 0);
    memset(packet.bytes, 0xa5, sizeof(packet.bytes));
    packet.len = 40;
    assert_fate(lab_send(lab, &packet), "malformed");
    assert_int_equal(lab->gateways[0].pipeline.counters.outcomes[OUTCOME_MALFORMED], 2);
    assert_int_equal(lab_events(lab, "malformed"), 2);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE device = 0 AND authentic = 0"), 2);
}

static void every_truncation_is_malformed_or_forged(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    for (size_t len = 0; len < packet.len; len++) {
        struct lab_packet cut = packet;
        cut.len = len;
        assert_fate(lab_deliver(lab, &cut), "malformed");
    }
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* One flipped bit anywhere is refused, and takes nothing from the message itself. */
static void every_flipped_bit_is_refused(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    for (size_t bit = 0; bit < packet.len * 8; bit++) {
        struct lab_packet flipped = packet;
        struct lab_letter *letter;
        flipped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        letter = lab_deliver(lab, &flipped);
        assert_true(letter->outcome == OUTCOME_MALFORMED || letter->outcome == OUTCOME_FORGED ||
                    letter->outcome == OUTCOME_UNKNOWN);
        assert_int_equal(letter->reply_len, 0);
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 0);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

static void unknown_revoked_and_forged_look_the_same(void **state)
{
    struct lab *lab = *state;
    struct lab_device known;
    struct lab_device revoked;
    struct lab_device foreign;
    struct lab_packet packet;
    struct lab_letter *letters[3];
    struct failure failure;

    lab_add(lab, &known, "known", BULLA_SESSION);
    lab_add(lab, &revoked, "revoked", BULLA_SESSION);
    lab_add(lab, &foreign, "foreign", BULLA_SESSION);
    assert_int_equal(lab->office->ops->device_revoke(lab->office, revoked.id, &failure), 0);
    assert_int_equal(lab->office->ops->device_remove(lab->office, foreign.id, &failure), 0);
    packet = lab_seal(&known, 1);
    packet.bytes[packet.len - 1] ^= 1;
    letters[0] = lab_deliver(lab, &packet);
    packet = lab_seal(&revoked, 2);
    letters[1] = lab_deliver(lab, &packet);
    packet = lab_seal(&foreign, 3);
    letters[2] = lab_deliver(lab, &packet);
    assert_fate(letters[0], "forged");
    assert_fate(letters[1], "revoked");
    assert_fate(letters[2], "unknown");
    for (size_t i = 0; i < COUNT(letters); i++)
        assert_int_equal(letters[i]->reply_len, 0);
}

/* In time too: each is answered after one cycle, also where the device is in memory already. */
static void refusals_take_the_same_way(void **state)
{
    struct lab *lab = *state;
    struct lab_device devices[3];
    struct lab_packet packets[3];
    struct failure failure;

    lab_add(lab, &devices[0], "known", BULLA_SESSION);
    lab_add(lab, &devices[1], "revoked", BULLA_SESSION);
    lab_add(lab, &devices[2], "foreign", BULLA_SESSION);
    assert_int_equal(lab->office->ops->device_revoke(lab->office, devices[1].id, &failure), 0);
    assert_int_equal(lab->office->ops->device_remove(lab->office, devices[2].id, &failure), 0);
    for (size_t i = 0; i < COUNT(packets); i++)
        packets[i] = lab_seal(&devices[i], 1);
    packets[0].bytes[packets[0].len - 1] ^= 1;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(packets); i++) {
            struct lab_letter *letter = lab_send(lab, &packets[i]);
            assert_fate(letter, "waiting");
            assert_true(lab_begin(lab));
            lab_end(lab);
            assert_string_not_equal(lab_fate(letter), "waiting");
        }
    }
}

/* The operator reads the reason, with the device's name where it is known. */
static void the_journal_says_which_device_and_why(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    packet = lab_seal(&device, 1);
    packet.bytes[packet.len - 1] ^= 1;
    lab_deliver(lab, &packet);
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE kind = 'forged' AND authentic = 0"
                                     " AND device_name = 'kitchen' AND source = 'lab 192.0.2.7'"
                                     " AND detail LIKE '%%does not authenticate%%'"),
                     1);
    packet.bytes[packet.len - 1] ^= 1;
    lab_deliver(lab, &packet);
    lab_idle(lab);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM events WHERE kind = 'challenged'"
                                     " AND authentic = 1 AND device_name = 'kitchen'"),
                     1);
}

static void another_algorithm_is_forged(void **state)
{
    static const enum bulla_alg algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                          BULLA_CHACHA20_POLY1305};
    struct lab *lab = *state;
    struct lab_device device;

    for (size_t is = 0; is < COUNT(algs); is++) {
        lab_add_as(lab, &device, is == 0 ? "a" : is == 1 ? "b" : "c", BULLA_COUNTER, algs[is], true);
        for (size_t says = 0; says < COUNT(algs); says++) {
            struct lab_craft craft = {.piv = says, .value = 1, .alg = algs[says]};
            struct lab_packet packet = lab_craft(&device, &craft);
            assert_fate(lab_deliver(lab, &packet), says == is ? "stored" : "forged");
        }
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 3);
}

/* A message of the other kind is forged, also when it is sealed with the right secret (PROTOCOL 1). */
static void the_other_kind_of_context_is_forged(void **state)
{
    struct lab *lab = *state;
    struct lab_device counter;
    struct lab_device session;
    struct lab_packet packet;

    lab_add(lab, &counter, "counter", BULLA_COUNTER);
    lab_add(lab, &session, "session", BULLA_SESSION);
    packet = lab_craft(&counter, &(struct lab_craft){.piv = 1, .id_context = lab_session(&session)});
    assert_fate(lab_deliver(lab, &packet), "forged");
    packet = lab_craft(&session, &(struct lab_craft){.piv = 1});
    assert_fate(lab_deliver(lab, &packet), "forged");
    lab_tell(&session, 7); /* nor under a session that is proven */
    packet = lab_craft(&session, &(struct lab_craft){.piv = 2});
    assert_fate(lab_deliver(lab, &packet), "forged");
}

/* The kid context is not covered by the AEAD: a counter's message that names one is no way round its window.
 */
static void a_kid_context_put_into_a_counters_message(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_craft craft = {.piv = 1, .value = 1, .says = (const uint8_t[8]){1, 2, 3}};
    struct lab_packet packet;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "forged");
    craft = (struct lab_craft){.piv = 2, .value = 2};
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 1);
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM contexts"), 1);
}

/* Nor is another session's name put into a session's message, or left out of one that is not the newest. */
static void a_message_opens_only_under_its_own_session(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    uint8_t old[BULLA_ID_CONTEXT_SIZE];
    uint8_t new[BULLA_ID_CONTEXT_SIZE];
    struct lab_craft craft = {.piv = 70, .id_context = old};
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    memcpy(old, device.bulla.id_context, sizeof(old));
    lab_boot(&device);
    lab_tell(&device, 2);
    memcpy(new, device.bulla.id_context, sizeof(new));
    craft.says = new;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "forged");
    craft = (struct lab_craft){.piv = 71, .id_context = old, .bare = true};
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "forged");
    craft = (struct lab_craft){.piv = 72, .id_context = old};
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "stored");
}

/* ---- step 2: which context ---- */

static void without_kid_context_and_proven_session_it_is_forged(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_craft craft = {.piv = 5, .bare = true};

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    craft.id_context = lab_session(&device);
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "forged");
    packet = lab_seal(&device, 1); /* an unproven session does not count */
    assert_fate(lab_deliver(lab, &packet), "challenged");
    craft.piv = 6;
    packet = lab_craft(&device, &craft);
    assert_fate(lab_deliver(lab, &packet), "forged");
}

static void without_kid_context_the_newest_proven_session_counts(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet old;
    struct lab_packet new;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    old = lab_seal(&device, 2); /* bare, and never sent */
    assert_true(old.len < 60);
    lab_boot(&device);
    lab_tell(&device, 3);
    new = lab_seal(&device, 4);
    assert_fate(lab_deliver(lab, &old), "forged"); /* not under the newest session's key */
    assert_fate(lab_deliver(lab, &new), "stored");
    lab_restart(lab);
    assert_fate(lab_deliver(lab, &old), "forged");
    new = lab_seal(&device, 5);
    assert_fate(lab_deliver(lab, &new), "stored");
    assert_int_equal(lab_stored(lab, 2), 0);
}

/* ---- steps 4 to 7 and their replies ---- */

static void challenged_stored_duplicate_stale(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet first;
    struct lab_packet second;
    struct lab_letter *letter;
    struct lab_reply reply;
    uint8_t challenge[BULLA_CHALLENGE_SIZE];

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_keep_kid_context(&device);
    first = lab_seal(&device, 1);
    letter = lab_deliver(lab, &first);
    assert_fate(letter, "challenged");
    reply = lab_read(&device, lab_session(&device), letter);
    assert_int_equal(reply.keys, KEY(2) | KEY(3)); /* nothing is stored: no receipt */
    assert_int_equal(reply.re, 0);
    assert_int_equal(reply.time, LAB_START);
    lab_challenge(&device, lab_session(&device), lab_t(lab), challenge);
    assert_memory_equal(reply.challenge, challenge, sizeof(challenge));
    assert_memory_equal(reply.gateway, lab->gateways[0].id, GATEWAY_ID_SIZE);
    lab_accept(&device, letter);

    second = lab_seal_again(&device);
    letter = lab_deliver(lab, &second);
    assert_fate(letter, "stored");
    reply = lab_read(&device, lab_session(&device), letter);
    assert_receipt(&reply, 1, 0);
    assert_int_equal(reply.re, 1);
    assert_int_equal(reply.piv, 1); /* one number over all replies of the process */
    assert_int_equal(lab_stored(lab, 1), 1);

    letter = lab_deliver(lab, &second);
    assert_fate(letter, "duplicate");
    reply = lab_read(&device, lab_session(&device), letter);
    assert_receipt(&reply, 1, 0);
    assert_int_equal(lab_stored(lab, 1), 1);

    letter = lab_deliver(lab, &first);
    assert_fate(letter, "stale");
    reply = lab_read(&device, lab_session(&device), letter);
    assert_receipt(&reply, 1, 0); /* no challenge: the device seals again above the top */
    assert_int_equal(reply.re, 0);
}

static void a_counter_proven_at_provisioning_stores_at_once(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet;
    struct lab_letter *letter;
    struct lab_reply reply;

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    packet = lab_seal(&device, 1);
    letter = lab_deliver(lab, &packet);
    assert_fate(letter, "stored");
    reply = lab_read(&device, NULL, letter);
    assert_receipt(&reply, packet.piv, 0);
    lab_accept(&device, letter);
    assert_int_equal(bulla_fate(&device.bulla, &device.message), BULLA_STORED);
}

static void receipt_bits_are_what_is_stored(void **state)
{
    static const uint64_t pivs[] = {10, 12, 73, 72, 74};
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_reply reply = {0};

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    for (size_t i = 0; i < COUNT(pivs); i++) {
        struct lab_packet packet = lab_numbered(&device, pivs[i], 1);
        struct lab_letter *letter = lab_deliver(lab, &packet);
        assert_fate(letter, "stored");
        reply = lab_read(&device, NULL, letter);
    }
    /* top 74: 73 and 72 are bits 0 and 1, 12 is bit 61, 10 is out of reach */
    assert_receipt(&reply, 74, (uint64_t)1 << 61 | 3);
}

/* What authenticates is never thrown away (PROTOCOL 4.6). */
static void what_cannot_be_decoded_is_stored_as_it_came(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    struct lab_packet packet = {.len = 0};
    const uint8_t garbage[] = {0xff, 0x00, 0x81};

    lab_add(lab, &device, "shed", BULLA_COUNTER);
    bulla_begin_content(&device.message, BULLA_FORMAT_SENML_CBOR, device.buffer, sizeof(device.buffer));
    bulla_add_bytes(&device.message, garbage, sizeof(garbage));
    assert_int_equal(bulla_seal(&device.bulla, &device.message), 0);
    packet.len = device.message.size;
    memcpy(packet.bytes, device.message.data, packet.len);
    assert_fate(lab_deliver(lab, &packet), "stored");
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM points r JOIN series s ON s.id = r.series"
                                     " WHERE s.type = 'undecoded' AND r.value = x'ff0081'"),
                     1);
    assert_int_equal(lab->gateways[0].pipeline.counters.undecoded, 1);
}

static void every_algorithm_goes_round(void **state)
{
    static const enum bulla_alg algs[] = {BULLA_AES_CCM_16_64_128, BULLA_AES_CCM_16_128_128,
                                          BULLA_CHACHA20_POLY1305};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    struct lab *lab = *state;
    struct lab_device device;

    for (size_t i = 0; i < COUNT(names); i++) {
        lab_add_as(lab, &device, names[i], i % 2 == 0 ? BULLA_SESSION : BULLA_COUNTER, algs[i / 2], i < 4);
        lab_tell(&device, (int64_t)i + 100);
        lab_tell(&device, (int64_t)i + 200);
    }
    assert_int_equal(lab_number(lab, "SELECT count(*) FROM readings"), 12);
}

/* Stored and the others are counted where they happen; only stored is not in the journal. */
static void outcomes_are_counted(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    const uint64_t *outcomes = lab->gateways[0].pipeline.counters.outcomes;
    struct lab_packet packet;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    lab_tell(&device, 1);
    packet = lab_seal(&device, 2);
    lab_deliver(lab, &packet);
    lab_deliver(lab, &packet);
    assert_int_equal(outcomes[OUTCOME_STORED], 2);
    assert_int_equal(outcomes[OUTCOME_CHALLENGED], 1);
    assert_int_equal(outcomes[OUTCOME_DUPLICATE], 1);
    assert_int_equal(lab_events(lab, "stored"), 0);
    assert_int_equal(lab_events(lab, "challenged"), 1);
    assert_int_equal(lab_events(lab, "duplicate"), 1);
}

/* Until the registry was asked it is not known how many devices there are; afterwards it is. */
static void devices_are_counted(void **state)
{
    struct lab *lab = *state;
    struct lab_device device;
    const struct pipeline *pipeline = &lab->gateways[0].pipeline;

    lab_add(lab, &device, "kitchen", BULLA_SESSION);
    assert_int_equal(pipeline->counters.devices, -1);
    lab_idle(lab);
    assert_int_equal(pipeline->counters.devices, -1);
    lab_idle(lab);
    assert_int_equal(pipeline->counters.devices, 1);
    lab_idle(lab);
    assert_int_equal(pipeline->counters.devices, 1);
    lab_add(lab, &device, "shed", BULLA_COUNTER);
    lab_idle(lab);
    lab_idle(lab);
    assert_int_equal(pipeline->counters.devices, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(malformed_is_counted_and_gets_nothing),
        TEST(every_truncation_is_malformed_or_forged),
        TEST(every_flipped_bit_is_refused),
        TEST(unknown_revoked_and_forged_look_the_same),
        TEST(refusals_take_the_same_way),
        TEST(the_journal_says_which_device_and_why),
        TEST(another_algorithm_is_forged),
        TEST(the_other_kind_of_context_is_forged),
        TEST(a_kid_context_put_into_a_counters_message),
        TEST(a_message_opens_only_under_its_own_session),
        TEST(without_kid_context_and_proven_session_it_is_forged),
        TEST(without_kid_context_the_newest_proven_session_counts),
        TEST(challenged_stored_duplicate_stale),
        TEST(a_counter_proven_at_provisioning_stores_at_once),
        TEST(receipt_bits_are_what_is_stored),
        TEST(what_cannot_be_decoded_is_stored_as_it_came),
        TEST(every_algorithm_goes_round),
        TEST(outcomes_are_counted),
        TEST(devices_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
