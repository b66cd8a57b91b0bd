/*
 * Replies that are refused, and those of other gateways (PROTOCOL 5): what is no reply changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "device/cbor.h"

#include "device_fixture.h"
#include "provider.h"
#include "recorder.h"

static const uint8_t challenge_a[BULLA_CHALLENGE_SIZE] = {0xaa, 1, 2, 3, 4, 5, 6, 7};

static enum bulla_fate fate(const struct fixture *f, const struct sent *sent)
{
    return bulla_fate(&f->bulla, &sent->message);
}

/* ---- what is refused changes nothing ---- */

/* Opens a copy of exactly its size. On an error, all of the context is as it was. */
static int open_exact(struct fixture *f, const uint8_t *bytes, size_t len)
{
    struct bulla before;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    int error;

    memcpy(&before, &f->bulla, sizeof(before));
    memcpy(copy, bytes, len);
    error = bulla_open_reply(&f->bulla, copy, len, NULL);
    if (error < 0)
        assert_memory_equal(&f->bulla, &before, sizeof(before));
    free(copy);
    return error;
}

static void test_every_bit_of_a_reply(void **state)
{
    static const uint8_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305,
                                   BULLA_AES_CCM_16_128_128};
    struct fixture f;
    struct sent sent;
    struct peer_body body;
    uint8_t reply[PEER_REPLY_MAX];
    size_t len;

    (void)state;
    for (size_t a = 0; a < 2 * COUNT(algs); a++) {
        if (!provider_offers(algs[a / 2]))
            continue;
        fixture_open(&f, a % 2 == 0 ? BULLA_SESSION : BULLA_COUNTER);
        f.credential.alg = algs[a / 2];
        assert_int_equal(bulla_open(&f.bulla, &f.credential, &f.board.port), 0);
        memcpy(f.peer.id_context, f.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
        for (unsigned i = 0; i < 3; i++) /* so that a changed "re" may name another one of ours */
            fixture_seal(&f, &sent);
        body = body_receipt(&f, sent.message.piv, 1);
        body.challenge = challenge_a;
        len = peer_reply(&f.peer, sent.message.piv, &body, reply);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            reply[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(open_exact(&f, reply, len) < 0);
            reply[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < len; cut++)
            assert_true(open_exact(&f, reply, cut) < 0);
        reply[len] = 0;
        assert_int_equal(open_exact(&f, reply, len + 1), BULLA_E_MALFORMED);
        assert_int_equal(open_exact(&f, reply, len), 0);
        assert_int_equal(fate(&f, &sent), BULLA_STORED);
    }
}

static void test_replies_of_others(void **state)
{
    struct fixture f;
    struct bulla_credential other;
    struct peer stranger;
    struct sent sent;
    struct peer_body body;
    uint8_t reply[PEER_REPLY_MAX];
    size_t len;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    body = body_receipt(&f, 0, 0);
    other = f.credential; /* another device's secret */
    other.secret[31] ^= 1;
    peer_open(&stranger, &other, 1);
    memcpy(stranger.id_context, f.peer.id_context, BULLA_ID_CONTEXT_SIZE);
    len = peer_reply(&stranger, 0, &body, reply);
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    stranger.credential = &f.credential; /* another session of this one */
    stranger.id_context[0] ^= 1;
    len = peer_reply(&stranger, 0, &body, reply);
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    other = f.credential; /* its counter context */
    other.kind = BULLA_COUNTER;
    stranger.credential = &other;
    len = peer_reply(&stranger, 0, &body, reply);
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    other.kind = BULLA_SESSION; /* another algorithm */
    other.alg = BULLA_AES_CCM_16_128_128;
    memcpy(stranger.id_context, f.peer.id_context, BULLA_ID_CONTEXT_SIZE);
    len = peer_reply(&stranger, 0, &body, reply);
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    /* An algorithm that is none of ours. */
    len = peer_reply(&f.peer, 0, &body, reply);
    assert_int_equal(reply[5], BULLA_AES_CCM_16_64_128);
    reply[5] = 11;
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    /* The device's own message, reflected. */
    assert_int_equal(open_exact(&f, sent.message.data, sent.message.size), BULLA_E_MALFORMED);
    /* A reply whose gateway id was exchanged. */
    len = peer_reply(&f.peer, 0, &body, reply);
    for (size_t i = 0; i + 6 <= len; i++) {
        if (memcmp(reply + i, f.peer.id, 6) == 0)
            reply[i] ^= 1;
    }
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    assert_int_equal(fate(&f, &sent), BULLA_WAITING);
    assert_int_equal(fixture_answer(&f, 0, body, NULL), 0);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
}

/* Authentic, but no body of ours: refused as a whole. */
static void test_bodies_that_are_refused(void **state)
{
    static const char *const bodies[] = {
        "", /* nothing */
        "80",
        "00",
        "f6",
        "40",               /* no map */
        "bf021a6553f100ff", /* an indefinite one */
        "a1",
        "a102",
        "a2021a6553f100",   /* cut off */
        "a1021a6553f10000", /* something behind it */
        "b801021a6553f100", /* its size not in the shortest form */
        "a10005",
        "a1011f", /* one of keys 0 and 1 alone */
        "a200050020",
        "a200200100", /* a negative number */
        "a200f500 0100",
        "a200400100",                  /* of another type */
        "a20018050100",                /* not in the shortest form */
        "a2001b000001000000000001 00", /* above the last number */
        "a2001bffffffffffffffff0100",  /* likewise */
        "a300050005 0100",             /* twice */
        "a202000200",                  /* twice */
        "a1021b8000000000000000",      /* a time beyond 63 bits */
        "a1021bffffffffffffffff",
        "a10220", /* likewise; a negative one */
        "a10340",
        "a10347aaaaaaaaaaaaaa", /* a challenge of another size */
        "a10349aaaaaaaaaaaaaaaaaa",
        "a1036461616161",
        "a20348aaaaaaaaaaaaaaaa0348aaaaaaaaaaaaaaaa",
        "a10481", /* the value of a skipped key is not there */
        "a104ff",
        "a118631c", /* or is not well-formed */
        "a1ff00",
        "a19f00",         /* nor is the key */
        "a1079f01ff",     /* nor of a definite length */
        "a1075f4100ff",   /* likewise */
        "a107bf0000ff",   /* likewise */
        "a107811817",     /* nor in the shortest form */
        "a1079affffffff", /* more items than there are bytes */
        "a107bb8000000000000000",
    };
    struct fixture f;
    struct sent sent;
    uint8_t plaintext[64];
    uint8_t reply[PEER_REPLY_MAX];
    size_t len;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        len = from_hex(plaintext, sizeof(plaintext), bodies[i]);
        len = peer_reply_raw(&f.peer, 0, plaintext, len, reply);
        if (open_exact(&f, reply, len) != BULLA_E_MALFORMED)
            fail_msg("taken: %s", bodies[i]);
    }
    assert_int_equal(fate(&f, &sent), BULLA_WAITING);
}

