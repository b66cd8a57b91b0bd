/*
 * Replies (PROTOCOL 3, Resending, and 5), sentence by sentence.
 */
#include <string.h>

#include "device_fixture.h"
#include "provider.h"

static const uint8_t challenge_a[BULLA_CHALLENGE_SIZE] = {0xaa, 1, 2, 3, 4, 5, 6, 7};
static const uint8_t challenge_b[BULLA_CHALLENGE_SIZE] = {0xbb, 1, 2, 3, 4, 5, 6, 7};

#define SECONDS 1000u

static enum bulla_fate fate(const struct fixture *f, const struct sent *sent)
{
    return bulla_fate(&f->bulla, &sent->message);
}

/* ---- keys 0 and 1: the receipt ---- */

static void test_receipt(void **state)
{
    struct fixture f;
    struct sent sent[4];
    struct bulla_reply reply;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        for (size_t i = 0; i < COUNT(sent); i++)
            assert_true(fixture_seal(&f, &sent[i]) == i);
        assert_int_equal(fixture_answer(&f, 2, body_receipt(&f, 2, 2), &reply), 0); /* 2 and 0 */
        assert_true(reply.re == 2 && reply.has_receipt && reply.top == 2 && reply.bits == 2);
        assert_int_equal(fate(&f, &sent[0]), BULLA_STORED);
        assert_int_equal(fate(&f, &sent[1]), BULLA_WAITING);
        assert_int_equal(fate(&f, &sent[2]), BULLA_STORED);
        assert_int_equal(fate(&f, &sent[3]), BULLA_WAITING);
        assert_int_equal(fixture_answer(&f, 3, body_receipt(&f, 3, 7), NULL), 0);
        for (size_t i = 0; i < COUNT(sent); i++)
            assert_int_equal(fate(&f, &sent[i]), BULLA_STORED);
    }
}

/* "Keys 0 and 1 may be applied any number of times": late ones, old ones, in any order; nothing is unsaid. */
static void test_receipts_late_and_repeated(void **state)
{
    struct fixture f;
    struct sent sent[3];
    uint8_t old[PEER_REPLY_MAX];
    uint8_t copy[PEER_REPLY_MAX];
    struct peer_body body;
    size_t len;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(sent); i++)
        fixture_seal(&f, &sent[i]);
    body = body_receipt(&f, 0, 0);
    len = peer_reply(&f.peer, 0, &body, old);
    assert_int_equal(fixture_answer(&f, 2, body_receipt(&f, 2, 1), NULL), 0);
    assert_int_equal(fate(&f, &sent[0]), BULLA_WAITING);
    for (unsigned i = 0; i < 3; i++) {
        memcpy(copy, old, len); /* opening overwrites */
        assert_int_equal(bulla_open_reply(&f.bulla, copy, len, NULL), 0);
        assert_int_equal(fate(&f, &sent[0]), BULLA_STORED);
        assert_int_equal(fate(&f, &sent[1]), BULLA_STORED);
        assert_int_equal(fate(&f, &sent[2]), BULLA_STORED);
    }
    assert_true(number_of(f.bulla.next) == 3);
}

/* A message that was refused and is stored after all (it was duplicated on the way). */
static void test_stored_after_refused(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), NULL), 0);
    assert_int_equal(fate(&f, &sent), BULLA_SEAL_AGAIN);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
}

/* "… is told only by the reply whose "re" names its message …; never by another reply's bits." */
static void test_only_its_own_reply_refuses(void **state)
{
    struct fixture f;
    struct sent sent[3];
    struct peer_body body;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(sent); i++)
        fixture_seal(&f, &sent[i]);
    body = body_receipt(&f, 2, 0); /* 0 and 1 are not stored, so far */
    body.challenge = challenge_a;
    assert_int_equal(fixture_answer(&f, 2, body, NULL), 0);
    assert_int_equal(fate(&f, &sent[0]), BULLA_WAITING);
    assert_int_equal(fate(&f, &sent[1]), BULLA_WAITING);
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 2, 0), NULL), 0); /* answered, and not stored */
    assert_int_equal(fate(&f, &sent[0]), BULLA_WAITING);
    assert_int_equal(fate(&f, &sent[1]), BULLA_SEAL_AGAIN);
    assert_int_equal(fixture_answer(&f, 0, body_time(&f), NULL), 0); /* no receipt at all */
    assert_int_equal(fate(&f, &sent[0]), BULLA_SEAL_AGAIN);
}

