/*
 * HKDF-SHA-256 (RFC 5869) over tiny's SHA-256: what a session, a context's opening and replies need.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

#define BLOCK_SIZE 64
#define INPUT_MAX  0x7fff /* bytes of one input: the hash counts to 65,535 */

/* HMAC (RFC 2104): the key, of at most 64 bytes, padded and masked. */
static void begin(struct bulla_tiny_sha256 *hash, const uint8_t *key, size_t key_len, uint8_t mask)
{
    bulla_tiny_sha256_begin(hash);
    for (uint8_t i = 0; i < BLOCK_SIZE; i++)
        bulla_tiny_sha256_byte(hash, (uint8_t)((i < key_len ? key[i] : 0) ^ mask));
}

static void feed(struct bulla_tiny_sha256 *hash, const uint8_t *bytes, size_t len)
{
    while (len-- > 0)
        bulla_tiny_sha256_byte(hash, *bytes++);
}

/* The outer hash over the inner one. */
static void end(struct bulla_tiny_sha256 *hash, const uint8_t *key, size_t key_len,
                uint8_t out[TINY_SHA256_SIZE])
{
    bulla_tiny_sha256_end(hash, out);
    begin(hash, key, key_len, 0x5c);
    feed(hash, out, TINY_SHA256_SIZE);
    bulla_tiny_sha256_end(hash, out);
}

/* RFC 5869 2.2. `digest` is room for the hash of a long salt. */
static void extract(struct bulla_tiny_sha256 *hash, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                    size_t ikm_len, uint8_t digest[TINY_SHA256_SIZE], uint8_t key[TINY_SHA256_SIZE])
{
    if (salt_len > BLOCK_SIZE) {
        bulla_tiny_sha256_begin(hash);
        feed(hash, salt, salt_len);
        bulla_tiny_sha256_end(hash, digest);
        salt = digest;
        salt_len = TINY_SHA256_SIZE;
    }
    begin(hash, salt, salt_len, 0x36);
    feed(hash, ikm, ikm_len);
    end(hash, salt, salt_len, key);
}

int bulla_hkdf_sha256(struct bulla_crypto *crypto, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                      size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    struct bulla_tiny_sha256 hash;
    uint8_t key[TINY_SHA256_SIZE];
    uint8_t block[TINY_SHA256_SIZE];
    size_t block_len = 0;

    (void)crypto;
    if (salt_len > INPUT_MAX || ikm_len > INPUT_MAX || info_len > INPUT_MAX || out_len > 255u * 32u)
        return BULLA_E_ARGUMENT;
    extract(&hash, salt, salt_len, ikm, ikm_len, block, key);
    for (uint8_t count = 1; out_len > 0; count++) { /* RFC 5869 2.3 */
        begin(&hash, key, sizeof(key), 0x36);
        feed(&hash, block, block_len);
        feed(&hash, info, info_len);
        bulla_tiny_sha256_byte(&hash, count);
        end(&hash, key, sizeof(key), block);
        block_len = out_len < sizeof(block) ? out_len : sizeof(block);
        memcpy(out, block, block_len);
        out += block_len;
        out_len -= block_len;
    }
    bulla_wipe(&hash, sizeof(hash));
    bulla_wipe(key, sizeof(key));
    bulla_wipe(block, sizeof(block));
    return 0;
}

#endif