/* "Unknown keys are skipped", and keys 4 and 5 as yet. */
static void test_unknown_keys(void **state)
{
    static const struct {
        unsigned entries;
        const char *hex;
    } extras[] = {
        {1, "04 83 01 00 4100"},                       /* a command */
        {1, "05 50 0b21dee677bc263c032ca2e7a42bc74f"}, /* a rekey nonce */
        {2, "04 83 01 00 4100 05 50 0b21dee677bc263c032ca2e7a42bc74f"},
        {1, "06 f6"},
        {1, "1863 a2 6161 8201a1028440 60f620 6162a0"},
        {1, "1bffffffffffffffff f4"},
        {1, "20 00"},   /* a negative key */
        {1, "6161 00"}, /* a text key */
        {1, "4161 fb3ff199999999999a"},
        {1, "18ff 83 01 c1 c2 4100 a1 f97e00 f820"},
        {1, "07 c1 1a514b67b0"},                 /* a tag */
        {1, "07 8181818181818181818181a1 8000"}, /* levels */
    };
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    for (size_t i = 0; i < COUNT(extras); i++) {
        uint64_t piv = fixture_seal(&f, &sent);
        struct peer_body body = body_receipt(&f, piv, 0);

        body.extra = extras[i].hex;
        body.extra_entries = extras[i].entries;
        assert_int_equal(fixture_answer(&f, piv, body, &reply), 0);
        assert_true(reply.has_receipt && reply.has_time && !reply.challenged);
        assert_int_equal(fate(&f, &sent), BULLA_STORED);
        assert_true(f.bulla.last_command == 0);
    }
}