/* ---- the kid context (PROTOCOL 3, header 10) ---- */

static void test_kid_context_until_a_receipt(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent));
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), NULL), 0); /* no key 0 */
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent));
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), NULL), 0);
    for (uint64_t piv = 2; piv < 40; piv++) {
        fixture_seal(&f, &sent);
        assert_false(sent_has_kid_context(&sent));
        assert_int_equal(fixture_answer(&f, piv, body_receipt(&f, piv, 0), NULL), 0);
    }
}

/* "… until a message without it goes unanswered: then it stays in for the rest of the session" */
static void test_kid_context_after_silence(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int by_resend = 0; by_resend < 2; by_resend++) {
        fixture_open(&f, BULLA_SESSION);
        fixture_seal(&f, &sent);
        assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
        fixture_seal(&f, &sent);
        assert_false(sent_has_kid_context(&sent));
        if (by_resend) {
            assert_int_equal(bulla_resend(&f.bulla, &sent.message), 0);
            assert_true(sent_has_kid_context(&sent));
            assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), NULL), 0);
        }
        for (uint64_t piv = 2; piv < 40; piv++) {
            fixture_seal(&f, &sent);
            assert_true(sent_has_kid_context(&sent));
            assert_int_equal(fixture_answer(&f, piv, body_receipt(&f, piv, 3), NULL), 0);
        }
    }
}

/* Answered is answered, also with "not stored". */
static void test_kid_context_after_a_refusal(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 1, body_challenge(&f, challenge_a), NULL), 0);
    fixture_seal(&f, &sent);
    assert_false(sent_has_kid_context(&sent));
}

static void test_counters_have_no_kid_context(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    for (uint64_t piv = 0; piv < 5; piv++) {
        fixture_seal(&f, &sent);
        assert_int_equal(bulla_resend(&f.bulla, &sent.message), 0);
        assert_false(sent_has_kid_context(&sent));
        if (piv % 2 == 0)
            assert_int_equal(fixture_answer(&f, piv, body_receipt(&f, piv, 0), NULL), 0);
    }
}

/* ---- key 3: the challenge ---- */

/* "From a challenge until the next accepted reply with key 0 to a message sealed after it, every message
 * carries "echo"." */
static void test_echo(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        fixture_seal(&f, &sent); /* 0 */
        assert_false(sent_has_echo(&sent, NULL));
        fixture_seal(&f, &sent); /* 1, sealed before the challenge */
        assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), &reply), 0);
        assert_true(reply.challenged);
        fixture_seal(&f, &sent); /* 2 */
        assert_true(sent_has_echo(&sent, challenge_a));
        assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), &reply), 0);
        assert_true(reply.challenged); /* a receipt, but to a message sealed before */
        assert_int_equal(fixture_answer(&f, 2, body_time(&f), &reply), 0);
        assert_true(reply.challenged); /* to one sealed after, but no receipt */
        fixture_seal(&f, &sent);       /* 3 */
        assert_true(sent_has_echo(&sent, challenge_a));
        assert_int_equal(fixture_answer(&f, 3, body_receipt(&f, 3, 0), &reply), 0);
        assert_false(reply.challenged);
        fixture_seal(&f, &sent); /* 4 */
        assert_false(sent_has_echo(&sent, NULL));
    }
}

/* The receipt of a message sealed after the challenge ends it, also where that message was not stored itself.
 */
static void test_echo_ends_by_key_0_alone(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), NULL), 0);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 100, 0), &reply), 0);
    assert_false(reply.challenged);
    assert_int_equal(fate(&f, &sent), BULLA_SEAL_AGAIN);
}

