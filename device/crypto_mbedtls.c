/*
 * Provider: mbedTLS, by the functions that its versions 2.16 to 3.x have in common (NodeMCU's firmware,
 * ESP-IDF). Where only PSA is offered (Zephyr, mbedTLS 4) crypto_psa.c is the one to take.
 *
 * Its configuration needs MBEDTLS_AES_C, MBEDTLS_CCM_C, MBEDTLS_CIPHER_C, MBEDTLS_SHA256_C and MBEDTLS_MD_C,
 * which ESP-IDF's has unless told otherwise, and for algorithm 24 MBEDTLS_CHACHA20_C, MBEDTLS_POLY1305_C and
 * MBEDTLS_CHACHAPOLY_C: without them that algorithm is BULLA_E_ARGUMENT. HKDF is made here, of HMAC:
 * MBEDTLS_HKDF_C is mostly left out.
 *
 * This file keeps no state and allocates nothing, but mbedTLS does, and gives it back before each call ends.
 * In 2.28.3 an AES-CCM operation takes one block of 288 bytes (280 on a 32-bit core), the AES context of its
 * cipher layer; an HKDF blocks of 108 and 128 bytes (SHA-256's context and HMAC's padding);
 * ChaCha20-Poly1305 nothing. Where memory is out, BULLA_E_CRYPTO is returned.
 */
#include "provider.h"

#if BULLA_WITH_MBEDTLS

#include "crypto.h"

#include <limits.h>
#include <string.h>

#include <mbedtls/ccm.h>
#include <mbedtls/md.h>

#include "keys.h"

#define HASH_SIZE 32

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

#if defined(MBEDTLS_CHACHAPOLY_C)

#include <mbedtls/chachapoly.h>

#define FORGED_24  MBEDTLS_ERR_CHACHAPOLY_AUTH_FAILED
#define HAS_ALG_24 1

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

#else /* a configuration without it, as ESP-IDF's is by itself: nothing of it may be named */

#define FORGED_24                                             INT_MAX /* nothing says so */
#define HAS_ALG_24                                            0
#define chachapoly(seal, key, nonce, aad, aad_len, text, len) MBEDTLS_ERR_CCM_BAD_INPUT /* never reached */

#endif

/* Of ours, and configured? */
static int is_known(int alg)
{
    return bulla_key_size(alg) != 0 && (HAS_ALG_24 || alg != BULLA_CHACHA20_POLY1305);
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
    if (!is_known(alg))
        return BULLA_E_ARGUMENT;
    return aead(1, alg, key, nonce, aad, aad_len, text, len) == 0 ? 0 : BULLA_E_CRYPTO;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    if (!is_known(alg))
        return BULLA_E_ARGUMENT;
    if (len < bulla_tag_size(alg))
        return BULLA_E_FORGED;
    switch (aead(0, alg, key, nonce, aad, aad_len, text, len - bulla_tag_size(alg))) {
    case 0:
        return 0;
    case MBEDTLS_ERR_CCM_AUTH_FAILED:
    case FORGED_24:
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

/* Expand (RFC 5869 2.3), by extract's result. 0 or not. */
static int expand(mbedtls_md_context_t *context, const uint8_t key[HASH_SIZE], const uint8_t *info,
                  size_t info_len, uint8_t *out, size_t out_len)
{
    uint8_t block[HASH_SIZE] = {0};
    size_t before = 0; /* bytes of the block before */
    uint8_t number = 0;
    int error = 0;

    while (out_len > 0 && !error) {
        size_t some = out_len < sizeof(block) ? out_len : sizeof(block);

        number++;
        error = mbedtls_md_hmac_starts(context, key, HASH_SIZE) != 0 ||
                mbedtls_md_hmac_update(context, block, before) != 0 ||
                mbedtls_md_hmac_update(context, info, info_len) != 0 ||
                mbedtls_md_hmac_update(context, &number, 1) != 0 ||
                mbedtls_md_hmac_finish(context, block) != 0;
        memcpy(out, block, some);
        before = sizeof(block);
        out += some;
        out_len -= some;
    }
    bulla_wipe(block, sizeof(block));
    return error;
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    mbedtls_md_context_t context;
    uint8_t key[HASH_SIZE];
    int error;

    (void)crypto;
    if (out_len > 255 * HASH_SIZE)
        return BULLA_E_ARGUMENT;
    mbedtls_md_init(&context);
    error = mbedtls_md_setup(&context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) != 0 ||
            mbedtls_md_hmac_starts(&context, salt, salt_len) != 0 || /* no salt is one of zeros: HMAC pads */
            mbedtls_md_hmac_update(&context, ikm, ikm_len) != 0 ||
            mbedtls_md_hmac_finish(&context, key) != 0 ||
            expand(&context, key, info, info_len, out, out_len) != 0;
    mbedtls_md_free(&context); /* wipes */
    bulla_wipe(key, sizeof(key));
    return error ? BULLA_E_CRYPTO : 0;
}

#endif
