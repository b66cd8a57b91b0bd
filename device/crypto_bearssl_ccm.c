/*
 * Provider: BearSSL, algorithms 10 and 30, with the small AES that has one table (crypto_bearssl.h says where
 * it may be used).
 */
#include "provider.h"

#if BULLA_WITH_BEARSSL_PARTS

#include "crypto_bearssl.h"

static int ccm(int seal, int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
               size_t aad_len, uint8_t *text, size_t len)
{
    br_aes_small_ctrcbc_keys keys;
    int good;

    br_aes_small_ctrcbc_init(&keys, key, 16);
    good = bearssl_ccm(&keys.vtable, seal, bulla_tag_size(alg), nonce, aad, aad_len, text, len, text + len);
    bulla_wipe(&keys, sizeof(keys));
    return good;
}

static int seal_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) != 16)
        return BULLA_E_ARGUMENT;
    return ccm(1, alg, key, nonce, aad, aad_len, text, len) ? 0 : BULLA_E_CRYPTO;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) != 16)
        return BULLA_E_ARGUMENT;
    if (len < bulla_tag_size(alg))
        return BULLA_E_FORGED;
    return ccm(0, alg, key, nonce, aad, aad_len, text, len - bulla_tag_size(alg)) ? 0 : BULLA_E_FORGED;
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    (void)crypto;
    return way == BULLA_SEAL ? seal_text(alg, key, nonce, aad, aad_len, text, len)
                             : open_text(alg, key, nonce, aad, aad_len, text, len);
}

#endif
