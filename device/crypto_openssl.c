/*
 * Provider: OpenSSL 3 (libcrypto).
 */
#include "provider.h"

#if BULLA_WITH_OPENSSL

#include "crypto_openssl.h"

#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "keys.h"

int bulla_crypto_open(struct bulla_crypto *crypto)
{
    memset(crypto, 0, sizeof(*crypto));
    crypto->ccm = EVP_CIPHER_fetch(NULL, "AES-128-CCM", NULL);
    crypto->chacha = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    crypto->hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (crypto->hkdf != NULL)
        crypto->kdf = EVP_KDF_CTX_new(crypto->hkdf);
    return crypto->ccm != NULL && crypto->chacha != NULL && crypto->kdf != NULL ? 0 : BULLA_E_CRYPTO;
}

void bulla_crypto_close(struct bulla_crypto *crypto)
{
    EVP_KDF_CTX_free(crypto->kdf);
    EVP_KDF_free(crypto->hkdf);
    for (int alg = 0; alg < BULLA_CRYPTO_ALGS; alg++)
        for (int direction = 0; direction < BULLA_CRYPTO_DIRECTIONS; direction++)
            EVP_CIPHER_CTX_free(crypto->ciphers[alg][direction]);
    EVP_CIPHER_free(crypto->chacha);
    EVP_CIPHER_free(crypto->ccm);
    memset(crypto, 0, sizeof(*crypto));
}

/* The caller's state, or one of our own for this call, which give_back() closes again. NULL if that fails. */
static struct bulla_crypto *borrow(struct bulla_crypto *callers, struct bulla_crypto *own)
{
    if (callers != NULL)
        return callers;
    if (bulla_crypto_open(own) == 0)
        return own;
    bulla_crypto_close(own);
    return NULL;
}

static void give_back(struct bulla_crypto *borrowed, struct bulla_crypto *own)
{
    if (borrowed == own)
        bulla_crypto_close(own);
}

static int index_of(int alg)
{
    return alg == BULLA_AES_CCM_16_64_128 ? 0 : alg == BULLA_AES_CCM_16_128_128 ? 1 : 2;
}

/*
 * The context of an algorithm and a direction, with all that does not change from one message to the next: to
 * set the cipher again would make OpenSSL begin from nothing. NULL if it fails.
 */
static EVP_CIPHER_CTX *context_of(struct bulla_crypto *crypto, int encrypt, int alg)
{
    EVP_CIPHER_CTX **kept = &crypto->ciphers[index_of(alg)][encrypt];
    EVP_CIPHER_CTX *context = *kept;
    int ccm = alg != BULLA_CHACHA20_POLY1305;

    if (context != NULL)
        return context;
    context = EVP_CIPHER_CTX_new();
    if (context == NULL)
        return NULL;
    if (!EVP_CipherInit_ex2(context, ccm ? crypto->ccm : crypto->chacha, NULL, NULL, encrypt, NULL) ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, bulla_nonce_size(alg), NULL) != 1 ||
        (ccm && encrypt &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, bulla_tag_size(alg), NULL) != 1)) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    *kept = context;
    return context;
}

/* Keys the context. CCM wants the tag to compare with before the key, and the text's length before the AAD.
 */
static int begin(EVP_CIPHER_CTX *context, int encrypt, int alg, const uint8_t *key, const uint8_t *nonce,
                 uint8_t *tag, size_t len)
{
    int unused;

    if (!encrypt && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, bulla_tag_size(alg), tag) != 1)
        return -1;
    if (!EVP_CipherInit_ex2(context, NULL, key, nonce, encrypt, NULL))
        return -1;
    if (alg == BULLA_CHACHA20_POLY1305)
        return 0;
    return EVP_CipherUpdate(context, NULL, &unused, NULL, (int)len) == 1 ? 0 : -1;
}

/*
 * One AEAD operation. Returns 1, 0 (the tag is wrong) or -1. A CCM text of no bytes still needs its update:
 * that is what compares, or makes, the tag.
 */
static int run(struct bulla_crypto *crypto, int encrypt, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    EVP_CIPHER_CTX *context = context_of(crypto, encrypt, alg);
    uint8_t *tag = text + len;
    uint8_t none[1] = {0};
    int got;

    if (context == NULL || begin(context, encrypt, alg, key, nonce, tag, len) < 0 ||
        EVP_CipherUpdate(context, NULL, &got, aad, (int)aad_len) != 1)
        return -1;
    if (EVP_CipherUpdate(context, len > 0 ? text : none, &got, len > 0 ? text : none, (int)len) != 1)
        return encrypt ? -1 : 0;
    if (alg == BULLA_CHACHA20_POLY1305 && EVP_CipherFinal_ex(context, none, &got) != 1)
        return encrypt ? -1 : 0;
    if (encrypt && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, bulla_tag_size(alg), tag) != 1)
        return -1;
    return 1;
}

static int aead(struct bulla_crypto *callers, int encrypt, int alg, const uint8_t *key, const uint8_t *nonce,
                const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    struct bulla_crypto own;
    struct bulla_crypto *crypto;
    int result;

    if (bulla_key_size(alg) == 0 || len > INT_MAX || aad_len > INT_MAX)
        return BULLA_E_ARGUMENT;
    crypto = borrow(callers, &own);
    if (crypto == NULL)
        return BULLA_E_CRYPTO;
    result = run(crypto, encrypt, alg, key, nonce, aad, aad_len, text, len);
    give_back(crypto, &own);
    if (result < 0)
        return BULLA_E_CRYPTO;
    return result ? 0 : BULLA_E_FORGED;
}

static int seal_text(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                     const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    return aead(crypto, 1, alg, key, nonce, aad, aad_len, text, len);
}

static int open_text(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
                     const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len)
{
    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (len < bulla_tag_size(alg))
        return BULLA_E_FORGED;
    return aead(crypto, 0, alg, key, nonce, aad, aad_len, text, len - bulla_tag_size(alg));
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    return way == BULLA_SEAL ? seal_text(crypto, alg, key, nonce, aad, aad_len, text, len)
                             : open_text(crypto, alg, key, nonce, aad, aad_len, text, len);
}

static int hkdf(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    OSSL_PARAM params[5];
    OSSL_PARAM *at = params;

    EVP_KDF_CTX_reset(crypto->kdf);
    *at++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm, ikm_len);
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_len);
    if (salt_len > 0)
        *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len);
    *at = OSSL_PARAM_construct_end();
    return EVP_KDF_derive(crypto->kdf, out, out_len, params) == 1 ? 0 : BULLA_E_CRYPTO;
}

int bulla_hkdf_sha256(struct bulla_crypto *callers, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    struct bulla_crypto own;
    struct bulla_crypto *crypto = borrow(callers, &own);
    int error;

    if (crypto == NULL)
        return BULLA_E_CRYPTO;
    error = hkdf(crypto, salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
    give_back(crypto, &own);
    return error;
}

#endif
