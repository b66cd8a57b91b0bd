/*
 * The contract with a cryptographic provider. One file per provider carries it out (crypto_openssl.c,
 * crypto_bearssl.c, crypto_mbedtls.c, crypto_psa.c); the build chooses. Everything is one-shot; lengths are
 * in bytes; 0 or a negative enum bulla_error is returned.
 */
#ifndef BULLA_CRYPTO_H
#define BULLA_CRYPTO_H

#include "bulla.h"

#define BULLA_KEY_MAX   32
#define BULLA_NONCE_MAX 13

/* A function that stays one of its own where a program is compiled as a whole: its frame ends with it, and
 * small frames are short to reach into on 8-bit parts. */
#if defined(__GNUC__) || defined(__clang__)
#define BULLA_APART __attribute__((noinline))
#else
#define BULLA_APART
#endif

/* A provider's state, where it keeps any. Every function takes NULL for it, and is slower then. */
struct bulla_crypto;

/* Which way a text goes. */
enum bulla_way { BULLA_SEAL = 1, BULLA_OPEN };

/*
 * BULLA_SEAL encrypts `len` bytes at `text` in place and writes the tag behind them (bulla_tag_size(alg)
 * bytes). `key` is bulla_key_size(alg) bytes, `nonce` bulla_nonce_size(alg).
 * BULLA_OPEN opens `len` bytes at `text`, the tag being the last of them, in place. It returns BULLA_E_FORGED
 * if the tag is wrong or the text is shorter than a tag.
 * After an error, of either way, what stands in `text` is anything: PSA fills it with zeros.
 * One function for both, the way its last argument: nine arguments are long to hand on, on 8-bit parts.
 */
BULLA_MUST_CHECK int bulla_aead(struct bulla_crypto *crypto, int alg, const uint8_t *key,
                                const uint8_t *nonce, const uint8_t *aad, size_t aad_len, uint8_t *text,
                                size_t len, uint8_t way);

BULLA_MUST_CHECK static inline int bulla_aead_seal(struct bulla_crypto *crypto, int alg, const uint8_t *key,
                                                   const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                                                   uint8_t *text, size_t len)
{
    return bulla_aead(crypto, alg, key, nonce, aad, aad_len, text, len, BULLA_SEAL);
}

BULLA_MUST_CHECK static inline int bulla_aead_open(struct bulla_crypto *crypto, int alg, const uint8_t *key,
                                                   const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
                                                   uint8_t *text, size_t len)
{
    return bulla_aead(crypto, alg, key, nonce, aad, aad_len, text, len, BULLA_OPEN);
}

/* HKDF-SHA-256 (RFC 5869): `out_len` at most 255 * 32. `tiny` takes no salt of more than 32 bytes and gives
 * no more than 32 (BULLA_E_ARGUMENT): a device has no salt, and no longer keys. */
BULLA_MUST_CHECK int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len,
                                       const uint8_t *ikm, size_t ikm_len, const uint8_t *info,
                                       size_t info_len, uint8_t *out, size_t out_len);

/* Overwrites memory that held a secret; not optimised away. */
void bulla_wipe(void *memory, size_t len);

/* 1 if equal. Takes the same time whatever differs. */
int bulla_equal(const void *a, const void *b, size_t len);

#endif