static void test_a_second_challenge(void **state)
{
    struct fixture f;
    struct sent sent;
    struct peer_body body;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), NULL), 0);
    fixture_seal(&f, &sent);
    body = body_receipt(&f, 50, 0); /* a receipt and a challenge, as after a restore */
    body.challenge = challenge_b;
    assert_int_equal(fixture_answer(&f, 1, body, &reply), 0);
    assert_true(reply.challenged);
    assert_true(fixture_seal(&f, &sent) == 51);
    assert_true(sent_has_echo(&sent, challenge_b));
    assert_int_equal(fixture_answer(&f, 51, body_receipt(&f, 51, 0), &reply), 0);
    assert_false(reply.challenged);
}

/* "Key 3 counts if the message that "re" names still waits for its answer." */
static void test_challenge_only_while_waiting(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_a), NULL), 0);
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_b), &reply),
                     0); /* answered already */
    assert_true(reply.challenged);
    fixture_seal(&f, &sent);
    assert_true(sent_has_echo(&sent, challenge_a));
    assert_int_equal(fixture_answer(&f, 1, body_receipt(&f, 1, 0), NULL), 0);
    assert_int_equal(fixture_answer(&f, 1, body_challenge(&f, challenge_b), &reply), 0); /* stored already */
    assert_int_equal(fixture_answer(&f, 0, body_challenge(&f, challenge_b), &reply), 0);
    assert_false(reply.challenged);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
    fixture_seal(&f, &sent);
    assert_false(sent_has_echo(&sent, NULL));
}

/* "stored outweighs a challenge", in the same reply too. */
static void test_stored_outweighs_a_challenge(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;
    struct peer_body body;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    body = body_receipt(&f, 0, 0);
    body.challenge = challenge_a;
    assert_int_equal(fixture_answer(&f, 0, body, &reply), 0);
    assert_false(reply.challenged);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
}

/* ---- key 2: time ---- */

/* Seals one message, lets time pass, answers. 1 if the time was believed. */
static int time_after(struct fixture *f, uint32_t milliseconds)
{
    struct sent sent;
    struct bulla_reply reply;
    uint64_t piv = fixture_seal(f, &sent);

    f->board.now += milliseconds;
    assert_int_equal(fixture_answer(f, piv, body_receipt(f, piv, 0), &reply), 0);
    if (reply.has_time)
        assert_true(reply.time == f->peer.time);
    else
        assert_true(reply.time == 0);
    return reply.has_time;
}

/* "only within 60 seconds after that message was sealed, by the device's own timer" */
static void test_time_by_the_timer(void **state)
{
    static const uint32_t starts[] = {0,         1, 255, 256, 12345, UINT32_MAX, UINT32_MAX - 30 * SECONDS,
                                      0x7fffffff};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) { /* wrapping around in the middle, too */
        fixture_open(&f, BULLA_SESSION);
        f.board.now = starts[i];
        assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
        memcpy(f.peer.id_context, f.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
        assert_int_equal(time_after(&f, 0), 1);
        assert_int_equal(time_after(&f, 1), 1);
        assert_int_equal(time_after(&f, 59 * SECONDS), 1);
        assert_int_equal(time_after(&f, 59 * SECONDS + 640), 1); /* ages are counted in 256 ms */
        assert_int_equal(time_after(&f, 60 * SECONDS), 0);
        assert_int_equal(time_after(&f, 61 * SECONDS), 0);
        assert_int_equal(time_after(&f, BULLA_AGE_UNIT * 256), 0); /* more than a byte counts */
        assert_int_equal(time_after(&f, 3600 * SECONDS), 0);
        assert_int_equal(time_after(&f, 49 * 86400 * SECONDS), 0);
        assert_int_equal(time_after(&f, 10), 1);
    }
}

