/*
 * Provider: mbedTLS, by the functions that its versions 2.16 to 3.x have in common (NodeMCU's firmware,
 * ESP-IDF). Where only PSA is offered (Zephyr, mbedTLS 4) crypto_psa.c is the one to take.
 *
 * Its configuration needs MBEDTLS_AES_C, MBEDTLS_CCM_C, MBEDTLS_CIPHER_C, MBEDTLS_SHA256_C, MBEDTLS_MD_C,
 * MBEDTLS_HKDF_C, and for algorithm 24 MBEDTLS_CHACHA20_C, MBEDTLS_POLY1305_C and MBEDTLS_CHACHAPOLY_C.
 *
 * This file keeps no state and allocates nothing, but mbedTLS does, and gives it back before each call ends.
 * In 2.28.3 an AES-CCM operation takes one block of 288 bytes (280 on a 32-bit core), the AES context of its
 * cipher layer; an HKDF twice, one after the other, blocks of 108 and 128 bytes (SHA-256's context and HMAC's
 * padding); ChaCha20-Poly1305 nothing. Where memory is out, BULLA_E_CRYPTO is returned.
 */
#include "provider.h"

#if BULLA_WITH_MBEDTLS

#include "crypto.h"

#include <mbedtls/ccm.h>
#include <mbedtls/chachapoly.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>

#include "keys.h"

/* Returns 0 or mbedTLS's error. */
static int ccm(int seal, int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
               size_t aad_len, uint8_t *text, size_t len)
{
    size_t tag_len = bulla_tag_size(alg);
    mbedtls_ccm_context context;
    int error;

    mbedtls_ccm_init(&context);
    error = mbedtls_ccm_setkey(&context, MBEDTLS_CIPHER_ID_AES, key, 8u * bulla_key_size(alg));
    if (error == 0 && seal)
        error = mbedtls_ccm_encrypt_and_tag(&context, len, nonce, bulla_nonce_size(alg), aad, aad_len, text,
                                            text, text + len, tag_len);
    else if (error == 0)
        error = mbedtls_ccm_auth_decrypt(&context, len, nonce, bulla_nonce_size(alg), aad, aad_len, text,
                                         text, text + len, tag_len);
    mbedtls_ccm_free(&context); /* wipes */
    return error;
}

static int chachapoly(int seal, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                      uint8_t *text, size_t len)
{
    mbedtls_chachapoly_context context;
    int error;

    mbedtls_chachapoly_init(&context);
    error = mbedtls_chachapoly_setkey(&context, key);
    if (error == 0 && seal)
        error =
            mbedtls_chachapoly_encrypt_and_tag(&context, len, nonce, aad, aad_len, text, text, text + len);
    else if (error == 0)
        error = mbedtls_chachapoly_auth_decrypt(&context, len, nonce, aad, aad_len, text + len, text, text);
    mbedtls_chachapoly_free(&context); /* wipes */
    return error;
}

static int aead(int seal, int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad,
                size_t aad_len, uint8_t *text, size_t len)
{
    return alg == BULLA_CHACHA20_POLY1305 ? chachapoly(seal, key, nonce, aad, aad_len, text, len)
                                          : ccm(seal, alg, key, nonce, aad, aad_len, text, len);
}

static int seal_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    return aead(1, alg, key, nonce, aad, aad_len, text, len) == 0 ? 0 : BULLA_E_CRYPTO;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (len < bulla_tag_size(alg))
        return BULLA_E_FORGED;
    switch (aead(0, alg, key, nonce, aad, aad_len, text, len - bulla_tag_size(alg))) {
    case 0:
        return 0;
    case MBEDTLS_ERR_CCM_AUTH_FAILED:
    case MBEDTLS_ERR_CHACHAPOLY_AUTH_FAILED:
        return BULLA_E_FORGED;
    default:
        return BULLA_E_CRYPTO;
    }
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
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

    (void)crypto;
    if (sha256 == NULL)
        return BULLA_E_CRYPTO;
    return mbedtls_hkdf(sha256, salt, salt_len, ikm, ikm_len, info, info_len, out, out_len) == 0
               ? 0
               : BULLA_E_CRYPTO;
}

#endif
