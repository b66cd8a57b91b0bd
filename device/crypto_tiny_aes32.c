/*
 * AES-128 (FIPS 197) in words, for 32-bit cores: a column is a word, its first byte the lowest. One block
 * under one key, the round keys made on the way.
 */
#include "provider.h"

#if BULLA_WITH_TINY && BULLA_TINY_WORDS

#include "crypto_tiny.h"

#include <string.h>

#define ROUNDS_END 0x6c /* what the round constant 1 becomes after ten doublings */

/* Doubles each byte in GF(2^8), by a mask: what the bytes are takes no branch. */
static uint32_t twice(uint32_t x)
{
    return (x & 0x7f7f7f7f) << 1 ^ (x >> 7 & 0x01010101) * 0x1b;
}

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

/* SubBytes and ShiftRows: a column takes each of its bytes from another. */
static uint32_t substitute(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint8_t *sbox = bulla_tiny_sbox;

    return sbox[a & 0xff] | (uint32_t)sbox[b >> 8 & 0xff] << 8 | (uint32_t)sbox[c >> 16 & 0xff] << 16 |
           (uint32_t)sbox[d >> 24] << 24;
}

static uint32_t mix_column(uint32_t column)
{
    uint32_t neighbours = column ^ rotate(column, 8);

    return column ^ neighbours ^ rotate(neighbours, 16) ^ twice(neighbours);
}

static void next_round_key(uint32_t key[4], uint32_t constant)
{
    uint32_t last = rotate(key[3], 8);

    last = substitute(last, last, last, last) ^ constant;
    for (unsigned i = 0; i < 4; i++)
        last = key[i] ^= last;
}

void bulla_tiny_aes(const uint8_t key[TINY_AES_SIZE], uint32_t block[4], uint32_t scratch[8])
{
    uint32_t *round_key = scratch;
    uint32_t *before = scratch + 4;
    uint32_t constant = 1;

    memcpy(round_key, key, TINY_AES_SIZE);
    for (;;) {
        for (unsigned i = 0; i < 4; i++)
            before[i] = block[i] ^= round_key[i];
        if (constant == ROUNDS_END)
            break;
        next_round_key(round_key, constant);
        constant = twice(constant);
        for (unsigned i = 0; i < 4; i++) {
            block[i] = substitute(before[i], before[(i + 1) & 3], before[(i + 2) & 3], before[(i + 3) & 3]);
            if (constant != ROUNDS_END)
                block[i] = mix_column(block[i]);
        }
    }
}

#endif
