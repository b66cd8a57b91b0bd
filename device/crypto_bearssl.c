/*
 * Provider: BearSSL, all algorithms, without tables (crypto_bearssl.h says which provider to take).
 * PROTOCOL's bytes do not depend on the implementation chosen.
 */
#include "provider.h"

#if BULLA_WITH_BEARSSL

#include "crypto_bearssl.h"

static int ccm(int seal, size_t tag_len, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
               size_t aad_len, uint8_t *text, size_t len, uint8_t *tag)
{
    br_aes_ct_ctrcbc_keys keys;
    int good;

    br_aes_ct_ctrcbc_init(&keys, key, 16);
    good = bearssl_ccm(&keys.vtable, seal, tag_len, nonce, aad, aad_len, text, len, tag);
    bulla_wipe(&keys, sizeof(keys));
    return good;
}

static int seal_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (alg == BULLA_CHACHA20_POLY1305)
        br_poly1305_ctmul32_run(key, nonce, text, len, aad, aad_len, text + len, br_chacha20_ct_run, 1);
    else if (!ccm(1, bulla_tag_size(alg), key, nonce, aad, aad_len, text, len, text + len))
        return BULLA_E_CRYPTO;
    return 0;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);
    int good;

    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (len < tag_len)
        return BULLA_E_FORGED;
    len -= tag_len;
    if (alg == BULLA_CHACHA20_POLY1305)
        good = bearssl_chacha_open(key, nonce, aad, aad_len, text, len);
    else
        good = ccm(0, tag_len, key, nonce, aad, aad_len, text, len, text + len);
    return good ? 0 : BULLA_E_FORGED;
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    (void)crypto;
    return way == BULLA_SEAL ? seal_text(alg, key, nonce, aad, aad_len, text, len)
                             : open_text(alg, key, nonce, aad, aad_len, text, len);
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    (void)crypto;
    bearssl_hkdf(salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
    return 0;
}

#endif
