/*
 * SHA-256's compression of a block (FIPS 180-4 6.2.2), small. The message schedule and the working variables
 * stand in one array that moves on by a word each round: what a round needs is always in the same places.
 */
#include "provider.h"

#if BULLA_WITH_TINY

#include "crypto_tiny.h"

#include <string.h>

const uint32_t bulla_tiny_sha256_constants[64] TINY_ROM = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if !defined(__AVR__)

#define H        TINY_SHA256_H
#define MAJORITY 9 /* what the first turn of the second half of a round is by, which tells it apart */

static uint32_t rotate(uint32_t x, uint8_t by)
{
    return x >> by | x << (32 - by);
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

/* Half a round: v[2] turned by c, by b + c and by a + b + c, and v[1] or v[0] chosen by it, or by where it
 * differs from v[0]: that makes their majority. */
BULLA_APART static uint32_t half_round(const uint32_t v[3], uint8_t a, uint8_t b, uint8_t c)
{
    uint32_t x = v[2];
    uint32_t choice = x;

    if (a == MAJORITY)
        choice ^= v[0];
    return rotate(turn_twice(x, a, b) ^ x, c) + (v[0] ^ (choice & (v[1] ^ v[0])));
}

/* Every word to the place before it; by twos, so that no compiler takes it for memmove(), which is slower. */
static void move_on(uint32_t *v)
{
    for (uint8_t at = 0; at < H + 7; at += 2) {
        uint32_t second = v[at + 2];
        v[at] = v[at + 1];
        v[at + 1] = second;
    }
}

void bulla_tiny_sha256_block(struct bulla_tiny_sha256 *hash)
{
    uint32_t *v = hash->v;

    memcpy(v + H, hash->state, TINY_SHA256_SIZE);
    for (uint8_t i = 0; i < 64; i++) {
        uint32_t next = v[0];
        uint32_t sum = next + v[H] + bulla_tiny_sha256_constants[i] + half_round(v + H + 1, 14, 5, 6);

        next += v[9] + spread(v[1], 11, 7, 3);
        next += spread(v[14], 2, 17, 10);
        move_on(v);
        v[15] = next;
        v[H + 3] += sum;
        v[H + 7] = sum + half_round(v + H + 4, MAJORITY, 11, 2);
    }
    for (uint8_t i = 0; i < 8; i++)
        hash->state[i] += v[H + i];
}

#endif

#endif
