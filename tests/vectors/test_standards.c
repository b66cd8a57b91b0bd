/*
 * The standards' own figures: RFC 3610 section 8, RFC 5869 appendix A, RFC 8439 section 2.8.2, RFC 8613
 * appendix C.1 to C.6. (RFC 8949 appendix A is in test_cbor.c.)
 */
#include <string.h>

#include "device/cbor.h"
#include "device/keys.h"

#include "provider.h"
#include "recorder.h"
#include "support.h"

/* ---- AEADs ---- */

struct aead_vector {
    const char *name;
    int alg;
    const char *key;
    const char *nonce;
    const char *aad;
    const char *plaintext;
    const char *ciphertext; /* and tag */
};

#define RFC3610_KEY_A "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define RFC3610_KEY_B "d7828d13b2b0bdc325a76236df93cc6b"

/* Nonces of 13 bytes throughout: packet vectors 1 to 6 and 13 to 18 have tags of 8 bytes (the others have
 * 10). */
static const struct aead_vector aead_vectors[] = {
    {"RFC 3610 packet vector 1", 10, RFC3610_KEY_A, "00000003020100a0a1a2a3a4a5", "0001020304050607",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
     "588c979a61c663d2f066d0c2c0f989806d5f6b61dac384 17e8d12cfdf926e0"},
    {"RFC 3610 packet vector 2", 10, RFC3610_KEY_A, "00000004030201a0a1a2a3a4a5", "0001020304050607",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3b a091d56e10400916"},
    {"RFC 3610 packet vector 3", 10, RFC3610_KEY_A, "00000005040302a0a1a2a3a4a5", "0001020304050607",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
     "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da859657 4adaa76fbd9fb0c5"},
    {"RFC 3610 packet vector 4", 10, RFC3610_KEY_A, "00000006050403a0a1a2a3a4a5", "000102030405060708090a0b",
     "0c0d0e0f101112131415161718191a1b1c1d1e", "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c 96c861b9c9e61ef1"},
    {"RFC 3610 packet vector 5", 10, RFC3610_KEY_A, "00000007060504a0a1a2a3a4a5", "000102030405060708090a0b",
     "0c0d0e0f101112131415161718191a1b1c1d1e1f", "dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e 51e83f077d9c2d93"},
    {"RFC 3610 packet vector 6", 10, RFC3610_KEY_A, "00000008070605a0a1a2a3a4a5", "000102030405060708090a0b",
     "0c0d0e0f101112131415161718191a1b1c1d1e1f20",
     "6fc1b011f006568b5171a42d953d469b2570a4bd87 405a0443ac91cb94"},
    {"RFC 3610 packet vector 13", 10, RFC3610_KEY_B, "00412b4ea9cdbe3c9696766cfa", "0be1a88bace018b1",
     "08e8cf97d820ea258460e96ad9cf5289054d895ceac47c",
     "4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8 e78cf7cb0cddd7b3"},
    {"RFC 3610 packet vector 14", 10, RFC3610_KEY_B, "0033568ef7b2633c9696766cfa", "63018f76dc8a1bcb",
     "9020ea6f91bdd85afa0039ba4baff9bfb79c7028949cd0ec",
     "4ccb1e7ca981befaa0726c55d378061298c85c92814abc33 c52ee81d7d77c08a"},
    {"RFC 3610 packet vector 15", 10, RFC3610_KEY_B, "00103fe41336713c9696766cfa", "aa6cfa36cae86b40",
     "b916e0eacc1c00d7dcec68ec0b3bbb1a02de8a2d1aa346132e",
     "b1d23a2220ddc0ac900d9aa03c61fcf4a559a4417767089708 a776796edb723506"},
    {"RFC 3610 packet vector 16", 10, RFC3610_KEY_B, "00764c63b8058e3c9696766cfa", "d0d0735c531e1becf049c244",
     "12daac5630efa5396f770ce1a66b21f7b2101c", "14d253c3967b70609b7cbb7c499160283245269a6f49975bcadeaf"},
    {"RFC 3610 packet vector 17", 10, RFC3610_KEY_B, "00f8b678094e3b3c9696766cfa", "77b60f011c03e1525899bcae",
     "e88b6a46c78d63e52eb8c546efb5de6f75e9cc0d", "5545ff1a085ee2efbf52b2e04bee1e2336c73e3f 762c0c7744fe7e3c"},
    {"RFC 3610 packet vector 18", 10, RFC3610_KEY_B, "00d560912d3f703c9696766cfa", "cd9044d2b71fdb8120ea60c0",
     "6435acbafb11a82e2f071d7ca4a5ebd93a803ba87f",
     "009769ecabdf48625594c59251e6035722675e04c8 47099e5ae0704551"},
    {"RFC 8439 section 2.8.2", 24, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c6"
     "4206f"
     "6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756"
     "c6420"
     "62652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0"
     "a9e06"
     "0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de57"
     "6d265"
     "86cec64b6116 1ae10b594f09e26a7e902ecbd0600691"},
    /* The messages of these three: piv 20, plaintext 01b3747631. */
    {"RFC 8613 appendix C.4", 10, "f0910ed7295e6ad4b54fc793154302ff", "4622d4dd6d944168eefb549868",
     "8368456e63727970743040488501810a40411440", "01b3747631", "612f1092f1776f1c1668b3825e"},
    {"RFC 8613 appendix C.5", 10, "321b26943253c7ffb6003b0b64d74041", "bf35ae297d2dace910c52e99ed",
     "8368456e63727970743040498501810a4100411440", "01b3747631", "4ed339a5a379b0b8bc731fffb0"},
    {"RFC 8613 appendix C.6", 10, "af2a1300a5e95788b356336eeecd2b92", "2ca58fb85ff1b81c0b7181b84a",
     "8368456e63727970743040488501810a40411440", "01b3747631", "72cd7273fd331ac45cffbe55c3"},
};

static void check_aead(const struct aead_vector *vector, struct bulla_crypto *crypto)
{
    uint8_t key[BULLA_KEY_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];
    uint8_t aad[64];
    uint8_t plaintext[256];
    uint8_t sealed[256];
    uint8_t text[256];
    size_t aad_len = from_hex(aad, sizeof(aad), vector->aad);
    size_t len = from_hex(plaintext, sizeof(plaintext), vector->plaintext);
    size_t sealed_len = from_hex(sealed, sizeof(sealed), vector->ciphertext);

    assert_int_equal(from_hex(key, sizeof(key), vector->key), bulla_key_size(vector->alg));
    assert_int_equal(from_hex(nonce, sizeof(nonce), vector->nonce), bulla_nonce_size(vector->alg));
    assert_int_equal(sealed_len, len + bulla_tag_size(vector->alg));
    memcpy(text, plaintext, len);
    recorder_reset();
    assert_int_equal(bulla_aead_seal(crypto, vector->alg, key, nonce, aad, aad_len, text, len), 0);
    if (memcmp(text, sealed, sealed_len) != 0)
        fail_msg("%s: sealed to something else", vector->name);
    assert_int_equal(bulla_aead_open(crypto, vector->alg, key, nonce, aad, aad_len, text, sealed_len), 0);
    assert_memory_equal(text, plaintext, len);
    memcpy(text, sealed, sealed_len);
    aad[0] ^= 1;
    assert_int_equal(bulla_aead_open(crypto, vector->alg, key, nonce, aad, aad_len, text, sealed_len),
                     BULLA_E_FORGED);
}

static void test_aeads(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(aead_vectors); i++) {
        if (!provider_offers(aead_vectors[i].alg))
            continue;
        check_aead(&aead_vectors[i], NULL);
        check_aead(&aead_vectors[i], provider_state());
    }
}

