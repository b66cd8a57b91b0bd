/*
 * OpenSSL and each other provider make the same bytes, and open each other's. (The other one is compiled
 * under other names here.)
 */
#include <string.h>

#include "device/keys.h"

#include "provider.h"
#include "support.h"

#define LENGTHS 301 /* 0 to 300 */

int second_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way);
int second_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                       size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len);

static void test_aeads(void **state)
{
    static const int algs[] = {BULLA_AES_CCM_16_64_128, BULLA_CHACHA20_POLY1305, BULLA_AES_CCM_16_128_128};
    uint64_t random = 1;
    uint8_t key[BULLA_KEY_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t aad[64];
    uint8_t plaintext[LENGTHS];
    uint8_t first[LENGTHS + BULLA_TAG_MAX];
    uint8_t second[LENGTHS + BULLA_TAG_MAX];

    (void)state;
    for (size_t i = 0; i < LENGTHS * COUNT(algs); i++) {
        int alg = algs[i % COUNT(algs)];
        size_t len = i / COUNT(algs);
        size_t sealed_len = len + bulla_tag_size(alg);
        size_t aad_len = (size_t)test_below(&random, sizeof(aad) + 1);

        test_fill(&random, key, sizeof(key));
        test_fill(&random, nonce, sizeof(nonce));
        test_fill(&random, aad, aad_len);
        test_fill(&random, plaintext, len);
        memcpy(first, plaintext, len);
        memcpy(second, plaintext, len);
        assert_int_equal(bulla_aead_seal(provider_state(), alg, key, nonce, aad, aad_len, first, len), 0);
        assert_int_equal(second_aead(NULL, alg, key, nonce, aad, aad_len, second, len, BULLA_SEAL), 0);
        assert_memory_equal(first, second, sealed_len);
        assert_int_equal(bulla_aead_open(provider_state(), alg, key, nonce, aad, aad_len, second, sealed_len),
                         0);
        assert_int_equal(second_aead(NULL, alg, key, nonce, aad, aad_len, first, sealed_len, BULLA_OPEN), 0);
        assert_memory_equal(first, plaintext, len);
        assert_memory_equal(second, plaintext, len);
    }
}

static void test_hkdf(void **state)
{
    uint64_t random = 2;
    uint8_t salt[100];
    uint8_t ikm[100];
    uint8_t info[100];
    uint8_t first[300];
    uint8_t second[300];

    (void)state;
    for (size_t len = 1; len <= sizeof(first); len++) {
        size_t salt_len = (size_t)test_below(&random, sizeof(salt) + 1);
        size_t ikm_len = (size_t)test_below(&random, sizeof(ikm) + 1);
        size_t info_len = (size_t)test_below(&random, sizeof(info) + 1);

        test_fill(&random, salt, salt_len);
        test_fill(&random, ikm, ikm_len);
        test_fill(&random, info, info_len);
        assert_int_equal(
            bulla_hkdf_sha256(provider_state(), salt, salt_len, ikm, ikm_len, info, info_len, first, len), 0);
        assert_int_equal(second_hkdf_sha256(NULL, salt, salt_len, ikm, ikm_len, info, info_len, second, len),
                         0);
        assert_memory_equal(first, second, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aeads),
        cmocka_unit_test(test_hkdf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
