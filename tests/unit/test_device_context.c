/*
 * Contexts and sealing (PROTOCOL 2 and 3): what opens, what refuses, which numbers are used, what is sent
 * again.
 */
#include <string.h>

#include "device_fixture.h"
#include "provider.h"
#include "recorder.h"

_Static_assert(sizeof(struct bulla) <= 256, "the context is at most 256 bytes");
_Static_assert(BULLA_SLEEP_SIZE <= 64 && BULLA_COUNTER_SIZE <= BULLA_SLOT_SIZE, "what is stored fits a slot");

static void assert_all_zero(const void *memory, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(((const uint8_t *)memory)[i], 0);
}

/* A context that is not open does nothing at all. */
static void assert_refuses(struct bulla *bulla)
{
    struct sent sent;
    uint8_t bytes[8] = {0};

    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(bulla, &sent.message), BULLA_E_STATE);
    assert_int_equal(bulla_sleep(bulla), BULLA_E_STATE);
    assert_int_equal(bulla_open_reply(bulla, bytes, sizeof(bytes), NULL), BULLA_E_STATE);
    assert_int_equal(bulla_fate(bulla, &sent.message), BULLA_FORGOTTEN);
}

/* ---- opening ---- */

static void test_session_needs_randomness_only(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    f.board.port.load = NULL;
    f.board.port.store = NULL;
    f.board.port.timer = NULL;
    f.board.port.crypto = NULL;
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_sleep(&f.bulla), BULLA_E_STORE);
    f.board.port.random = NULL;
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), BULLA_E_UNSAFE);
    assert_refuses(&f.bulla);
    assert_int_equal(f.board.stores, 0); /* a session writes nothing to flash */
}

static void test_counter_needs_a_store_only(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    f.board.port.random = NULL;
    f.board.port.timer = NULL;
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
    fixture_seal(&f, &sent);
    for (int i = 0; i < 3; i++) {
        struct bulla_port port = f.board.port;

        port.load = i != 1 ? NULL : port.load;
        port.store = i != 0 ? NULL : port.store;
        assert_int_equal(bulla_open(&f.bulla, &f.credential, &port), BULLA_E_UNSAFE);
        assert_refuses(&f.bulla);
        assert_int_equal(bulla_provision_counter(&f.credential, &port), BULLA_E_UNSAFE);
    }
}

static void test_bad_credentials(void **state)
{
    static const uint8_t kid_lens[] = {0, 6, 255};
    static const uint8_t algs[] = {0, 1, 11, 12, 31, 255};
    struct fixture f;
    struct bulla_credential bad;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(kid_lens); i++) {
        bad = f.credential;
        bad.kid_len = kid_lens[i];
        assert_int_equal(bulla_open(&f.bulla, &bad, &f.board.port), BULLA_E_ARGUMENT);
        assert_refuses(&f.bulla);
    }
    for (size_t i = 0; i < COUNT(algs); i++) {
        bad = f.credential;
        bad.alg = algs[i];
        assert_int_equal(bulla_open(&f.bulla, &bad, &f.board.port), BULLA_E_ARGUMENT);
        assert_refuses(&f.bulla);
    }
    bad = f.credential;
    bad.kind = 2;
    assert_int_equal(bulla_open(&f.bulla, &bad, &f.board.port), BULLA_E_ARGUMENT);
    assert_refuses(&f.bulla);
}

/* For a board without a counter: what bulla_open() does with a session's credential, and no other. */
static void test_open_session(void **state)
{
    struct fixture f;
    struct fixture counter;
    struct bulla_credential bad;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    memset(&f.bulla, 0x55, sizeof(f.bulla));
    assert_int_equal(bulla_open_session(&f.bulla, &f.credential, &f.board.port), 0);
    f.board.port.load = NULL;
    f.board.port.store = NULL;
    assert_true(fixture_seal(&f, &sent) == 0 && fixture_seal(&f, &sent) == 1);
    f.board.port.random = NULL;
    assert_int_equal(bulla_open_session(&f.bulla, &f.credential, &f.board.port), BULLA_E_UNSAFE);
    assert_refuses(&f.bulla);
    fixture_open(&counter, BULLA_COUNTER);
    assert_int_equal(bulla_open_session(&counter.bulla, &counter.credential, &counter.board.port),
                     BULLA_E_ARGUMENT);
    assert_refuses(&counter.bulla);
    fixture_open(&f, BULLA_SESSION);
    bad = f.credential;
    bad.kid_len = 6;
    assert_int_equal(bulla_open_session(&f.bulla, &bad, &f.board.port), BULLA_E_ARGUMENT);
    assert_refuses(&f.bulla);
}

