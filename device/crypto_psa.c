/*
 * Provider: the PSA Crypto API 1.0 (Zephyr and nRF Connect, ESP-IDF, mbedTLS 2.28 and later).
 *
 * Its configuration needs PSA_WANT_KEY_TYPE_AES, PSA_WANT_ALG_CCM, PSA_WANT_ALG_HKDF, PSA_WANT_ALG_SHA_256,
 * and for algorithm 24 PSA_WANT_KEY_TYPE_CHACHA20 and PSA_WANT_ALG_CHACHA20_POLY1305 (mbedTLS:
 * MBEDTLS_PSA_CRYPTO_C).
 *
 * This file keeps no state. PSA does: psa_crypto_init() is called before each operation, which does nothing
 * from the second time on; a key is in one of its slots, as a volatile key, during an operation only.
 * mbedTLS's implementation allocates, and gives that back before each call ends: in 2.28.3 the key (16 or 32
 * bytes), 288 for an AES-CCM operation, the info (12 to 25) for an HKDF. Where memory or the slots are out,
 * BULLA_E_CRYPTO is returned.
 */
#include "provider.h"

#if BULLA_WITH_PSA

#include "crypto.h"

#include <psa/crypto.h>

#include "keys.h"

static psa_algorithm_t algorithm_of(int alg)
{
    return alg == BULLA_CHACHA20_POLY1305
               ? PSA_ALG_CHACHA20_POLY1305
               : PSA_ALG_AEAD_WITH_SHORTENED_TAG(PSA_ALG_CCM, (psa_algorithm_t)bulla_tag_size(alg));
}

/* On success the key has to be destroyed. */
static psa_status_t import_key(int alg, const uint8_t *key, psa_key_id_t *id)
{
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_status_t status = psa_crypto_init();

    if (status != PSA_SUCCESS)
        return status;
    psa_set_key_type(&attributes, alg == BULLA_CHACHA20_POLY1305 ? PSA_KEY_TYPE_CHACHA20 : PSA_KEY_TYPE_AES);
    psa_set_key_bits(&attributes, 8u * bulla_key_size(alg));
    psa_set_key_algorithm(&attributes, algorithm_of(alg));
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_ENCRYPT | PSA_KEY_USAGE_DECRYPT);
    return psa_import_key(&attributes, key, bulla_key_size(alg), id);
}

static int seal_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    psa_key_id_t id;
    psa_status_t status;
    size_t made = 0;

    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (import_key(alg, key, &id) != PSA_SUCCESS)
        return BULLA_E_CRYPTO;
    status = psa_aead_encrypt(id, algorithm_of(alg), nonce, bulla_nonce_size(alg), aad, aad_len, text, len,
                              text, len + bulla_tag_size(alg), &made);
    if (psa_destroy_key(id) != PSA_SUCCESS || status != PSA_SUCCESS)
        return BULLA_E_CRYPTO;
    return made == len + bulla_tag_size(alg) ? 0 : BULLA_E_CRYPTO;
}

static int open_text(int alg, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                     uint8_t *text, size_t len)
{
    psa_key_id_t id;
    psa_status_t status;
    size_t made = 0;

    if (bulla_key_size(alg) == 0)
        return BULLA_E_ARGUMENT;
    if (len < bulla_tag_size(alg))
        return BULLA_E_FORGED;
    if (import_key(alg, key, &id) != PSA_SUCCESS)
        return BULLA_E_CRYPTO;
    status = psa_aead_decrypt(id, algorithm_of(alg), nonce, bulla_nonce_size(alg), aad, aad_len, text, len,
                              text, len, &made);
    if (psa_destroy_key(id) != PSA_SUCCESS)
        return BULLA_E_CRYPTO;
    if (status == PSA_ERROR_INVALID_SIGNATURE)
        return BULLA_E_FORGED;
    return status == PSA_SUCCESS && made == len - bulla_tag_size(alg) ? 0 : BULLA_E_CRYPTO;
}

int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key, const uint8_t *nonce,
               const uint8_t *aad, size_t aad_len, uint8_t *text, size_t len, uint8_t way)
{
    (void)crypto;
    return way == BULLA_SEAL ? seal_text(alg, key, nonce, aad, aad_len, text, len)
                             : open_text(alg, key, nonce, aad, aad_len, text, len);
}

/* The steps of HKDF in the order that PSA wants. The input key goes in as bytes: nothing but bytes is
 * derived. */
static psa_status_t derive(psa_key_derivation_operation_t *operation, const uint8_t *salt, size_t salt_len,
                           const uint8_t *ikm, size_t ikm_len, const uint8_t *info, size_t info_len,
                           uint8_t *out, size_t out_len)
{
    psa_status_t status = psa_key_derivation_setup(operation, PSA_ALG_HKDF(PSA_ALG_SHA_256));

    if (status == PSA_SUCCESS && salt_len > 0)
        status = psa_key_derivation_input_bytes(operation, PSA_KEY_DERIVATION_INPUT_SALT, salt, salt_len);
    if (status == PSA_SUCCESS)
        status = psa_key_derivation_input_bytes(operation, PSA_KEY_DERIVATION_INPUT_SECRET, ikm, ikm_len);
    if (status == PSA_SUCCESS)
        status = psa_key_derivation_input_bytes(operation, PSA_KEY_DERIVATION_INPUT_INFO, info, info_len);
    if (status == PSA_SUCCESS)
        status = psa_key_derivation_output_bytes(operation, out, out_len);
    return status;
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    psa_key_derivation_operation_t operation = PSA_KEY_DERIVATION_OPERATION_INIT;
    psa_status_t status;

    (void)crypto;
    if (psa_crypto_init() != PSA_SUCCESS)
        return BULLA_E_CRYPTO;
    status = derive(&operation, salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
    if (psa_key_derivation_abort(&operation) != PSA_SUCCESS) /* wipes */
        return BULLA_E_CRYPTO;
    return status == PSA_SUCCESS ? 0 : BULLA_E_CRYPTO;
}

#endif