/* Many looks at the timer in between lose nothing of what has passed. */
static void test_time_in_small_steps(void **state)
{
    struct fixture f;
    struct sent first;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (unsigned step = 10; step <= 990; step += 70) {
        uint32_t passed = 0;
        uint64_t piv = fixture_seal(&f, &first);
        uint32_t sealed = f.bulla.clock; /* what was left over of the unit before counts */

        for (unsigned i = 0; passed + step < 60 * SECONDS; i++) {
            f.board.now += step;
            passed += step;
            if (i % 8 == 0) /* a reply to another message brings the ages up to date */
                assert_int_equal(fixture_answer(&f, piv, body_time(&f), &reply), 0);
        }
        f.board.now += 60 * SECONDS - passed;
        fixture_seal(&f, &sent);
        assert_true(f.bulla.sent[1].age == (f.board.now - sealed) / BULLA_AGE_UNIT);
    }
}

/* "by the device's own timer (without a timer: only if that message was the last one sealed)" */
static void test_time_without_a_timer(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    f.board.port.timer = NULL;
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 1);
    fixture_seal(&f, &sent);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 1, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 0);
    assert_int_equal(fixture_answer(&f, 2, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 1);
}

/* "count only if "re" is above that of every reply accepted before" */
static void test_time_only_above_all_before(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (unsigned i = 0; i < 3; i++)
        fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 1, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 1);
    assert_int_equal(fixture_answer(&f, 1, body_time(&f), &reply), 0); /* the same once more */
    assert_int_equal(reply.has_time, 0);
    assert_int_equal(fixture_answer(&f, 0, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 0);
    assert_int_equal(fixture_answer(&f, 1, body_time(&f), &reply),
                     0); /* a lower one in between opens nothing */
    assert_int_equal(reply.has_time, 0);
    assert_int_equal(fixture_answer(&f, 2, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 1);
    /* Also a reply that had no time counts as accepted. */
    fixture_seal(&f, &sent);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 4, (struct peer_body){0}, &reply), 0);
    assert_int_equal(reply.has_time, 0);
    assert_int_equal(fixture_answer(&f, 3, body_time(&f), &reply), 0);
    assert_int_equal(reply.has_time, 0);
}

static void test_time_of_every_size(void **state)
{
    static const int64_t times[] = {0, 1, 1700000000, (int64_t)1 << 40, INT64_MAX};
    struct fixture f;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(times); i++) {
        f.peer.time = times[i];
        assert_int_equal(time_after(&f, 0), 1);
    }
}

/* ---- raising the number ---- */

/* "Where an answered message was not stored and key 0 is above it, the device first raises its next piv to
 * key 0 + 1 if it is lower (never back; a counter reserves there before it seals)." */
static void test_raise(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        fixture_seal(&f, &sent);
        assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 1000, 0), NULL), 0);
        assert_true(fixture_seal(&f, &sent) == 1001);
        assert_int_equal(fixture_answer(&f, 1001, body_receipt(&f, 1002, 0), NULL), 0);
        assert_true(number_of(f.bulla.next) == 1003);
        for (uint64_t piv = 1003; piv < 1010; piv++)
            assert_true(fixture_seal(&f, &sent) == piv);
        assert_int_equal(fixture_answer(&f, 1003, body_receipt(&f, 1005, 0), NULL),
                         0); /* lower than next: not back */
        assert_true(number_of(f.bulla.next) == 1010);
        assert_int_equal(fixture_answer(&f, 1009, body_receipt(&f, 1008, 0), NULL), 0); /* key 0 below "re" */
        assert_true(number_of(f.bulla.next) == 1010);
        assert_int_equal(fixture_answer(&f, 1004, body_receipt(&f, 2000, (uint64_t)1 << 61), NULL), 0);
        assert_true(number_of(f.bulla.next) == 2001);
        fixture_seal(&f, &sent);
        if (kind == BULLA_COUNTER)
            assert_true(number_of(f.bulla.limit) > 2001);
    }
}

/* What is stored raises nothing, however high key 0 is. */
static void test_no_raise_for_what_is_stored(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 30, (uint64_t)1 << 29), NULL), 0);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
    assert_true(number_of(f.bulla.next) == 1);
}

