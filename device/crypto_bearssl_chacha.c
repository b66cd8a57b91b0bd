/* Provider: BearSSL, algorithm 24 alone (crypto_bearssl.h). */
#include "provider.h"

#if BULLA_WITH_BEARSSL_PARTS

#include "crypto_bearssl.h"

static int seal_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (alg != BULLA_CHACHA20_POLY1305)
        return BULLA_E_ARGUMENT;
    br_poly1305_ctmul32_run(key, nonce, text, len, aad, aad_len, text + len, br_chacha20_ct_run, 1);
    return 0;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);

    if (alg != BULLA_CHACHA20_POLY1305)
        return BULLA_E_ARGUMENT;
    if (len < tag_len)
        return BULLA_E_FORGED;
    return bearssl_chacha_open(key, nonce, aad, aad_len, text, len - tag_len) ? 0 : BULLA_E_FORGED;
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    (void)crypto;
    return way == BULLA_SEAL ? seal_text(alg, key, nonce, aad, aad_len, text, len)
                             : open_text(alg, key, nonce, aad, aad_len, text, len);
}

#endif
