/*
 * C2SP Wycheproof's vectors (testvectors_v1), as far as the algorithms are ours: AES-128-CCM with nonces of
 * 13 bytes and tags of 8 or 16, ChaCha20-Poly1305 with nonces of 12, HKDF-SHA-256. The files are not part of
 * the project: where they are not, the tests are skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "device/keys.h"

#include "provider.h"
#include "recorder.h"
#include "vector_file.h"

#define TEXT_MAX 8192

static const char *directory(void)
{
    const char *given = getenv("BULLA_SHARED_VECTORS");

    return given != NULL ? given : BULLA_SHARED_VECTORS;
}

static json_t *load_or_skip(const char *file)
{
    char name[64];
    json_t *root;

    snprintf(name, sizeof(name), "wycheproof/%s", file);
    root = vector_file_load(directory(), name);
    if (root == NULL) {
        print_message("SKIPPED: there is no %s in the directory of shared vectors\n", name);
        skip();
    }
    return root;
}

static void check_aead(int alg, json_t *one)
{
    uint8_t key[BULLA_KEY_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    static uint8_t aad[TEXT_MAX];
    static uint8_t plaintext[TEXT_MAX];
    static uint8_t text[TEXT_MAX];
    static uint8_t expected[TEXT_MAX];
    size_t aad_len = vector_bytes(one, "aad", aad, sizeof(aad));
    size_t len = vector_bytes(one, "msg", plaintext, sizeof(plaintext));
    size_t sealed_len = vector_bytes(one, "ct", expected, sizeof(expected));
    int valid = strcmp(vector_text(one, "result"), "valid") == 0;

    sealed_len += vector_bytes(one, "tag", expected + sealed_len, sizeof(expected) - sealed_len);
    assert_int_equal(vector_bytes(one, "key", key, sizeof(key)), bulla_key_size(alg));
    assert_int_equal(vector_bytes(one, "iv", nonce, sizeof(nonce)), bulla_nonce_size(alg));
    memcpy(text, expected, sealed_len);
    assert_int_equal(bulla_aead_open(provider_state(), alg, key, nonce, aad, aad_len, text, sealed_len),
                     valid ? 0 : BULLA_E_FORGED);
    if (!valid)
        return;
    assert_memory_equal(text, plaintext, len);
    recorder_reset();
    assert_int_equal(bulla_aead_seal(provider_state(), alg, key, nonce, aad, aad_len, text, len), 0);
    assert_memory_equal(text, expected, sealed_len);
}

/* Returns how many cases there were for an algorithm. */
static size_t check_aeads(json_t *root, int alg)
{
    json_t *group;
    json_t *one;
    size_t checked = 0;
    size_t g;
    size_t i;

    json_array_foreach(vector_member(root, "testGroups"), g, group)
    {
        if (vector_u64(group, "keySize") != 8u * bulla_key_size(alg) ||
            vector_u64(group, "ivSize") != 8u * bulla_nonce_size(alg) ||
            vector_u64(group, "tagSize") != 8u * bulla_tag_size(alg))
            continue;
        json_array_foreach(vector_member(group, "tests"), i, one)
        {
            check_aead(alg, one);
            checked++;
        }
    }
    return checked;
}

static void test_ccm(void **state)
{
    json_t *root = load_or_skip("aes_ccm_test.json");

    (void)state;
    assert_true(check_aeads(root, BULLA_AES_CCM_16_128_128) > 0);
    check_aeads(root, BULLA_AES_CCM_16_64_128); /* the file has had none: RFC 3610 covers these */
    json_decref(root);
}

static void test_chacha(void **state)
{
    json_t *root;

    (void)state;
    if (!provider_offers(BULLA_CHACHA20_POLY1305))
        skip();
    root = load_or_skip("chacha20_poly1305_test.json");
    assert_true(check_aeads(root, BULLA_CHACHA20_POLY1305) > 200);
    json_decref(root);
}

static void check_hkdf(json_t *one)
{
    uint8_t salt[256];
    uint8_t ikm[256];
    uint8_t info[256];
    static uint8_t okm[TEXT_MAX];
    size_t salt_len = vector_bytes(one, "salt", salt, sizeof(salt));
    size_t ikm_len = vector_bytes(one, "ikm", ikm, sizeof(ikm));
    size_t info_len = vector_bytes(one, "info", info, sizeof(info));
    size_t okm_len = (size_t)vector_u64(one, "size");

    assert_int_equal(
        bulla_hkdf_sha256(provider_state(), salt, salt_len, ikm, ikm_len, info, info_len, okm, okm_len),
        provider_hkdf(salt_len, okm_len));
    if (provider_hkdf(salt_len, okm_len) == 0)
        assert_hex(okm, okm_len, vector_text(one, "okm"));
}

static void test_hkdf(void **state)
{
    json_t *root = load_or_skip("hkdf_sha256_test.json");
    json_t *group;
    json_t *one;
    size_t checked = 0;
    size_t g;
    size_t i;

    (void)state;
    json_array_foreach(vector_member(root, "testGroups"), g, group)
    {
        json_array_foreach(vector_member(group, "tests"), i, one)
        {
            if (strcmp(vector_text(one, "result"), "valid") != 0)
                continue; /* more than 255 blocks: not allowed by the contract */
            check_hkdf(one);
            checked++;
        }
    }
    assert_true(checked > 50);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ccm),
        cmocka_unit_test(test_chacha),
        cmocka_unit_test(test_hkdf),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