static void test_random_that_fails(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    f.board.random_fails = 1;
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), BULLA_E_RANDOM);
    assert_refuses(&f.bulla);
    assert_int_equal(bulla_wake(&f.bulla, &f.credential, &f.board.port), BULLA_E_RANDOM);
    assert_refuses(&f.bulla);
    f.board.random_fails = 0;
    f.board.random_stuck = 1; /* says that it worked */
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), BULLA_E_RANDOM);
    assert_refuses(&f.bulla);
    f.board.random_stuck = 0;
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
}

static void test_provider_that_fails(void **state)
{
    struct fixture f;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        for (unsigned in = 1; in <= 2; in++) {
            recorder_fail_hkdf(in);
            assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), BULLA_E_CRYPTO);
            assert_all_zero(&f.bulla, sizeof(f.bulla));
            assert_refuses(&f.bulla);
        }
    }
}

static void test_closed_is_wiped(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    bulla_close(&f.bulla);
    assert_all_zero(&f.bulla, sizeof(f.bulla));
    assert_refuses(&f.bulla);
    assert_int_equal(bulla_resend(&f.bulla, &sent.message), BULLA_E_STATE);
    assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STATE);
    assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_FORGOTTEN);
}

/* ---- numbers ---- */

static void test_numbers_rise_by_one(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        for (uint64_t piv = 0; piv < 300; piv++)
            assert_true(fixture_seal(&f, &sent) == piv);
        assert_int_equal(recorder_count(), 300);
    }
}

static void test_the_last_number(void **state)
{
    struct fixture f;
    struct bulla before;
    struct sent sent;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        set_number(f.bulla.next, BULLA_PIV_MAX - 1);
        assert_true(fixture_seal(&f, &sent) == BULLA_PIV_MAX - 1);
        assert_true(fixture_seal(&f, &sent) == BULLA_PIV_MAX);
        assert_int_equal(fixture_answer(&f, BULLA_PIV_MAX, body_receipt(&f, BULLA_PIV_MAX, 1), NULL), 0);
        assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_STORED);
        before = f.bulla;
        for (unsigned i = 0; i < 3; i++) {
            bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
            assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
            assert_int_equal(sent.message.size, 0);
        }
        assert_memory_equal(&f.bulla, &before, sizeof(before));
        assert_int_equal(recorder_count(), 3); /* two messages and the reply */
    }
}

/* A number is spent whatever the provider says. What it has left of the content is never sealed. */
static void test_seal_that_fails_spends_its_number(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    recorder_fail_seal(1);
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_CRYPTO);
    assert_int_equal(sent.message.size, 0);
    assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_FORGOTTEN);
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 1), NULL), BULLA_E_NOT_OURS);
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_CRYPTO);
    assert_true(number_of(f.bulla.next) == 2); /* and takes no further one */
    fixture_seal(&f, &sent);
    assert_true(sent.message.piv == 2);
}

/* Likewise where it fails when the message is sealed again. */
static void test_seal_again_without_its_content(void **state)
{
    static const uint8_t challenge[BULLA_CHALLENGE_SIZE] = {5, 5, 5, 5, 5, 5, 5, 6};
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge), NULL), 0);
    recorder_fail_seal(1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_CRYPTO);
        assert_int_equal(sent.message.size, 0);
        assert_int_equal(bulla_resend(&f.bulla, &sent.message), BULLA_E_STATE);
    }
    assert_true(number_of(f.bulla.next) == 2);
}

static void test_sealed_once(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STATE);
    assert_true(number_of(f.bulla.next) == 1);
}

static void test_sessions_differ(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t last[BULLA_ID_CONTEXT_SIZE] = {0};

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (unsigned i = 0; i < 100; i++) { /* the recorder sees that no key and nonce come twice */
        assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
        assert_memory_not_equal(f.bulla.id_context, last, sizeof(last));
        memcpy(last, f.bulla.id_context, sizeof(last));
        assert_true(fixture_seal(&f, &sent) == 0);
        assert_true(sent_has_kid_context(&sent));
    }
    assert_int_equal(recorder_count(), 100);
}

/* ---- sending again ---- */

static void test_resend_is_byte_for_byte(void **state)
{
    struct fixture f;
    struct sent sent;
    uint8_t first[FIXTURE_BUFFER];

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        fixture_seal(&f, &sent);
        memcpy(first, sent.message.data, sent.message.size);
        for (unsigned i = 0; i < 5; i++) {
            size_t size = sent.message.size;

            assert_int_equal(bulla_resend(&f.bulla, &sent.message), 0);
            assert_int_equal(sent.message.size, size);
            assert_memory_equal(sent.message.data, first, size);
        }
        assert_int_equal(recorder_count(), 1); /* nothing was sealed again */
    }
}

