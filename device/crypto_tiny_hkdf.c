/*
 * HKDF-SHA-256 (RFC 5869) over tiny's SHA-256, a byte at a time: what a session, a context's opening and
 * replies need.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

#define BLOCK_SIZE 64
#define INPUT_MAX  8000 /* bytes of one input: the hash counts to 65,535 bits */
#define INNER      0x36 /* what the key is masked with (RFC 2104): in the inner hash, and in the outer one */
#define OUTER      0x5c

/* FIPS 180-4 5.3.3, h first. */
static const uint32_t initial[8] TINY_ROM = {
    0x5be0cd19, 0x1f83d9ab, 0x9b05688c, 0x510e527f, 0xa54ff53a, 0x3c6ef372, 0xbb67ae85, 0x6a09e667,
};

/* HMAC under way, with a key of the size that all of them have here. */
struct hmac {
    struct bulla_tiny_sha256 hash;
    uint8_t digest[TINY_SHA256_SIZE]; /* the inner one */
    uint8_t key[TINY_SHA256_SIZE];
};

/* To be XORed to where a word's byte would stand if its highest were the first. Compilers know it. */
static uint8_t byte_order(void)
{
    const uint16_t one = 1;

    return *(const uint8_t *)&one == 1 ? 3 : 0;
}

static void begin(struct bulla_tiny_sha256 *hash)
{
    for (uint8_t i = 0; i < 8; i++)
        hash->state[i] = TINY_READ_WORD(&initial[i]);
    hash->at = 0;
}

BULLA_APART static void add(struct bulla_tiny_sha256 *hash, uint8_t byte)
{
    uint8_t at = hash->at;

    ((uint8_t *)hash->v)[at ^ byte_order()] = byte;
    at = (uint8_t)(at + 1) % BLOCK_SIZE;
    hash->at = at;
    if (at == 0)
        bulla_tiny_sha256_block(hash);
}

/* `len` bytes were added. */
static void end(struct bulla_tiny_sha256 *hash, uint16_t len, uint8_t out[TINY_SHA256_SIZE])
{
    add(hash, 0x80);
    while (hash->at != BLOCK_SIZE - 2)
        add(hash, 0);
    add(hash, (uint8_t)(len >> 5)); /* its length in bits */
    add(hash, (uint8_t)(len << 3));
    for (uint8_t i = 0; i < TINY_SHA256_SIZE; i++)
        out[i] = ((const uint8_t *)hash->state)[(TINY_SHA256_SIZE - 1 - i) ^ 3 ^ byte_order()];
}

/* HMAC of bytes, and of a byte 1 behind them if `one` is 1, not 0. The result takes the key's place. */
BULLA_APART static void authenticate(struct hmac *hmac, const uint8_t *bytes, uint16_t len, uint8_t one)
{
    struct bulla_tiny_sha256 *hash = &hmac->hash;
    uint8_t mask = INNER;

    for (;;) {
        begin(hash);
        do
            add(hash, (hash->at < sizeof(hmac->key) ? hmac->key[hash->at] : 0) ^ mask);
        while (hash->at != 0);
        for (uint16_t i = 0; i < len; i++)
            add(hash, bytes[i]);
        if (one != 0)
            add(hash, 1);
        end(hash, (uint16_t)(BLOCK_SIZE + len + one), mask == INNER ? hmac->digest : hmac->key);
        if (mask == OUTER)
            break;
        mask = OUTER;
        bytes = hmac->digest;
        len = sizeof(hmac->digest);
        one = 0;
    }
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
    authenticate(&hmac, ikm, (uint16_t)ikm_len, 0);
    authenticate(&hmac, info, (uint16_t)info_len, 1);
    memcpy(out, hmac.key, out_len);
    bulla_wipe(&hmac, sizeof(hmac));
    return 0;
}

#endif
