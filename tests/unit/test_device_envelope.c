/*
 * The envelope (PROTOCOL 3) at its limits; what it takes and refuses otherwise is in the vectors.
 */
#include <stdlib.h>
#include <string.h>

#include "device/envelope.h"

#include "provider.h"
#include "recorder.h"
#include "support.h"

static const uint8_t key[BULLA_KEY_MAX];
static const uint8_t common_iv[BULLA_NONCE_MAX];
static uint8_t buffer[BULLA_HEADROOM + BULLA_MESSAGE_MAX + BULLA_TAG_MAX];

/* Seals `len` zero bytes. Returns the header's length or the error. */
static int seal(const struct bulla_envelope *envelope, size_t len)
{
    memset(buffer, 0, sizeof(buffer));
    recorder_reset();
    return bulla_envelope_seal(envelope, provider_state(), key, common_iv, buffer + BULLA_HEADROOM, len);
}

static const uint8_t id[BULLA_GATEWAY_ID_SIZE] = {1, 2, 3, 4, 5, 6};
static const uint8_t id_context[BULLA_ID_CONTEXT_SIZE] = {8, 7, 6, 5, 4, 3, 2, 1};
static const uint8_t echo[BULLA_CHALLENGE_SIZE] = {1, 1, 2, 3, 5, 8, 13, 21};

static struct bulla_envelope longest(void)
{
    struct bulla_envelope envelope;

    memset(&envelope, 0, sizeof(envelope));
    envelope.id = id;
    envelope.id_len = BULLA_KID_MAX;
    envelope.id_context = id_context;
    envelope.echo = echo;
    envelope.piv = BULLA_PIV_MAX;
    envelope.has_re = 1;
    envelope.re = UINT64_MAX;
    envelope.alg = BULLA_AES_CCM_16_128_128;
    envelope.content_format = UINT16_MAX;
    return envelope;
}

static void test_headroom_is_the_longest_header(void **state)
{
    struct bulla_envelope envelope = longest();

    (void)state;
    assert_int_equal(seal(&envelope, 300), BULLA_HEADROOM);
}

static void test_longest_message(void **state)
{
    struct bulla_envelope envelope = longest();
    size_t len = BULLA_MESSAGE_MAX - BULLA_HEADROOM - 16;

    (void)state;
    assert_int_equal(seal(&envelope, len), BULLA_HEADROOM);
    assert_int_equal(bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, buffer, BULLA_MESSAGE_MAX), 0);
    envelope = longest();
    assert_int_equal(seal(&envelope, len + 1), BULLA_E_SPACE);
    assert_int_equal(recorder_count(), 0);
}

/* Fields at random, both directions: sealed, parsed and written again, everything is as it was. */
static struct bulla_envelope draw(uint64_t *random, enum bulla_direction direction)
{
    static const int32_t algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305,
                                   BULLA_AES_CCM_16_128_128};
    struct bulla_envelope envelope;

    memset(&envelope, 0, sizeof(envelope));
    do {
        envelope.alg = algs[test_below(random, COUNT(algs))];
    } while (!provider_offers(envelope.alg));
    envelope.id = id;
    envelope.piv = test_random(random) & BULLA_PIV_MAX >> test_below(random, 41);
    envelope.re = test_random(random) >> test_below(random, 64);
    if (direction == BULLA_TO_DEVICE) {
        envelope.id_len = BULLA_GATEWAY_ID_SIZE;
        envelope.content_format = BULLA_FORMAT_CBOR;
        envelope.has_re = 1;
        return envelope;
    }
    envelope.id_len = 1 + (size_t)test_below(random, BULLA_KID_MAX);
    envelope.content_format = (uint16_t)(test_random(random) >> test_below(random, 64));
    envelope.has_re = (uint8_t)test_below(random, 2);
    envelope.re = envelope.has_re ? envelope.re : 0;
    envelope.echo = test_below(random, 2) ? echo : NULL;
    envelope.id_context = test_below(random, 2) ? id_context : NULL;
    return envelope;
}

