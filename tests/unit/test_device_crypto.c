/*
 * The contract with a provider (device/crypto.h): lengths, tags, kept state and none.
 */
#include <string.h>

#include "device/keys.h"

#include "provider.h"
#include "recorder.h"
#include "support.h"

#define LENGTHS 301 /* 0 to 300 */

static const int algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305, BULLA_AES_CCM_16_128_128};

/* One of them that the provider has. */
static int draw(uint64_t *random)
{
    int alg;

    do {
        alg = algs[test_below(random, COUNT(algs))];
    } while (!provider_offers(alg));
    return alg;
}

struct sealed {
    uint8_t key[BULLA_KEY_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t aad[64];
    size_t aad_len;
    uint8_t plaintext[LENGTHS];
    size_t len;
    uint8_t text[LENGTHS + BULLA_TAG_MAX + 1];
    size_t text_len;
    int alg;
};

static void seal(struct sealed *sealed, struct bulla_crypto *crypto, int alg, uint64_t seed, size_t len)
{
    memset(sealed, 0xa5, sizeof(*sealed));
    sealed->alg = alg;
    sealed->len = len;
    sealed->text_len = len + bulla_tag_size(alg);
    sealed->aad_len = (size_t)test_below(&seed, sizeof(sealed->aad) + 1);
    test_fill(&seed, sealed->key, sizeof(sealed->key));
    test_fill(&seed, sealed->nonce, sizeof(sealed->nonce));
    test_fill(&seed, sealed->aad, sealed->aad_len);
    test_fill(&seed, sealed->plaintext, len);
    memcpy(sealed->text, sealed->plaintext, len);
    recorder_reset();
    assert_int_equal(bulla_aead_seal(crypto, alg, sealed->key, sealed->nonce, sealed->aad, sealed->aad_len,
                                     sealed->text, len),
                     0);
    assert_int_equal(sealed->text[sealed->text_len], 0xa5); /* nothing behind the tag */
}

static int open_copy(const struct sealed *sealed, struct bulla_crypto *crypto, uint8_t *text)
{
    memcpy(text, sealed->text, sealed->text_len);
    return bulla_aead_open(crypto, sealed->alg, sealed->key, sealed->nonce, sealed->aad, sealed->aad_len,
                           text, sealed->text_len);
}

static void test_every_length(void **state)
{
    struct sealed with_state;
    struct sealed without;
    uint8_t text[LENGTHS + BULLA_TAG_MAX];

    (void)state;
    for (size_t len = 0; len < LENGTHS; len++) {
        for (size_t a = 0; a < COUNT(algs); a++) {
            if (!provider_offers(algs[a]))
                continue;
            seal(&with_state, provider_state(), algs[a], len, len);
            seal(&without, NULL, algs[a], len, len);
            assert_memory_equal(with_state.text, without.text, with_state.text_len);
            assert_int_equal(open_copy(&with_state, provider_state(), text), 0);
            assert_memory_equal(text, with_state.plaintext, len);
            assert_int_equal(open_copy(&with_state, NULL, text), 0);
            assert_memory_equal(text, with_state.plaintext, len);
        }
    }
}

/* A bit of anything that goes in; kept state is none the worse for the failures in between. */
static void test_every_bit(void **state)
{
    struct sealed sealed;
    struct sealed changed;
    uint8_t text[LENGTHS + BULLA_TAG_MAX];

    (void)state;
    for (size_t a = 0; a < COUNT(algs); a++) {
        if (!provider_offers(algs[a]))
            continue;
        for (size_t len = 0; len < 40; len += 13) {
            seal(&sealed, provider_state(), algs[a], 99 + len, len);
            for (size_t bit = 0; bit < 8 * sealed.text_len; bit++) {
                changed = sealed;
                changed.text[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(open_copy(&changed, provider_state(), text), BULLA_E_FORGED);
            }
            for (size_t bit = 0; bit < 8u * bulla_key_size(algs[a]); bit += 5) {
                changed = sealed;
                changed.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(open_copy(&changed, provider_state(), text), BULLA_E_FORGED);
            }
            for (size_t bit = 0; bit < 8u * bulla_nonce_size(algs[a]); bit++) {
                changed = sealed;
                changed.nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(open_copy(&changed, provider_state(), text), BULLA_E_FORGED);
            }
            for (size_t bit = 0; bit < 8 * sealed.aad_len; bit += 3) {
                changed = sealed;
                changed.aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(open_copy(&changed, provider_state(), text), BULLA_E_FORGED);
            }
            assert_int_equal(open_copy(&sealed, provider_state(), text), 0);
            assert_memory_equal(text, sealed.plaintext, len);
        }
    }
}

static void test_other_lengths_than_sealed(void **state)
{
    struct sealed sealed;
    uint8_t text[LENGTHS + BULLA_TAG_MAX];
    size_t whole;

    (void)state;
    for (size_t a = 0; a < COUNT(algs); a++) {
        if (!provider_offers(algs[a]))
            continue;
        seal(&sealed, provider_state(), algs[a], 7, 20);
        whole = sealed.text_len;
        for (sealed.text_len = 0; sealed.text_len <= whole + 1; sealed.text_len++)
            assert_int_equal(open_copy(&sealed, provider_state(), text),
                             sealed.text_len == whole ? 0 : BULLA_E_FORGED);
        sealed.text_len = whole;
        sealed.aad_len--;
        assert_int_equal(open_copy(&sealed, provider_state(), text), BULLA_E_FORGED);
    }
}

/* One algorithm after another on the same kept state, failures between them. */
static void test_algorithms_mixed(void **state)
{
    struct sealed sealed;
    uint8_t text[LENGTHS + BULLA_TAG_MAX];
    uint8_t okm[32] = {0};
    uint8_t expected[32];
    uint64_t random = 5;

    (void)state;
    assert_int_equal(bulla_hkdf_sha256(NULL, NULL, 0, okm, 0, NULL, 0, expected, sizeof(expected)), 0);
    for (unsigned i = 0; i < 300; i++) {
        seal(&sealed, provider_state(), draw(&random), i, (size_t)test_below(&random, 50));
        if (test_below(&random, 2) == 0)
            sealed.text[test_below(&random, sealed.text_len)] ^= 1;
        assert_int_equal(open_copy(&sealed, provider_state(), text), open_copy(&sealed, NULL, text));
        assert_int_equal(
            bulla_hkdf_sha256(provider_state(), sealed.aad, sealed.aad_len, sealed.key, 32, NULL, 0, okm, 32),
            provider_hkdf(sealed.aad_len, 32));
        assert_int_equal(bulla_hkdf_sha256(provider_state(), NULL, 0, okm, 0, NULL, 0, okm, 32), 0);
        assert_memory_equal(okm, expected, 32);
    }
}

static void test_unknown_algorithms(void **state)
{
    static const int unknown[] = {0, 1, 11, 12, 31, -10, 255, 266};
    uint8_t key[BULLA_KEY_MAX] = {0};
    uint8_t nonce[BULLA_NONCE_MAX] = {0};
    uint8_t text[64] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_int_equal(bulla_key_size(unknown[i]), 0);
        recorder_reset();
        assert_int_equal(bulla_aead_seal(provider_state(), unknown[i], key, nonce, NULL, 0, text, 8),
                         BULLA_E_ARGUMENT);
        assert_int_equal(bulla_aead_open(provider_state(), unknown[i], key, nonce, NULL, 0, text, 32),
                         BULLA_E_ARGUMENT);
    }
}

static void test_equal_and_wipe(void **state)
{
    uint8_t a[33];
    uint8_t b[33];

    (void)state;
    memset(a, 7, sizeof(a));
    memcpy(b, a, sizeof(b));
    assert_int_equal(bulla_equal(a, b, sizeof(a)), 1);
    assert_int_equal(bulla_equal(a, b, 0), 1);
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(bulla_equal(a, b, sizeof(a)), 0);
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    bulla_wipe(a + 1, sizeof(a) - 2);
    assert_int_equal(a[0], 7);
    assert_int_equal(a[32], 7);
    for (size_t i = 1; i < 32; i++)
        assert_int_equal(a[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_other_lengths_than_sealed),
        cmocka_unit_test(test_algorithms_mixed),
        cmocka_unit_test(test_unknown_algorithms),
        cmocka_unit_test(test_equal_and_wipe),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
