/*
 * HKDF-SHA-256 (RFC 5869) over tiny's SHA-256: what a session, a context's opening and replies need.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

#define BLOCK_SIZE 64
#define INPUT_MAX  8000 /* bytes of one input: the hash counts to 65,535 bits */

/* HMAC (RFC 2104) under way, with a key of the size that all of them have here. */
struct hmac {
    struct bulla_tiny_sha256 hash;
    uint8_t key[TINY_SHA256_SIZE];
    uint8_t digest[TINY_SHA256_SIZE];
};

/* The key, padded and masked. */
static void begin(struct hmac *hmac, uint8_t mask)
{
    bulla_tiny_sha256_begin(&hmac->hash);
    for (uint8_t i = 0; i < BLOCK_SIZE; i++)
        bulla_tiny_sha256_byte(&hmac->hash, (uint8_t)((i < sizeof(hmac->key) ? hmac->key[i] : 0) ^ mask));
}

BULLA_APART static void feed(struct hmac *hmac, const uint8_t *bytes, size_t len)
{
    while (len-- > 0)
        bulla_tiny_sha256_byte(&hmac->hash, *bytes++);
}

/* The outer hash over the inner one: the result takes the key's place. */
static void end(struct hmac *hmac)
{
    bulla_tiny_sha256_end(&hmac->hash, hmac->digest);
    begin(hmac, 0x5c);
    feed(hmac, hmac->digest, sizeof(hmac->digest));
    bulla_tiny_sha256_end(&hmac->hash, hmac->key);
}

/* Extract (RFC 5869 2.2), then as much of expand (2.3) as one digest holds. */
int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    struct hmac hmac;

    (void)crypto;
    if (salt_len > sizeof(hmac.key) || ikm_len > INPUT_MAX || info_len > INPUT_MAX ||
        out_len > sizeof(hmac.key))
        return BULLA_E_ARGUMENT;
    memset(hmac.key, 0, sizeof(hmac.key));
    if (salt_len > 0)
        memcpy(hmac.key, salt, salt_len);
    begin(&hmac, 0x36);
    feed(&hmac, ikm, ikm_len);
    end(&hmac);
    begin(&hmac, 0x36);
    feed(&hmac, info, info_len);
    bulla_tiny_sha256_byte(&hmac.hash, 1);
    end(&hmac);
    memcpy(out, hmac.key, out_len);
    bulla_wipe(&hmac, sizeof(hmac));
    return 0;
}

#endif