static void assert_same(const struct bulla_envelope *a, const struct bulla_envelope *b)
{
    assert_int_equal(a->alg, b->alg);
    assert_int_equal(a->content_format, b->content_format);
    assert_true(a->piv == b->piv && a->re == b->re && a->has_re == b->has_re);
    assert_int_equal(a->id_len, b->id_len);
    assert_memory_equal(a->id, b->id, a->id_len);
    assert_int_equal(a->echo != NULL, b->echo != NULL);
    if (a->echo != NULL)
        assert_memory_equal(a->echo, b->echo, BULLA_CHALLENGE_SIZE);
    assert_int_equal(a->id_context != NULL, b->id_context != NULL);
    if (a->id_context != NULL)
        assert_memory_equal(a->id_context, b->id_context, BULLA_ID_CONTEXT_SIZE);
}

static void test_round_trips(void **state)
{
    static uint8_t again[BULLA_HEADROOM + 600];
    uint64_t random = 7;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        enum bulla_direction direction = test_below(&random, 2) ? BULLA_TO_GATEWAY : BULLA_TO_DEVICE;
        struct bulla_envelope envelope = draw(&random, direction);
        struct bulla_envelope parsed;
        size_t len = (size_t)test_below(&random, 300);
        int header_len = seal(&envelope, len);
        uint8_t *message = buffer + BULLA_HEADROOM - header_len;
        size_t size = (size_t)header_len + len + bulla_tag_size(envelope.alg);

        assert_true(header_len > 0);
        assert_int_equal(bulla_envelope_parse(&parsed, direction, message, size), 0);
        assert_same(&parsed, &envelope);
        assert_int_equal(bulla_envelope_header(&parsed, again + BULLA_HEADROOM, parsed.ciphertext_len),
                         header_len);
        assert_memory_equal(again + BULLA_HEADROOM - header_len, message, (size_t)header_len);
        assert_int_equal(bulla_envelope_open(&parsed, provider_state(), key, common_iv), 0);
        for (size_t at = 0; at < len; at++)
            assert_int_equal(parsed.ciphertext[at], 0);
    }
}

/* PROTOCOL 3: another alg is forged, not malformed; also a long one beside the longest "re" and an "echo". */
static void test_every_alg_is_well_formed(void **state)
{
    static const struct {
        const char *hex;
        int32_t alg;
    } algs[] = {{"00", 0},
                {"20", 0},
                {"18ff", 255},
                {"19ffff", 65535},
                {"1a7fffffff", INT32_MAX},
                {"1a80000000", 0},
                {"1bffffffffffffffff", 0},
                {"3bffffffffffffffff", 0},
                {"3a7fffffff", 0},
                {"1b000000010000000a", 0}};
    uint8_t message[128];

    (void)state;
    for (size_t i = 0; i < COUNT(algs); i++) {
        struct bulla_envelope envelope;
        size_t alg_len = strlen(algs[i].hex) / 2;
        size_t len = from_hex(message, sizeof(message), "d0 83 58 00 a4 01");

        message[3] = (uint8_t)(2 + alg_len + 4 + 12 + 14);
        len += from_hex(message + len, sizeof(message) - len, algs[i].hex);
        len += from_hex(message + len, sizeof(message) - len,
                        "03 19ffff 627265 1bffffffffffffffff 646563686f 48 0101020305080d15"
                        "a2 04 43 0a1b2c 06 41 05 48 0000000000000000");
        assert_int_equal(bulla_envelope_parse(&envelope, BULLA_TO_GATEWAY, message, len), 0);
        assert_int_equal(envelope.alg, algs[i].alg);
        assert_true(envelope.re == UINT64_MAX && envelope.echo != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headroom_is_the_longest_header),
        cmocka_unit_test(test_longest_message),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_every_alg_is_well_formed),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