static void test_raise_beyond_what_is_reserved(void **state)
{
    struct fixture f;
    struct sent sent;
    unsigned stores;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    stores = f.board.stores;
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 300000, 0), NULL), 0);
    f.board.store_fails = 1;
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_STORE); /* not before it is reserved */
    f.board.store_fails = 0;
    assert_true(fixture_seal(&f, &sent) == 300001);
    assert_int_equal(f.board.stores, stores + 3);
    assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0); /* and it holds over a boot */
    assert_true(number_of(f.bulla.next) == 300001 + 65536);
}

/* Up to the last number, and then there is none. */
static void test_raise_to_the_end(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_COUNTER);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, BULLA_PIV_MAX - 1, 0), NULL), 0);
    assert_true(fixture_seal(&f, &sent) == BULLA_PIV_MAX);
    assert_int_equal(fixture_answer(&f, BULLA_PIV_MAX, body_receipt(&f, BULLA_PIV_MAX, 0), NULL), 0);
    bulla_begin(&sent.message, sent.buffer, sizeof(sent.buffer));
    assert_int_equal(bulla_seal(&f.bulla, &sent.message), BULLA_E_EXHAUSTED);
}

/* ---- the last 16 ---- */

static void test_more_than_16_in_flight(void **state)
{
    static struct sent sent[40];
    struct fixture f;
    struct bulla before;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(sent); i++)
        fixture_seal(&f, &sent[i]);
    for (size_t i = 0; i < COUNT(sent); i++) {
        int known = i >= COUNT(sent) - BULLA_TRACKED;

        assert_int_equal(fate(&f, &sent[i]), known ? BULLA_WAITING : BULLA_FORGOTTEN);
        before = f.bulla;
        assert_int_equal(fixture_answer(&f, i, body_challenge(&f, challenge_a), NULL),
                         known ? 0 : BULLA_E_NOT_OURS);
        if (!known)
            assert_memory_equal(&f.bulla, &before, sizeof(before));
    }
    assert_int_equal(fixture_answer(&f, 40, body_time(&f), NULL), BULLA_E_NOT_OURS); /* not sealed yet */
    assert_int_equal(fixture_answer(&f, 39 + 65536, body_time(&f), NULL), BULLA_E_NOT_OURS);
    assert_int_equal(fixture_answer(&f, BULLA_PIV_MAX, body_time(&f), NULL), BULLA_E_NOT_OURS);
    assert_int_equal(fixture_answer(&f, UINT64_MAX, body_time(&f), NULL), BULLA_E_NOT_OURS);
    assert_int_equal(fixture_answer(&f, 39, body_receipt(&f, 39, UINT64_MAX >> 1), NULL), 0);
    for (size_t i = 0; i < COUNT(sent); i++)
        assert_int_equal(fate(&f, &sent[i]), i >= 24 ? BULLA_STORED : BULLA_FORGOTTEN);
}

/* Nothing is answered before anything is sealed. */
static void test_none_in_flight(void **state)
{
    struct fixture f;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        for (uint64_t re = 0; re < 3; re++)
            assert_int_equal(fixture_answer(&f, re, body_time(&f), NULL), BULLA_E_NOT_OURS);
        assert_int_equal(fixture_answer(&f, UINT64_MAX, body_time(&f), NULL), BULLA_E_NOT_OURS);
    }
}

