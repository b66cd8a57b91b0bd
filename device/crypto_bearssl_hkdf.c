/* HKDF for the providers over BearSSL that have none (crypto_bearssl.h). */
#include "provider.h"

#if BULLA_WITH_BEARSSL_PARTS

#include "crypto_bearssl.h"

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    (void)crypto;
    bearssl_hkdf(salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
    return 0;
}

#endif