/* PROTOCOL 3: "except that the kid context … is put in if it was left out". */
static void test_resend_puts_the_kid_context_in(void **state)
{
    static const uint8_t challenge[BULLA_CHALLENGE_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct fixture f;
    struct sent sent;
    struct peer_message read;

    (void)state;
    for (int with_echo = 0; with_echo < 2; with_echo++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
        if (with_echo) {
            fixture_seal(&f, &sent);
            assert_int_equal(fixture_answer(&f, 1, body_challenge(&f, challenge), NULL), 0);
        }
        fixture_seal(&f, &sent);
        assert_false(sent_has_kid_context(&sent));
        assert_int_equal(sent_has_echo(&sent, challenge), with_echo);
        peer_read(&f.peer, &sent.message, &read);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(bulla_resend(&f.bulla, &sent.message), 0);
            assert_true(sent_has_kid_context(&sent));
            assert_int_equal(sent_has_echo(&sent, challenge), with_echo);
            memset(f.peer.id_context, 0,
                   sizeof(f.peer.id_context)); /* the message names its session itself */
            peer_read(&f.peer, &sent.message, &read);
            assert_hex(read.envelope.ciphertext, read.content_len,
                       with_echo ? "81a200617802 02" : "81a200617802 01");
        }
        assert_true(sent.message.data >= sent.buffer);
    }
}

static void test_resend_needs_a_sealed_message(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_resend(&f.bulla, &sent.message), BULLA_E_STATE);
    assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STATE);
    assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_FORGOTTEN);
}

static void test_seal_again_is_the_same_reading_under_a_new_number(void **state)
{
    static const uint8_t challenge[BULLA_CHALLENGE_SIZE] = {9, 9, 9, 9, 1, 1, 1, 1};
    struct fixture f;
    struct sent sent;
    struct peer_message read;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
        bulla_add_float(&sent.message, "t", "Cel", 21.5f);
        bulla_set_age(&sent.message, 5);
        assert_int_equal(bulla_seal(&f.bulla, &sent.message), 0);
        assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge), NULL), 0);
        assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_SEAL_AGAIN);
        assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), 0);
        assert_true(sent.message.piv == 1);
        assert_true(sent_has_echo(&sent, challenge));
        assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_WAITING);
        assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STATE);
        peer_read(&f.peer, &sent.message, &read);
        assert_int_equal(read.envelope.content_format, BULLA_FORMAT_SENML_CBOR);
        assert_hex(read.envelope.ciphertext, read.content_len, "81a4 00 6174 01 6343656c 02 f94d60 06 24");
        assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), NULL), 0);
        assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_STORED);
        assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STATE);
        assert_true(number_of(f.bulla.next) == 2);
    }
}

/* A failure on the way loses no reading: it can be tried again. */
static void test_seal_again_that_fails(void **state)
{
    struct fixture f;
    struct sent sent;
    struct peer_message read;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 1000000, 0), NULL), 0);
    assert_true(number_of(f.bulla.next) == 1000001);
    assert_int_equal(bulla_fate(&f.bulla, &sent.message),
                     BULLA_FORGOTTEN); /* too far behind to be told apart */
    f.board.store_fails = 1;
    assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STORE);
    assert_int_not_equal(bulla_fate(&f.bulla, &sent.message), BULLA_STORED);
    assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), BULLA_E_STORE);
    f.board.store_fails = 0;
    assert_int_equal(bulla_seal_again(&f.bulla, &sent.message), 0);
    assert_true(sent.message.piv == 1000001);
    peer_read(&f.peer, &sent.message, &read);
    assert_hex(read.envelope.ciphertext, read.content_len, "81a200617802 00");
}

/* Numbers of one session say nothing of another: a message from before is not taken for one of the same
 * number. */
static void test_messages_of_another_session(void **state)
{
    struct fixture f;
    struct sent old;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &old);
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port),
                     0); /* a reboot that kept the message */
    assert_int_equal(bulla_fate(&f.bulla, &old.message), BULLA_FORGOTTEN);
    fixture_seal(&f, &sent);
    memcpy(f.peer.id_context, f.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    assert_int_equal(bulla_fate(&f.bulla, &sent.message), BULLA_STORED);
    assert_int_equal(bulla_fate(&f.bulla, &old.message), BULLA_FORGOTTEN);
    assert_int_equal(bulla_resend(&f.bulla, &old.message), BULLA_E_STATE);
    assert_int_equal(bulla_seal_again(&f.bulla, &old.message), BULLA_E_STATE);
    for (unsigned i = 0; i < 300; i++) { /* also after any number of sessions in the same memory */
        assert_int_equal(bulla_session_begin(&f.bulla), 0);
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_fate(&f.bulla, &old.message), BULLA_FORGOTTEN);
    }
}