/* ---- HKDF ---- */

struct hkdf_vector {
    const char *name;
    const char *salt;
    const char *ikm;
    const char *info;
    const char *okm;
};

static const struct hkdf_vector hkdf_vectors[] = {
    {"RFC 5869 appendix A.1", "000102030405060708090a0b0c", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "f0f1f2f3f4f5f6f7f8f9",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"RFC 5869 appendix A.2",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f9091929"
     "39495"
     "969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323"
     "33435"
     "363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e"
     "3e4e5"
     "e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da32756"
     "00c2f"
     "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"RFC 5869 appendix A.3", "", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

static void check_hkdf(const struct hkdf_vector *vector, struct bulla_crypto *crypto)
{
    uint8_t salt[128];
    uint8_t ikm[128];
    uint8_t info[128];
    uint8_t okm[128];
    size_t salt_len = from_hex(salt, sizeof(salt), vector->salt);
    size_t ikm_len = from_hex(ikm, sizeof(ikm), vector->ikm);
    size_t info_len = from_hex(info, sizeof(info), vector->info);
    size_t okm_len = strlen(vector->okm) / 2;

    assert_int_equal(bulla_hkdf_sha256(crypto, salt_len > 0 ? salt : NULL, salt_len, ikm, ikm_len, info,
                                       info_len, okm, okm_len),
                     provider_hkdf(salt_len, okm_len));
    if (provider_hkdf(salt_len, okm_len) == 0)
        assert_hex(okm, okm_len, vector->okm);
}

static void test_hkdf(void **state)
{
    (void)state;
    /* A.3 also after one with a salt: kept state must not keep that. */
    for (size_t i = 0; i < COUNT(hkdf_vectors); i++) {
        check_hkdf(&hkdf_vectors[i], NULL);
        check_hkdf(&hkdf_vectors[i], provider_state());
    }
}

/* ---- RFC 8613 appendix C.1 to C.3 ---- */

/* C.1.1, C.2.1 and C.3.1. The servers of C.1.2, C.2.2 and C.3.2 are the same with the ids exchanged. */
static const struct oscore_vector {
    const char *salt;
    const char *id_context;
    const char *ids[2];
    const char *infos[2];
    const char *keys[2];
    const char *iv_info;
    const char *common_iv;
    const char *nonces[2]; /* with piv 0 */
} oscore_vectors[] = {
    {"9e7ca92223786340",
     NULL,
     {"", "01"},
     {"8540f60a634b657910", "854101f60a634b657910"},
     {"f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710"},
     "8540f60a6249560d",
     "4622d4dd6d944168eefb54987c",
     {"4622d4dd6d944168eefb54987c", "4722d4dd6d944169eefb54987c"}},
    {"",
     NULL,
     {"00", "01"},
     {"854100f60a634b657910", "854101f60a634b657910"},
     {"321b26943253c7ffb6003b0b64d74041", "e57b5635815177cd679ab4bcec9d7dda"},
     "8540f60a6249560d",
     "be35ae297d2dace910c52e99f9",
     {"bf35ae297d2dace910c52e99f9", "bf35ae297d2dace810c52e99f9"}},
    {"9e7ca92223786340",
     "37cbf3210017a2d3",
     {"", "01"},
     {"85404837cbf3210017a2d30a634b657910", "8541014837cbf3210017a2d30a634b657910"},
     {"af2a1300a5e95788b356336eeecd2b92", "e39a0c7c77b43f03b4b39ab9a268699f"},
     "85404837cbf3210017a2d30a6249560d",
     "2ca58fb85ff1b81c0b7181b85e",
     {"2ca58fb85ff1b81c0b7181b85e", "2da58fb85ff1b81d0b7181b85e"}},
};

/*
 * The info array as the library made it last, under the RFC's own salt and secret: the library's salt is
 * always empty and its secret always 32 bytes, the RFC's are not.
 */
static void check_derivation(const struct oscore_vector *vector, const char *info, const char *out)
{
    static const uint8_t secret[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    uint8_t salt[8];
    size_t salt_len = from_hex(salt, sizeof(salt), vector->salt);
    uint8_t made_info[64];
    size_t info_len = recorded_hkdf.info_len;
    uint8_t made[BULLA_KEY_MAX];

    assert_int_equal(recorded_hkdf.salt_len, 0);
    assert_int_equal(recorded_hkdf.ikm_len, BULLA_SECRET_SIZE);
    assert_hex(recorded_hkdf.info, recorded_hkdf.info_len, info);
    assert_int_equal(recorded_hkdf.out_len, strlen(out) / 2);
    memcpy(made_info, recorded_hkdf.info, info_len);
    assert_int_equal(bulla_hkdf_sha256(provider_state(), salt, salt_len, secret, sizeof(secret), made_info,
                                       info_len, made, strlen(out) / 2),
                     0);
    assert_hex(made, strlen(out) / 2, out);
}

static void test_rfc8613_derivation(void **state)
{
    static const uint8_t secret[BULLA_SECRET_SIZE];
    uint8_t id_context[BULLA_ID_CONTEXT_SIZE];
    struct bulla_schedule schedule = {provider_state(), secret, NULL, 10};
    uint8_t unused[BULLA_KEY_MAX];
    uint8_t common_iv[BULLA_NONCE_MAX];
    uint8_t nonce[BULLA_NONCE_MAX];

    (void)state;
    for (size_t v = 0; v < COUNT(oscore_vectors); v++) {
        const struct oscore_vector *vector = &oscore_vectors[v];

        schedule.id_context = vector->id_context != NULL ? id_context : NULL;
        if (vector->id_context != NULL)
            from_hex(id_context, sizeof(id_context), vector->id_context);
        assert_int_equal(bulla_derive_common_iv(&schedule, unused), 0);
        check_derivation(vector, vector->iv_info, vector->common_iv);
        from_hex(common_iv, sizeof(common_iv), vector->common_iv);
        for (size_t i = 0; i < 2; i++) {
            uint8_t id[1];
            size_t id_len = from_hex(id, sizeof(id), vector->ids[i]);

            assert_int_equal(bulla_derive_key(&schedule, id, id_len, unused), 0);
            check_derivation(vector, vector->infos[i], vector->keys[i]);
            bulla_nonce(10, common_iv, id, id_len, 0, nonce);
            assert_hex(nonce, 13, vector->nonces[i]);
        }
    }
}

/* C.4 to C.6: the sender's nonce for piv 20. */
static void test_rfc8613_nonces(void **state)
{
    static const struct {
        const char *common_iv, *id, *nonce;
    } vectors[] = {
        {"4622d4dd6d944168eefb54987c", "", "4622d4dd6d944168eefb549868"},
        {"be35ae297d2dace910c52e99f9", "00", "bf35ae297d2dace910c52e99ed"},
        {"2ca58fb85ff1b81c0b7181b85e", "", "2ca58fb85ff1b81c0b7181b84a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        uint8_t common_iv[BULLA_NONCE_MAX];
        uint8_t id[1];
        uint8_t nonce[BULLA_NONCE_MAX];
        size_t id_len = from_hex(id, sizeof(id), vectors[i].id);

        from_hex(common_iv, sizeof(common_iv), vectors[i].common_iv);
        bulla_nonce(10, common_iv, id, id_len, 20, nonce);
        assert_hex(nonce, 13, vectors[i].nonce);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aeads),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_rfc8613_derivation),
        cmocka_unit_test(test_rfc8613_nonces),
    };

    return cmocka_run_group_tests_name(provider_name, tests, NULL, NULL);
}
