/*
 * SHA-256 (FIPS 180-4), small: a byte at a time. The working variables and the message schedule stand in one
 * array that moves on by a word each round: what a round needs is always in the same places.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

#define MAJORITY 9 /* what the first turn of the second half of a round is by, which tells it apart */

static const uint32_t constants[64] TINY_ROM = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t initial[8] TINY_ROM = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

#if defined(__AVR__)
/* No barrel shifter: bytes first, then bits. A call, for what it would take in line. */
static __attribute__((noinline)) uint32_t rotate(uint32_t x, uint8_t by)
{
    for (; by >= 8; by -= 8)
        x = x >> 8 | x << 24;
    for (; by > 0; by--)
        x = x >> 1 | x << 31;
    return x;
}
#else
static uint32_t rotate(uint32_t x, uint8_t by)
{
    return x >> by | x << (32 - by);
}
#endif

/* To be XORed to where a word's byte would stand if its lowest were the first. Compilers know it. */
static uint8_t byte_order(void)
{
    const uint16_t one = 1;

    return *(const uint8_t *)&one == 1 ? 0 : 3;
}

/* What all the sigmas begin with. */
static uint32_t turn_twice(uint32_t x, uint8_t a, uint8_t b)
{
    return rotate(rotate(x, a) ^ x, b);
}

/* A sigma of the schedule. */
BULLA_APART static uint32_t spread(uint32_t x, uint8_t a, uint8_t b, uint8_t shift)
{
    return turn_twice(x, a, b) ^ x >> shift;
}

/* Half a round: v[0] turned by c, by b + c and by a + b + c, and v[1] or v[2] chosen by it, or by where it
 * differs from v[2]: that makes their majority. */
BULLA_APART static uint32_t half_round(const uint32_t v[3], uint8_t a, uint8_t b, uint8_t c)
{
    uint32_t x = v[0];
    uint32_t choice = x;

    if (a == MAJORITY)
        choice ^= v[2];
    return rotate(turn_twice(x, a, b) ^ x, c) + (v[2] ^ (choice & (v[1] ^ v[2])));
}

BULLA_APART static void compress(uint32_t *v, uint32_t *state)
{
    uint32_t *w = v + 8; /* of the schedule: the next word is the last */

    memcpy(v, state, TINY_SHA256_SIZE);
    for (uint8_t i = 0; i < 64; i++) {
        uint32_t before = 0;
        uint32_t next = w[15];
        uint32_t sum = next + v[7] + TINY_READ_WORD(&constants[i]) + half_round(v + 4, 14, 5, 6);

        next += w[6] + spread(w[1], 2, 17, 10);
        next += spread(w[14], 11, 7, 3);
        for (uint8_t at = 0; at < 24; at++) { /* (memmove, in words) */
            uint32_t was = v[at];
            v[at] = before;
            before = was;
        }
        w[0] = next;
        v[4] += sum;
        v[0] = sum + half_round(v + 1, MAJORITY, 11, 2);
    }
    for (uint8_t i = 0; i < 8; i++)
        *state++ += *v++;
}

void bulla_tiny_sha256_begin(struct bulla_tiny_sha256 *hash)
{
    for (uint8_t i = 0; i < 8; i++)
        hash->state[i] = TINY_READ_WORD(&initial[i]);
    hash->len = 0;
}

/* The block's first word is the last of the array, so its bytes stand the other way round, where a word's
 * lowest byte is its first. */
void bulla_tiny_sha256_byte(struct bulla_tiny_sha256 *hash, uint8_t byte)
{
    uint8_t at = (uint8_t)hash->len % 64;

    ((uint8_t *)hash->v)[(sizeof(hash->v) - 1 - at) ^ byte_order()] = byte;
    hash->len++;
    if (at == 63)
        compress(hash->v, hash->state);
}

void bulla_tiny_sha256_end(struct bulla_tiny_sha256 *hash, uint8_t out[TINY_SHA256_SIZE])
{
    uint16_t len = hash->len;

    bulla_tiny_sha256_byte(hash, 0x80);
    while (hash->len % 64 != 62)
        bulla_tiny_sha256_byte(hash, 0);
    bulla_tiny_sha256_byte(hash, (uint8_t)(len >> 5)); /* its length in bits */
    bulla_tiny_sha256_byte(hash, (uint8_t)(len << 3));
    for (uint8_t i = 0; i < TINY_SHA256_SIZE; i++)
        out[i] = ((const uint8_t *)hash->state)[i ^ 3 ^ byte_order()];
}

#endif