/* An empty map: every reply carries key 2, but nothing depends on it. */
static void test_an_empty_body(void **state)
{
    struct fixture f;
    struct sent sent;
    struct bulla_reply reply;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    memset(&reply, 0xff, sizeof(reply));
    assert_int_equal(fixture_answer(&f, 0, (struct peer_body){0}, &reply), 0);
    assert_true(reply.re == 0 && !reply.has_receipt && !reply.has_time && !reply.challenged);
    assert_true(reply.top == 0 && reply.bits == 0 && reply.time == 0);
    assert_int_equal(fate(&f, &sent), BULLA_SEAL_AGAIN);
}

/* ---- gateways ---- */

/* "A key for a gateway id is cached only after it has opened something." */
static void test_gateway_key_is_cached_once_it_has_opened(void **state)
{
    struct fixture f;
    struct sent sent;
    struct peer_body body;
    uint8_t reply[PEER_REPLY_MAX];
    size_t len;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    body = body_receipt(&f, 0, 0);
    assert_int_equal(f.bulla.flags & BULLA_F_GATEWAY_KEY, 0);
    len = peer_reply(&f.peer, 0, &body, reply);
    reply[len - 1] ^= 1;
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    assert_int_equal(f.bulla.flags & BULLA_F_GATEWAY_KEY, 0);
    reply[len - 1] ^= 1;
    assert_int_equal(open_exact(&f, reply, len), 0);
    assert_int_equal(f.bulla.flags & BULLA_F_GATEWAY_KEY, BULLA_F_GATEWAY_KEY);
    assert_memory_equal(f.bulla.gateway_id, f.peer.id, sizeof(f.peer.id));
    memset(f.peer.id, 9, sizeof(f.peer.id)); /* a forged reply of another id does not drive it out */
    len = peer_reply(&f.peer, 0, &body, reply);
    reply[len - 1] ^= 1;
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_FORGED);
    assert_int_equal(f.bulla.gateway_id[0], 1);
}

/* The cached key is used: no derivation for a second reply of the same gateway. */
static void test_gateway_key_is_used(void **state)
{
    struct fixture f;
    struct sent sent;
    struct peer_body body;
    uint8_t reply[PEER_REPLY_MAX];
    size_t len;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    body = body_receipt(&f, 0, 0);
    assert_int_equal(fixture_answer(&f, 0, body, NULL), 0);
    len = peer_reply(&f.peer, 0, &body, reply);
    recorder_fail_hkdf(1);
    assert_int_equal(open_exact(&f, reply, len), 0);
    recorder_fail_hkdf(0);
    f.peer.id[5] ^= 1;
    len = peer_reply(&f.peer, 0, &body, reply);
    recorder_fail_hkdf(1);
    assert_int_equal(open_exact(&f, reply, len), BULLA_E_CRYPTO);
}

static void test_many_gateways(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    for (int kind = BULLA_SESSION; kind <= BULLA_COUNTER; kind++) {
        fixture_open(&f, (enum bulla_kind)kind);
        for (uint64_t piv = 0; piv < 60; piv++) {
            fixture_seal(&f, &sent);
            memset(f.peer.id, (int)(piv * piv % 7), sizeof(f.peer.id));
            assert_int_equal(fixture_answer(&f, piv, body_receipt(&f, piv, 0), NULL), 0);
            assert_int_equal(fate(&f, &sent), BULLA_STORED);
        }
    }
}

/* The key of a gateway belongs to one session. */
static void test_gateway_key_of_another_session(void **state)
{
    struct fixture f;
    struct sent sent;

    (void)state;
    fixture_open(&f, BULLA_SESSION);
    fixture_seal(&f, &sent);
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    assert_int_equal(bulla_session_begin(&f.bulla), 0);
    memcpy(f.peer.id_context, f.bulla.id_context, BULLA_ID_CONTEXT_SIZE);
    fixture_seal(&f, &sent);
    assert_true(sent_has_kid_context(&sent));
    assert_int_equal(fixture_answer(&f, 0, body_receipt(&f, 0, 0), NULL), 0);
    assert_int_equal(fate(&f, &sent), BULLA_STORED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bit_of_a_reply),
        cmocka_unit_test(test_replies_of_others),
        cmocka_unit_test(test_bodies_that_are_refused),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_an_empty_body),
        cmocka_unit_test(test_gateway_key_is_cached_once_it_has_opened),
        cmocka_unit_test(test_gateway_key_is_used),
        cmocka_unit_test(test_many_gateways),
        cmocka_unit_test(test_gateway_key_of_another_session),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
