/*
 * `tiny` against OpenSSL: cases at random, of every length of text and additional data that the protocol has,
 * sealed by one and opened by the other, and damaged. And SHA-256 by way of HKDF.
 */
#include <string.h>

#include "device/keys.h"

#include "provider.h"
#include "support.h"

#define CASES    1000000
#define TEXT_MAX 80
#define AAD_MAX  60

int tiny_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
              const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way);

struct sample {
    uint8_t key[16];
    uint8_t nonce[13];
    uint8_t aad[AAD_MAX];
    uint8_t plaintext[TEXT_MAX];
};

static void check(const struct sample *sample, int alg, size_t aad_len, size_t len, unsigned damage)
{
    uint8_t ours[TEXT_MAX + BULLA_TAG_MAX];
    uint8_t theirs[TEXT_MAX + BULLA_TAG_MAX];
    size_t sealed_len = len + bulla_tag_size(alg);

    memcpy(ours, sample->plaintext, len);
    memcpy(theirs, sample->plaintext, len);
    assert_int_equal(
        tiny_aead(NULL, alg, sample->key, sample->nonce, sample->aad, aad_len, ours, len, BULLA_SEAL), 0);
    assert_int_equal(
        bulla_aead_seal(provider_state(), alg, sample->key, sample->nonce, sample->aad, aad_len, theirs, len),
        0);
    assert_memory_equal(ours, theirs, sealed_len);
    theirs[damage / 8 % sealed_len] ^= (uint8_t)(1u << damage % 8);
    assert_int_equal(tiny_aead(NULL, alg, sample->key, sample->nonce, sample->aad, aad_len, theirs,
                               sealed_len, BULLA_OPEN),
                     BULLA_E_FORGED);
    assert_int_equal(
        tiny_aead(NULL, alg, sample->key, sample->nonce, sample->aad, aad_len, ours, sealed_len, BULLA_OPEN),
        0);
    assert_memory_equal(ours, sample->plaintext, len);
}

static void test_cases_at_random(void **state)
{
    uint64_t random = 1;
    struct sample sample;

    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        uint64_t draw = test_random(&random);

        test_fill(&random, (uint8_t *)&sample, sizeof(sample));
        check(&sample, draw & 1 ? BULLA_AES_CCM_16_64_128 : BULLA_AES_CCM_16_128_128,
              (size_t)(draw >> 1) % (AAD_MAX + 1), (size_t)(draw >> 9) % (TEXT_MAX + 1),
              (unsigned)(draw >> 32));
    }
}

/* The lengths where CCM's own encoding of them changes, and what it cannot tell. */
static void test_long(void **state)
{
    static const size_t lengths[] = {255, 256, 257, 4096, 65535};
    static uint8_t ours[65536 + BULLA_TAG_MAX];
    static uint8_t theirs[65536 + BULLA_TAG_MAX];
    static uint8_t aad[0xff00];
    uint64_t random = 2;
    uint8_t key[16];
    uint8_t nonce[13];

    (void)state;
    test_fill(&random, key, sizeof(key));
    test_fill(&random, nonce, sizeof(nonce));
    test_fill(&random, aad, sizeof(aad));
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t aad_len = lengths[i] < sizeof(aad) ? lengths[i] : sizeof(aad) - 1;

        test_fill(&random, ours, lengths[i]);
        memcpy(theirs, ours, lengths[i]);
        assert_int_equal(tiny_aead(NULL, 30, key, nonce, aad, aad_len, ours, lengths[i], BULLA_SEAL), 0);
        assert_int_equal(bulla_aead_seal(provider_state(), 30, key, nonce, aad, aad_len, theirs, lengths[i]),
                         0);
        assert_memory_equal(ours, theirs, lengths[i] + 16);
    }
    assert_int_equal(tiny_aead(NULL, 30, key, nonce, aad, sizeof(aad), ours, 1, BULLA_SEAL),
                     BULLA_E_ARGUMENT);
    assert_int_equal(tiny_aead(NULL, 30, key, nonce, aad, 1, ours, 65536, BULLA_SEAL), BULLA_E_ARGUMENT);
    assert_int_equal(tiny_aead(NULL, 30, key, nonce, aad, 1, ours, 15, BULLA_OPEN), BULLA_E_FORGED);
    assert_int_equal(tiny_aead(NULL, 24, key, nonce, aad, 1, ours, 1, BULLA_SEAL), BULLA_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_at_random),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