/* ---- the example of the manual ---- */

/* What the attacker lets through. */
struct link {
    uint64_t random;
    unsigned loses; /* of 8 messages or replies */
};

static size_t post(struct fixture *f, struct link *link, const struct bulla_message *message,
                   uint8_t answer[PEER_REPLY_MAX])
{
    if (test_below(&link->random, 8) < link->loses)
        return 0;
    if (test_below(&link->random, 8) < link->loses) {
        peer_serve(&f->peer, message, answer);
        return 0;
    }
    return peer_serve(&f->peer, message, answer);
}

/* bulla.h, EXAMPLE. Returns how many times something was sent. */
static unsigned send_reading(struct fixture *f, struct link *link, struct sent *sent)
{
    uint8_t answer[PEER_REPLY_MAX];
    enum bulla_fate fate;
    unsigned sendings = 0;

    fixture_seal(f, sent);
    while ((fate = bulla_fate(&f->bulla, &sent->message)) != BULLA_STORED) {
        size_t length;

        if (fate == BULLA_WAITING)
            assert_int_equal(bulla_resend(&f->bulla, &sent->message), 0);
        else
            assert_int_equal(bulla_seal_again(&f->bulla, &sent->message), 0);
        length = post(f, link, &sent->message, answer);
        if (length > 0)
            assert_int_equal(bulla_open_reply(&f->bulla, answer, length, NULL), 0);
        assert_true(++sendings < 1000);
    }
    return sendings;
}

static void test_loop_of_the_manual(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        for (unsigned loses = 0; loses < 6; loses++) {
            struct link link = {loses, loses};

            fixture_open(&f, (enum bulla_kind)kind);
            for (unsigned i = 0; i < 50; i++) {
                unsigned sendings = send_reading(&f, &link, &sent);

                if (loses == 0)
                    assert_int_equal(sendings, i == 0 ? 2 : 1); /* the first is challenged */
                assert_int_equal(bulla_window_place(&f.peer.window, sent.message.piv),
                                 BULLA_WINDOW_DUPLICATE);
            }
        }
    }
}

/* The gateway knows far higher numbers (the board's store was rolled back): the loop ends all the same. */
static void test_loop_of_the_manual_after_a_jump(void **state)
{
    static const uint64_t tops[] = {40, 65534, 65535, 65536, 65537, 1u << 20, (uint64_t)1 << 33};
    struct fixture f;
    struct sent sent;

    (void)state;
    for (size_t i = 0; i < COUNT(tops); i++) {
        struct link link = {i, 0};

        fixture_open(&f, BULLA_COUNTER);
        f.peer.proven = 1;
        bulla_window_mark(&f.peer.window, tops[i] + 64);
        assert_true(send_reading(&f, &link, &sent) <= 3);
        assert_true(sent.message.piv == tops[i] + 65);
        assert_int_equal(send_reading(&f, &link, &sent), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_needs_randomness_only),
        cmocka_unit_test(test_counter_needs_a_store_only),
        cmocka_unit_test(test_bad_credentials),
        cmocka_unit_test(test_open_session),
        cmocka_unit_test(test_random_that_fails),
        cmocka_unit_test(test_provider_that_fails),
        cmocka_unit_test(test_closed_is_wiped),
        cmocka_unit_test(test_numbers_rise_by_one),
        cmocka_unit_test(test_the_last_number),
        cmocka_unit_test(test_seal_that_fails_spends_its_number),
        cmocka_unit_test(test_seal_again_without_its_content),
        cmocka_unit_test(test_sealed_once),
        cmocka_unit_test(test_sessions_differ),
        cmocka_unit_test(test_resend_is_byte_for_byte),
        cmocka_unit_test(test_resend_puts_the_kid_context_in),
        cmocka_unit_test(test_resend_needs_a_sealed_message),
        cmocka_unit_test(test_seal_again_is_the_same_reading_under_a_new_number),
        cmocka_unit_test(test_seal_again_that_fails),
        cmocka_unit_test(test_messages_of_another_session),
        cmocka_unit_test(test_loop_of_the_manual),
        cmocka_unit_test(test_loop_of_the_manual_after_a_jump),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