/* Messages from before a jump are still among the last 16. */
static void test_in_flight_over_a_jump(void **state)
{
    static const uint64_t jumps[] = {1, 15, 16, 17, 255, 256, 4096, 65530};
    struct fixture f;
    struct sent sent[12];

    (void)state;
    for (size_t j = 0; j < COUNT(jumps); j++) {
        fixture_open(&f, BULLA_COUNTER);
        set_number(f.bulla.next, 5);
        for (size_t i = 0; i < 4; i++)
            fixture_seal(&f, &sent[i]); /* 5 to 8 */
        assert_int_equal(fixture_answer(&f, 8, body_receipt(&f, 8 + jumps[j], 0), NULL), 0);
        for (size_t i = 4; i < COUNT(sent); i++) {
            assert_true(fixture_seal(&f, &sent[i]) == 8 + jumps[j] + 1 + i - 4);
            if (number_of(f.bulla.next) - 5 >= BULLA_FAR)
                break;
            assert_int_equal(fate(&f, &sent[0]), BULLA_WAITING);
            assert_int_equal(fate(&f, &sent[3]), BULLA_SEAL_AGAIN);
        }
        if (number_of(f.bulla.next) - 5 >= BULLA_FAR)
            continue;
        assert_int_equal(fixture_answer(&f, 6, body_receipt(&f, 6, 0), NULL), 0);
        assert_int_equal(fate(&f, &sent[1]), BULLA_STORED);
        assert_int_equal(
            fixture_answer(&f, sent[7].message.piv, body_receipt(&f, sent[7].message.piv, 0), NULL), 0);
        assert_int_equal(fate(&f, &sent[7]), BULLA_STORED);
        assert_int_equal(fate(&f, &sent[2]), BULLA_WAITING);
    }
}

/* Further back than 65,535 numbers, a message is forgotten, never taken for another one. */
static void test_forgotten_over_a_far_jump(void **state)
{
    static const uint64_t jumps[] = {65535, 65536, 65537, 131072, (uint64_t)1 << 32, (uint64_t)1 << 39};
    struct fixture f;
    struct sent sent[6];

    (void)state;
    for (size_t j = 0; j < COUNT(jumps); j++) {
        fixture_open(&f, BULLA_COUNTER);
        for (size_t i = 0; i < 4; i++)
            fixture_seal(&f, &sent[i]);
        assert_int_equal(fixture_answer(&f, 3, body_receipt(&f, 3 + jumps[j], 0), NULL), 0);
        fixture_seal(&f, &sent[4]);
        fixture_seal(&f, &sent[5]);
        assert_true(sent[5].message.piv == 5 + jumps[j]);
        for (uint64_t re = 0; re < 4; re++) {
            assert_int_equal(fate(&f, &sent[re]), BULLA_FORGOTTEN);
            assert_int_equal(fixture_answer(&f, re, body_time(&f), NULL), BULLA_E_NOT_OURS);
            assert_int_equal(fixture_answer(&f, re + 65536, body_time(&f), NULL),
                             re + 65536 == sent[4].message.piv || re + 65536 == sent[5].message.piv
                                 ? 0
                                 : BULLA_E_NOT_OURS);
        }
        assert_int_equal(
            fixture_answer(&f, sent[4].message.piv, body_receipt(&f, sent[4].message.piv, 0), NULL), 0);
        assert_int_equal(fate(&f, &sent[4]), BULLA_STORED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receipt),
        cmocka_unit_test(test_receipts_late_and_repeated),
        cmocka_unit_test(test_stored_after_refused),
        cmocka_unit_test(test_only_its_own_reply_refuses),
        cmocka_unit_test(test_kid_context_until_a_receipt),
        cmocka_unit_test(test_kid_context_after_silence),
        cmocka_unit_test(test_kid_context_after_a_refusal),
        cmocka_unit_test(test_counters_have_no_kid_context),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_ends_by_key_0_alone),
        cmocka_unit_test(test_a_second_challenge),
        cmocka_unit_test(test_challenge_only_while_waiting),
        cmocka_unit_test(test_stored_outweighs_a_challenge),
        cmocka_unit_test(test_time_by_the_timer),
        cmocka_unit_test(test_time_in_small_steps),
        cmocka_unit_test(test_time_without_a_timer),
        cmocka_unit_test(test_time_only_above_all_before),
        cmocka_unit_test(test_time_of_every_size),
        cmocka_unit_test(test_raise),
        cmocka_unit_test(test_no_raise_for_what_is_stored),
        cmocka_unit_test(test_raise_beyond_what_is_reserved),
        cmocka_unit_test(test_raise_to_the_end),
        cmocka_unit_test(test_more_than_16_in_flight),
        cmocka_unit_test(test_none_in_flight),
        cmocka_unit_test(test_in_flight_over_a_jump),
        cmocka_unit_test(test_forgotten_over_a_far_jump),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
